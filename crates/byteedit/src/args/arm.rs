//! Arms of a comparison, and which of them to compare.

use std::str::FromStr;

use super::parse::not_negative;

/// Most denoising steps, as for other verbs.
const MAX_STEPS: usize = 1000;

/// `NAME=MODEL[@STEPS[:GUIDANCE]]`: a model with settings, under a name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ArmArg {
    /// What tables call it.
    pub(crate) name: String,
    /// `mini` or a folder.
    pub(crate) model: String,
    /// Denoising steps; none for the model's own.
    pub(crate) n_steps: Option<usize>,
    /// How strongly prompts pull in edit and outpaint; none for the model's own.
    pub(crate) guidance: Option<f64>,
}

impl FromStr for ArmArg {
    type Err = String;

    /// What follows the last `@` are the numbers, so that a folder may have one in its name if they are given.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, source)) = text.split_once('=') else {
            return Err("write NAME=MODEL, such as base=mini or fast=runs/base/model@8:2.5".to_owned());
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(format!("`{name}` is no name of an arm: use letters, digits, `.`, `_` and `-`"));
        }
        let (model, numbers) = match source.rsplit_once('@') {
            Some((model, numbers)) => (model, Some(numbers)),
            None => (source, None),
        };
        if model.is_empty() {
            return Err(format!("the arm {name} has no model; name mini or a model folder after its `=`"));
        }
        let (n_steps, guidance) = numbers.map(settings).transpose()?.unwrap_or_default();
        Ok(Self { name: name.to_owned(), model: model.to_owned(), n_steps, guidance })
    }
}

/// `STEPS` or `STEPS:GUIDANCE`.
fn settings(text: &str) -> Result<(Option<usize>, Option<f64>), String> {
    let (steps, guidance) = match text.split_once(':') {
        Some((steps, guidance)) => (steps, Some(guidance)),
        None => (text, None),
    };
    let n_steps =
        steps.parse::<usize>().ok().filter(|n_steps| (1..=MAX_STEPS).contains(n_steps)).ok_or_else(|| {
            format!("`{steps}` is no number of steps from 1 to {MAX_STEPS}; write @STEPS or @STEPS:GUIDANCE")
        })?;
    let guidance =
        guidance.map(not_negative).transpose().map_err(|error| format!("the guidance: {error}"))?;
    Ok((Some(n_steps), guidance))
}

/// `FIRST,SECOND`: names of two arms, of which the first is called better or worse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PairArg(pub(crate) [String; 2]);

impl FromStr for PairArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split(',').collect::<Vec<_>>()[..] {
            [first, second] if !first.is_empty() && !second.is_empty() => {
                Ok(Self([first, second].map(str::to_owned)))
            }
            _ => Err("write the names of two arms with a comma between them, such as pefl,base".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(name: &str, model: &str, n_steps: Option<usize>, guidance: Option<f64>) -> ArmArg {
        ArmArg { name: name.to_owned(), model: model.to_owned(), n_steps, guidance }
    }

    #[test]
    fn steps_and_guidance_may_be_left_out() {
        let parse = |text: &str| text.parse::<ArmArg>();
        assert_eq!(parse("base=mini"), Ok(arm("base", "mini", None, None)));
        assert_eq!(parse("base8=mini@8"), Ok(arm("base8", "mini", Some(8), None)));
        let pefl = "pefl-2=runs/pefl/model@20:2.5";
        assert_eq!(parse(pefl), Ok(arm("pefl-2", "runs/pefl/model", Some(20), Some(2.5))));
        assert_eq!(parse("a=b=c/d@e@4:0"), Ok(arm("a", "b=c/d@e", Some(4), Some(0.0))));
    }

    #[test]
    fn malformed_arms_are_told_what_is_wrong() {
        for (text, says) in [
            ("mini", "write NAME=MODEL"),
            ("=mini", "`` is no name of an arm"),
            ("a,b=mini", "`a,b` is no name of an arm"),
            ("base=", "the arm base has no model"),
            ("base=@8", "the arm base has no model"),
            ("base=mini@", "`` is no number of steps"),
            ("base=mini@fast", "`fast` is no number of steps from 1 to 1000"),
            ("base=mini@0", "`0` is no number of steps"),
            ("base=mini@1001", "`1001` is no number of steps"),
            ("base=mini@8:", "the guidance: it is not a finite number"),
            ("base=mini@8:-1", "the guidance: -1 is below 0"),
            ("base=mini@8:2:3", "the guidance: it is not a finite number"),
        ] {
            let message = text.parse::<ArmArg>().unwrap_err();
            assert!(message.contains(says), "{text}: {message}");
        }
    }

    #[test]
    fn a_pair_is_two_names() {
        let pair = |text: &str| text.parse::<PairArg>();
        assert_eq!(pair("pefl,base"), Ok(PairArg(["pefl".to_owned(), "base".to_owned()])));
        for text in ["pefl", "pefl,", ",base", "a,b,c"] {
            assert!(pair(text).unwrap_err().contains("two arms"), "{text}");
        }
    }
}
