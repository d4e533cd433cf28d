//! Which photographs are used, and on which side of the split each stands. Curated by looking.

use super::Split;

/// Photographs whose short side is below this many pixels are too coarse to cut a frame from.
pub(crate) const MIN_SHORT_SIDE: u32 = 160;

/// Left out, by file stem: cut out on plain white, people who can be recognised, or not in colour.
const EXCLUDED: &[&str] = &[
    "baseball",
    "castleClinton",
    "cuttingTool",
    "erasers",
    "hammer2",
    "hammer5",
    "hammer8",
    "hammer9",
    "italy",
    "japan",
    "measuringTape1",
    "measuringTape2",
    "measuringTape3",
    "measuringTape4",
    "mexico",
    "multimeter1",
    "multimeter3",
    "orchestra",
    "plier1",
    "plier2",
    "plier3",
    "scissors1",
    "scissors4",
    "screwDriver3",
    "spray",
    "tweezer1",
    "volleyball",
    "weighingMachine",
    "wrench",
];

/// Stems that are only looked at for the reported figures, and for the demo.
const TEST: &[&str] = &[
    "IndiaGate",
    "bison",
    "bucket",
    "canyondeChelly",
    "charminar",
    "chateaudeChenonceau",
    "chicken",
    "cow",
    "drums",
    "geothermal",
    "goldenTemple",
    "hawaMahal",
    "hedgehog",
    "kingfisher",
    "knife",
    "lemur",
    "machuPicchu",
    "montStMichel",
    "neuschwansteinCastle",
    "operaHouse",
    "panda",
    "parthenon",
    "petra",
    "pillow",
    "polar_bear",
    "pontduGard",
];

/// Stems that choices are made on: checkpoints, thresholds, settings.
const VALIDATION: &[&str] = &[
    "berlinCathedral",
    "christTheRedeemer",
    "crocodile",
    "cup",
    "dragon",
    "eiffelTower",
    "greatStupa",
    "igloo",
    "koala",
    "lincolnMemorial",
    "moose",
    "navajo",
    "rangGhar",
    "rocamadour",
    "schwerinPalace",
    "sheep",
];

/// The name a photograph is known by: its file stem, with the few that say nothing replaced.
pub(crate) fn photo_name(folder: &str, stem: &str) -> String {
    match (folder, stem) {
        ("music", "africa") => "drums".to_owned(),
        _ => stem.to_owned(),
    }
}

/// Whether the photograph is used at all.
pub(crate) fn is_used(name: &str) -> bool {
    !EXCLUDED.contains(&name)
}

/// The side of the split a photograph is on.
pub(crate) fn split_of(name: &str) -> Split {
    if TEST.contains(&name) {
        Split::Test
    } else if VALIDATION.contains(&name) {
        Split::Validation
    } else {
        Split::Train
    }
}

/// Photographs of one family show the same subject, such as `windmill3` and `windmill12`.
pub(crate) fn family(name: &str) -> String {
    name.trim_end_matches(|c: char| c.is_ascii_digit()).to_lowercase()
}

/// The demo's photographs, all of the test split.
pub(crate) const DEMO: &[&str] =
    &["canyondeChelly", "chateaudeChenonceau", "cow", "drums", "kingfisher", "montStMichel"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_do_not_meet() {
        for name in TEST {
            assert!(!VALIDATION.contains(name) && is_used(name), "{name}");
        }
        assert!(VALIDATION.iter().all(|name| is_used(name)));
        assert!(DEMO.iter().all(|name| split_of(name) == Split::Test));
    }
}
