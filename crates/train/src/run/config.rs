//! Configuration files: a user's JSON over a preset, unknown keys refused, differences named.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Result, TrainError};

/// How often a run reports may change between two of its starts.
const REPORT: &str = "training.report";
/// Whether parts are computed again, which changes memory and the order of sums: a run that has too little memory goes on
/// with it, to the same weights but for rounding.
const RECOMPUTE: &str = "recompute";
/// How long it trains may change too, unless its learning rate is a cosine over all of its steps.
const LENGTH: &str = "training.n_steps";
/// Longest value that a message shows, in characters.
const MAX_SHOWN: usize = 60;

/// `preset` with the values of a JSON object put over it, key by key; lists are replaced whole.
///
/// # Errors
/// [`TrainError::Json`] for text that is not JSON, a key that does not exist or a value of a wrong
/// type.
pub fn config_from_overlay<T: Serialize + DeserializeOwned>(preset: &T, text: &str, what: &str) -> Result<T> {
    let json = |source| TrainError::Json { what: what.to_owned(), source };
    let mut merged = serde_json::to_value(preset).map_err(json)?;
    overlay(&mut merged, serde_json::from_str(text).map_err(json)?);
    serde_json::from_value(merged).map_err(json)
}

/// The resolved configuration of the run in `folder`.
pub(crate) fn read_config<T: DeserializeOwned>(folder: &Path) -> Result<T> {
    let path = folder.join("config.json");
    let text = fs::read_to_string(&path).map_err(TrainError::io("reading", &path))?;
    serde_json::from_str(&text)
        .map_err(|source| TrainError::Json { what: path.display().to_string(), source })
}

fn overlay(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                overlay(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

/// What keeps a run from being resumed with another configuration: one entry for each key that
/// differs, with the value of `old` and that of `new`.
pub fn differences(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", old, new, free(new), &mut found);
    found
}

/// The keys that may change between two starts of a run.
fn free(config: &Value) -> &'static [&'static str] {
    let rates = ["/training/learning_rate/decay/cosine", "/adversary/learning_rate/decay/cosine"];
    let is_cosine = rates.iter().any(|rate| config.pointer(rate).is_some());
    if is_cosine { &[REPORT, RECOMPUTE] } else { &[REPORT, RECOMPUTE, LENGTH] }
}

/// The configuration without the keys that may change: what a checkpoint is bound to.
pub(crate) fn bound(config: &Value) -> Value {
    let mut bound = config.clone();
    for path in free(config) {
        let (parents, key) = path.rsplit_once('.').unwrap_or(("", *path));
        let pointer =
            if parents.is_empty() { String::new() } else { format!("/{}", parents.replace('.', "/")) };
        if let Some(Value::Object(parent)) = bound.pointer_mut(&pointer) {
            parent.remove(key);
        }
    }
    bound
}

fn compare(path: &str, old: &Value, new: &Value, free: &[&str], found: &mut Vec<String>) {
    if free.contains(&path) || old == new {
        return;
    }
    if let (Value::Object(old), Value::Object(new)) = (old, new) {
        let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for key in keys {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let [old, new] = [old, new].map(|object| object.get(key).unwrap_or(&Value::Null));
            compare(&path, old, new, free, found);
        }
        return;
    }
    let why = if path == LENGTH {
        "; the learning rate's cosine depends on it: to train longer, start another run with --init from this one's export"
    } else {
        ""
    };
    found.push(format!("`{path}` (was {}, is {}{why})", shown(old), shown(new)));
}

/// A value for a message.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::optim::{Decay, LrSchedule};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        widths: Vec<usize>,
        training: Inner,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        n_steps: u64,
        seed: u64,
        gamma: Option<f64>,
    }

    fn preset() -> Outer {
        Outer { widths: vec![1, 2, 3], training: Inner { n_steps: 10, seed: 0, gamma: None } }
    }

    fn read(text: &str) -> Result<Outer, String> {
        config_from_overlay(&preset(), text, "the configuration").map_err(|error| error.to_string())
    }

    #[test]
    fn an_overlay_changes_what_it_names() {
        let config = read(r#"{"widths": [7], "training": {"gamma": 5.0}}"#).unwrap();
        let training = Inner { gamma: Some(5.0), ..preset().training };
        assert_eq!(config, Outer { widths: vec![7], training });
        assert_eq!(read("{}").unwrap(), preset());
    }

    #[test]
    fn unknown_keys_and_wrong_types_are_refused_by_name() {
        assert!(read(r#"{"training": {"n_step": 3}}"#).unwrap_err().contains("unknown field `n_step`"));
        assert!(read(r#"{"widths": 3}"#).unwrap_err().contains("invalid type"));
        assert!(read("{").unwrap_err().contains("the configuration is not a valid configuration"));
    }

    #[test]
    fn differences_name_the_keys_and_both_values() {
        let old =
            json!({"a": {"b": 1, "c": [1, 2]}, "training": {"n_steps": 5, "report": {"x": 1}, "seed": 3}});
        let new = json!({"a": {"b": 2, "c": [1, 2]}, "training": {"n_steps": 9, "report": {"x": 2}, "seed": 3}, "d": 1});
        assert_eq!(differences(&old, &new), ["`a.b` (was 1, is 2)", "`d` (was null, is 1)"]);
        assert!(differences(&old, &old).is_empty());
    }

    #[test]
    fn a_long_value_is_cut() {
        let found = differences(&json!({}), &json!({"a": "x".repeat(1000)}));
        assert!(found[0].len() < 100 && found[0].ends_with("xx...)"), "{found:?}");
    }

    #[test]
    fn a_state_is_bound_to_everything_but_length_and_reports() {
        let config = |n_steps, seed| json!({"training": {"n_steps": n_steps, "report": {}, "seed": seed}});
        assert_eq!(bound(&config(5, 0)), bound(&config(9, 0)));
        let mut recomputed = config(5, 0);
        recomputed["recompute"] = json!(true);
        assert_eq!(bound(&config(5, 0)), bound(&recomputed));
        assert!(differences(&config(5, 0), &recomputed).is_empty());
        assert_ne!(bound(&config(5, 0)), bound(&config(5, 1)));
    }

    #[test]
    fn a_cosine_binds_a_run_to_its_length() {
        let config = |n_steps, decay| {
            let learning_rate = LrSchedule { peak: 1.0, warmup_steps: 0, decay };
            json!({"training": {"n_steps": n_steps, "learning_rate": learning_rate}})
        };
        let cosine = |n_steps| config(n_steps, Decay::Cosine { floor: 0.1 });
        assert_ne!(bound(&cosine(5)), bound(&cosine(9)));
        let found = differences(&cosine(5), &cosine(9));
        assert!(
            found[0].contains("`training.n_steps` (was 5, is 9; ") && found[0].contains("--init"),
            "{found:?}"
        );
        let constant = |n_steps| config(n_steps, Decay::Constant);
        assert_eq!(bound(&constant(5)), bound(&constant(9)));
        assert!(differences(&constant(5), &constant(9)).is_empty());
    }
}
