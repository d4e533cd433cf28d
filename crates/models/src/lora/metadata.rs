//! `lora_adapter_metadata`, in which diffusers keeps PEFT's configuration of each network: `α` is nowhere else.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::config::is_named;

/// Its key in the header of a file.
pub(super) const KEY: &str = "lora_adapter_metadata";

/// PEFT's configurations; nothing where a file has none.
#[derive(Debug, Default)]
pub(super) struct Adapters(Map<String, Value>);

/// Rank and `α` of a layer by its path.
pub(super) type Sizes = BTreeMap<String, (usize, f64)>;

impl Adapters {
    /// # Errors
    /// Why it is none.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, String> {
        let Some(text) = text else { return Ok(Self::default()) };
        serde_json::from_str(text).map(Self).map_err(|error| format!("its `{KEY}` cannot be read: {error}"))
    }

    /// `α` of a layer by its name in diffusers' form, which begins with the network's; `None` if nothing is said of it.
    ///
    /// # Errors
    /// What is said and not understood.
    pub(super) fn alpha(&self, name: &str, rank: usize) -> Result<Option<f64>, String> {
        let (network, path) = name.split_once('.').unwrap_or(("", name));
        let of = |key: &str| self.0.get(&format!("{network}.{key}"));
        let number = |value: &Value| {
            value
                .as_f64()
                .ok_or_else(|| format!("`{network}.lora_alpha` or `alpha_pattern` has {value}, no number"))
        };
        let mut alpha = of("lora_alpha").map(number).transpose()?;
        if let Some(Value::Object(patterns)) = of("alpha_pattern") {
            for (pattern, value) in patterns {
                if is_meant(pattern, path)? {
                    alpha = Some(number(value)?);
                    break;
                }
            }
        }
        // "Rank-stabilised": the branch weighs α / √rank.
        let by_root = of("use_rslora").is_some_and(|value| *value == Value::Bool(true));
        Ok(alpha.map(|alpha| if by_root { alpha * (rank as f64).sqrt() } else { alpha }))
    }

    /// The configuration of a network with these branches, as PEFT needs it to load them.
    pub(super) fn add(&mut self, network: &str, sizes: &Sizes) {
        let Some((rank, alpha)) = sizes.values().next().copied() else { return };
        let of = |differs: &dyn Fn(&(usize, f64)) -> bool, value: &dyn Fn(&(usize, f64)) -> Value| -> Value {
            let others = sizes.iter().filter(|(_, size)| differs(size));
            others.map(|(path, size)| (path.clone(), value(size))).collect::<Map<_, _>>().into()
        };
        let other_alpha = |size: &(usize, f64)| size.1.to_bits() != alpha.to_bits();
        let entries = [
            ("r", Value::from(rank)),
            ("lora_alpha", number(alpha)),
            ("rank_pattern", of(&|size| size.0 != rank, &|size| Value::from(size.0))),
            ("alpha_pattern", of(&other_alpha, &|size| number(size.1))),
            ("target_modules", sizes.keys().cloned().collect::<Vec<_>>().into()),
        ];
        self.0.extend(entries.map(|(key, value)| (format!("{network}.{key}"), value)));
    }

    pub(super) fn to_text(&self) -> String {
        let sorted: BTreeMap<_, _> = self.0.iter().collect();
        serde_json::to_string_pretty(&sorted).expect("a JSON value always prints")
    }
}

/// A whole number without a point, as PEFT has it.
pub(super) fn number(value: f64) -> Value {
    let whole = value as i64;
    if (whole as f64).to_bits() == value.to_bits() { Value::from(whole) } else { Value::from(value) }
}

/// Whether a key of `alpha_pattern` means the layer. PEFT reads it as a regular expression for the end of a path, or,
/// behind `^`, for all of it.
///
/// # Errors
/// An expression that is more than a name.
fn is_meant(pattern: &str, path: &str) -> Result<bool, String> {
    let name = pattern.strip_prefix('^').unwrap_or(pattern);
    if !name.chars().all(|character| character.is_ascii_alphanumeric() || "._".contains(character)) {
        return Err(format!(
            "`alpha_pattern` has `{pattern}`; only names of layers and their ends are understood"
        ));
    }
    Ok(if name == pattern { is_named(path, name) } else { path == name })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alpha(text: &str, name: &str) -> Result<Option<f64>, String> {
        Adapters::parse(Some(text))?.alpha(name, 4)
    }

    #[test]
    fn alpha_is_the_networks_unless_a_layer_has_its_own() {
        let text = r#"{"unet.r": 4, "unet.lora_alpha": 8, "text_encoder.lora_alpha": 2,
            "unet.alpha_pattern": {"attn1.to_q": 3, "^mid.to_q": 5}}"#;
        for (name, expected) in [
            ("unet.a.attn2.to_q", Some(8.0)),
            ("unet.a.attn1.to_q", Some(3.0)),
            ("unet.mid.to_q", Some(5.0)),
            ("unet.a.mid.to_q", Some(8.0)),
            ("text_encoder.q_proj", Some(2.0)),
            ("transformer.q_proj", None),
        ] {
            assert_eq!(alpha(text, name), Ok(expected), "{name}");
        }
        assert_eq!(Adapters::parse(None).unwrap().alpha("unet.to_q", 4), Ok(None));
    }

    #[test]
    fn a_rank_stabilised_branch_weighs_alpha_over_the_root() {
        let text = r#"{"unet.lora_alpha": 3, "unet.use_rslora": true}"#;
        assert_eq!(alpha(text, "unet.to_q"), Ok(Some(6.0)));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (text, says) in [
            ("[", "cannot be read"),
            (r#"{"unet.lora_alpha": "8"}"#, "no number"),
            (r#"{"unet.alpha_pattern": {"to_[qk]": 1}}"#, "`to_[qk]`"),
        ] {
            let message = alpha(text, "unet.to_q").unwrap_err();
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn layers_of_other_sizes_are_patterns() {
        let sizes = [("a.to_q", (4, 8.0)), ("a.to_v", (2, 0.5))].map(|(path, size)| (path.to_owned(), size));
        let mut adapters = Adapters::default();
        adapters.add("unet", &sizes.into());
        let text = adapters.to_text();
        assert_eq!(alpha(&text, "unet.a.to_q"), Ok(Some(8.0)));
        assert_eq!(alpha(&text, "unet.a.to_v"), Ok(Some(0.5)));
        for says in ["\"unet.r\": 4", "\"unet.lora_alpha\": 8,", "\"a.to_v\": 2"] {
            assert!(text.contains(says), "{text}");
        }
    }
}
