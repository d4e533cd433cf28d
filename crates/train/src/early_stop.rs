//! Ending a run that no longer gets better on held-out data, with its best weights.

use crate::run::LogRecord;

/// Follows the held-out loss, `validation/loss` of the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EarlyStop {
    patience: u64,
    best: f64,
    n_worse: u64,
}

impl EarlyStop {
    /// Ends a run after `patience` validations in a row that were no better than the best; `log` is what it has
    /// logged so far.
    pub(crate) fn new(patience: u64, log: &[LogRecord]) -> Self {
        let mut stop = Self { patience, best: f64::INFINITY, n_worse: 0 };
        let is_validated =
            |record: &&LogRecord| record.values.keys().any(|key| key.starts_with("validation/"));
        for record in log.iter().filter(is_validated) {
            // A loss that is not finite is not in the log.
            stop.is_best(record.values.get("validation/loss").copied().unwrap_or(f64::INFINITY));
        }
        stop
    }

    /// Takes note of a validation; whether it is the best so far.
    pub(crate) fn is_best(&mut self, loss: f64) -> bool {
        let is_best = loss < self.best;
        self.n_worse = if is_best { 0 } else { self.n_worse + 1 };
        self.best = self.best.min(loss);
        is_best
    }

    /// Whether it is time to end.
    pub(crate) fn is_over(&self) -> bool {
        self.n_worse >= self.patience
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn record(step: u64, key: &str, loss: f64) -> LogRecord {
        LogRecord { step, n_images: step, note: None, values: BTreeMap::from([(key.to_owned(), loss)]) }
    }

    #[test]
    fn a_run_ends_after_as_many_worse_validations_as_it_has_patience() {
        let mut stop = EarlyStop::new(2, &[]);
        assert!(!stop.is_over() && stop.is_best(1.0));
        assert!(!stop.is_best(1.0) && !stop.is_over());
        assert!(stop.is_best(0.5));
        assert!(!stop.is_best(0.7) && !stop.is_over());
        assert!(!stop.is_best(0.6) && stop.is_over());
    }

    #[test]
    fn a_run_that_goes_on_knows_its_past() {
        let log = [
            record(1, "validation/loss", 0.5),
            record(2, "loss", 0.1),
            record(3, "validation/accuracy", 0.6),
        ];
        // The third validation had a loss that no log can hold.
        let mut stop = EarlyStop::new(2, &log);
        assert!(!stop.is_over() && !stop.is_best(0.55) && stop.is_over());
    }
}
