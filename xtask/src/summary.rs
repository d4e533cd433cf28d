//! The results of many test binaries as one line in the test runner's own form.
//!
//! Cargo prints one `test result:` for each binary and no total, and what is printed last is the
//! result of some crate's documentation tests.

const MARK: &str = "test result: ";

/// Counts over all test binaries so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    n_binaries: usize,
    passed: usize,
    failed: usize,
    ignored: usize,
}

impl Summary {
    /// Takes one line of the tests' output; other lines than results count for nothing.
    pub(crate) fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix(MARK) else { return };
        self.n_binaries += 1;
        // `ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s`
        for count in result.split_once(". ").map_or(result, |(_, counts)| counts).split("; ") {
            let Some((n, what)) = count.split_once(' ') else { continue };
            let Ok(n) = n.parse::<usize>() else { continue };
            match what {
                "passed" => self.passed += n,
                "failed" => self.failed += n,
                "ignored" => self.ignored += n,
                _ => {}
            }
        }
    }

    /// The sum; `succeeded` is cargo's own verdict, which also knows of binaries that did not build.
    pub(crate) fn total(&self, succeeded: bool) -> String {
        let Self { n_binaries, passed, failed, ignored } = self;
        let verdict = if succeeded { "ok" } else { "FAILED" };
        format!(
            "{MARK}{verdict}. {passed} passed; {failed} failed; {ignored} ignored; {n_binaries} test binaries"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn results_are_added_up() {
        let mut summary = Summary::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test colors::test result: ... ok",
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 9 filtered out; finished in 2.50s",
            "",
        ] {
            summary.add(line);
        }
        assert_eq!(summary, Summary { n_binaries: 2, passed: 7, failed: 2, ignored: 1 });
        assert_eq!(
            summary.total(false),
            "test result: FAILED. 7 passed; 2 failed; 1 ignored; 2 test binaries"
        );
    }

    #[test]
    fn a_build_that_fails_is_a_failure_without_any_result() {
        assert_eq!(
            Summary::default().total(false),
            "test result: FAILED. 0 passed; 0 failed; 0 ignored; 0 test binaries"
        );
    }
}
