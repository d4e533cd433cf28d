//! Configuration files: a user's JSON over a preset, unknown keys refused, differences named.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Result, TrainError};

/// Keys that may change between two starts of a run: how long it trains and how often it reports.
const FREE: [&str; 2] = ["training.n_steps", "training.report"];

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
    compare("", old, new, &mut found);
    found
}

/// The configuration without the keys that may change: what a checkpoint is bound to.
pub(crate) fn bound(config: &Value) -> Value {
    let mut bound = config.clone();
    for path in FREE {
        let (parents, key) = path.rsplit_once('.').unwrap_or(("", path));
        let pointer =
            if parents.is_empty() { String::new() } else { format!("/{}", parents.replace('.', "/")) };
        if let Some(Value::Object(parent)) = bound.pointer_mut(&pointer) {
            parent.remove(key);
        }
    }
    bound
}

fn compare(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    if FREE.contains(&path) || old == new {
        return;
    }
    if let (Value::Object(old), Value::Object(new)) = (old, new) {
        let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for key in keys {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            compare(&path, old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null), found);
        }
        return;
    }
    found.push(format!("`{path}` (was {old}, is {new})"));
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

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
    fn a_state_is_bound_to_everything_but_length_and_reports() {
        let config = |n_steps, seed| json!({"training": {"n_steps": n_steps, "report": {}, "seed": seed}});
        assert_eq!(bound(&config(5, 0)), bound(&config(9, 0)));
        assert_ne!(bound(&config(5, 0)), bound(&config(5, 1)));
    }
}
