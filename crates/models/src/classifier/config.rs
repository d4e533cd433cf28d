//! What the configurations of both classifiers check.

use std::collections::BTreeSet;

use super::NOTHING;
use crate::ModelError;
use crate::component::unsupported;

/// Most labels, and longest side of a picture in pixels.
const MAX_LABELS: usize = 10_000;
const MAX_SIDE: usize = 256;

/// Refuses lists of labels that are too long, say something twice or do not end in [`NOTHING`]. An empty
/// list is that of a configuration whose labels are still to come.
pub(super) fn check_labels(class: &'static str, labels: &[String]) -> Result<(), ModelError> {
    let distinct: BTreeSet<&String> = labels.iter().collect();
    if distinct.len() != labels.len() || labels.len() > MAX_LABELS {
        let remedy = format!("but it must list at most {MAX_LABELS} labels, each of them once");
        return Err(unsupported(class, "labels", labels.len(), remedy));
    }
    match labels.last() {
        Some(last) if last != NOTHING => {
            Err(unsupported(class, "labels", last, format!("but the last label must be {NOTHING}")))
        }
        _ => Ok(()),
    }
}

/// Refuses sides that cannot be halved `n_halvings` times, or are too long.
pub(super) fn check_side(class: &'static str, side: usize, n_halvings: usize) -> Result<(), ModelError> {
    let multiple = 1_usize << n_halvings;
    if side > 0 && side <= MAX_SIDE && side.is_multiple_of(multiple) {
        return Ok(());
    }
    let remedy = format!("but it must be a positive multiple of {multiple} up to {MAX_SIDE}");
    Err(unsupported(class, "side", side, remedy))
}

/// Refuses widths that cannot be split into groups.
pub(super) fn check_groups(class: &'static str, widths: &[usize], n_groups: usize) -> Result<(), ModelError> {
    match widths.iter().find(|width| n_groups == 0 || !width.is_multiple_of(n_groups)) {
        None => Ok(()),
        Some(width) => {
            let remedy = format!("it is not a multiple of norm_num_groups {n_groups}");
            Err(unsupported(class, "block_out_channels", width, remedy))
        }
    }
}
