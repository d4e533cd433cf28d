//! What the user should know about a result, whether or not it looks right.

use byteedit_image::color::SrgbConverter;

use super::pass::Pass;
use crate::model::EditModel;
use crate::request::EditRequest;
use crate::result::Warning;

/// Enlargement above which a result is visibly softer than its picture.
const SOFT: f64 = 2.0;

pub(super) fn warnings(model: &EditModel, request: &EditRequest, passes: &[Pass]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if passes.is_empty() {
        warnings.push(Warning::NothingToDo);
        return warnings;
    }
    if passes.iter().any(|pass| pass.edit_mask.is_full()) {
        warnings.push(Warning::NothingKept);
    }
    let factor = passes.iter().map(|pass| pass.plan.enlargement()).fold(0.0, f64::max);
    if factor > SOFT {
        warnings.push(Warning::Enlarged { factor, resolution: model.resolution() });
    }
    let sampling = &request.settings().sampling;
    if sampling.negative_prompt.is_some() && sampling.guidance_scale <= 1.0 {
        warnings.push(Warning::NegativePromptUnused { guidance_scale: sampling.guidance_scale });
    }
    let tokenizer = &model.parts().tokenizer;
    for text in [request.task().prompt(), sampling.negative_prompt()] {
        let n_left_out = tokenizer.n_truncated(text);
        if n_left_out > 0 {
            warnings.push(Warning::PromptTruncated { n_left_out, max_length: tokenizer.max_length() });
        }
        warnings.extend(model.unknown_words(text).into_iter().map(Warning::UnknownWord));
    }
    if let Some(reason) = SrgbConverter::for_picture(request.picture()).ignored_profile() {
        warnings.push(Warning::ProfileIgnored { reason: reason.to_owned() });
    }
    warnings
}
