//! What is compared: an editor with its settings, under a name of its own.

use byteedit_diffusion::{SamplerKind, is_own_temperature, own_temperature};
use serde::{Deserialize, Serialize};

use crate::config::{EvalConfig, GuidanceScales};
use crate::editor::Editor;
use crate::error::{EvalError, Result};

/// The place of the arm that the tie bands come from.
pub(super) const REFERENCE: usize = 0;

/// One of several that are compared.
#[derive(Clone)]
pub struct Arm<'a> {
    /// What tables and pairs call it; no other arm has the name.
    pub name: String,
    /// Who paints.
    pub editor: &'a dyn Editor,
    /// What tells its editor from all others besides the [hash of its weights](Editor::identity), such as a hash of its
    /// files: answers that were kept of another are not used.
    pub fingerprint: String,
    /// Where it computes and how, as far as that changes what it paints: answers that were kept of another are not used.
    pub device: String,
    /// How it is asked to.
    pub settings: ArmSettings,
}

/// Settings in which arms may differ; ranges are those of [`EvalConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmSettings {
    /// Update rule of the denoise loop.
    pub sampler: SamplerKind,
    /// Denoising steps.
    pub n_steps: usize,
    /// How strongly prompts are followed.
    pub guidance: GuidanceScales,
    /// Temperature of edits.
    pub temperature: f64,
    /// Temperature of erasing.
    #[serde(default = "own_temperature", skip_serializing_if = "is_own_temperature")]
    pub erase_temperature: f64,
    /// Temperature of outpainting.
    #[serde(default = "own_temperature", skip_serializing_if = "is_own_temperature")]
    pub outpaint_temperature: f64,
    /// The part of a model's view that the shorter side of an edit's box takes; none shows edits as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub box_share: Option<f64>,
}

impl From<&EvalConfig> for ArmSettings {
    /// Those of an evaluation, such as [`EvalConfig::for_model`] says.
    fn from(config: &EvalConfig) -> Self {
        let EvalConfig {
            sampler,
            n_steps,
            guidance,
            temperature,
            erase_temperature,
            outpaint_temperature,
            box_share,
            ..
        } = *config;
        Self { sampler, n_steps, guidance, temperature, erase_temperature, outpaint_temperature, box_share }
    }
}

/// Which arms are compared, by their places in `names`: the pairs `asked` for by name, or, if none is, every later arm
/// with the first. The first of a pair is the one that is better, the same or worse.
///
/// # Errors
/// [`EvalError::Arms`] for fewer than two arms, two of one name, a pair that names no arm, an arm that is to be compared
/// with itself, and a pair that is asked for twice.
pub fn pairs(names: &[&str], asked: &[[String; 2]]) -> Result<Vec<[usize; 2]>> {
    let refuse = |reason: String| Err(EvalError::Arms { reason });
    if names.len() < 2 {
        return refuse(format!(
            "a comparison needs at least two arms, not {}; add --arm NAME=MODEL",
            names.len()
        ));
    }
    check_distinct(names)?;
    if asked.is_empty() {
        return Ok((1..names.len()).map(|later| [later, 0]).collect());
    }
    let place = |name: &String| {
        let found = names.iter().position(|other| other == name);
        found.ok_or_else(|| EvalError::Arms {
            reason: format!("there is no arm {name} to compare; the arms are {}", names.join(", ")),
        })
    };
    let mut pairs = Vec::with_capacity(asked.len());
    for [first, second] in asked {
        let pair = [place(first)?, place(second)?];
        if first == second {
            return refuse(format!("the arm {first} cannot be compared with itself; name two arms"));
        }
        if pairs.contains(&pair) {
            return refuse(format!("the pair {first},{second} is asked for twice; name it once"));
        }
        pairs.push(pair);
    }
    Ok(pairs)
}

/// Whether every arm has a name of its own.
///
/// # Errors
/// [`EvalError::Arms`] for two of one name.
pub fn check_distinct(names: &[&str]) -> Result<()> {
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            let reason = format!("two arms are named {name}; give each a name of its own");
            return Err(EvalError::Arms { reason });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(first: &str, second: &str) -> [String; 2] {
        [first.to_owned(), second.to_owned()]
    }

    #[test]
    fn every_later_arm_meets_the_first_unless_pairs_are_asked_for() {
        let names = ["base", "pefl", "fast"];
        assert_eq!(pairs(&names, &[]).unwrap(), [[1, 0], [2, 0]]);
        let asked = [pair("fast", "pefl"), pair("base", "fast")];
        assert_eq!(pairs(&names, &asked).unwrap(), [[2, 1], [0, 2]]);
    }

    #[test]
    fn what_cannot_be_compared_is_named() {
        for (names, asked, says) in [
            (&["base"][..], vec![], "at least two arms, not 1"),
            (&["base", "pefl", "base"], vec![], "two arms are named base"),
            (
                &["base", "pefl"],
                vec![pair("pefl", "best")],
                "no arm best to compare; the arms are base, pefl",
            ),
            (&["base", "pefl"], vec![pair("pefl", "pefl")], "with itself"),
            (&["base", "pefl"], vec![pair("pefl", "base"), pair("pefl", "base")], "asked for twice"),
        ] {
            let message = pairs(names, &asked).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        }
    }
}
