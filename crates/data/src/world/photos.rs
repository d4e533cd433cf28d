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

/// Photographs, by stem or family, whose subject a person would call by a word of the world, and that word.
/// They are backgrounds like any other for models that paint, but who is asked what they show cannot be
/// right by saying "nothing". Trees at the edge of a landscape are no subject.
const SUBJECTS: &[(&str, &str)] = &[
    ("bucket", "bucket"),
    ("buffetset", "cup"),
    ("bulb", "lamp"),
    ("cat", "cat"),
    ("chair", "chair"),
    ("chateaudeChambord", "castle"),
    ("chateaudeChenonceau", "castle"),
    ("citedeCarcassonne", "castle"),
    ("cow", "cow"),
    ("crab", "crab"),
    ("cup", "cup"),
    ("dog", "dog"),
    ("duck", "duck"),
    ("fish", "fish"),
    ("georgeWashingtonBirthplace", "house"),
    ("giraffe", "giraffe"),
    ("horse", "horse"),
    ("middleeast", "guitar"),
    ("montStMichel", "castle"),
    ("monument3", "castle"),
    ("narwhal", "whale"),
    ("neuschwansteinCastle", "castle"),
    ("owl", "owl"),
    ("palaisdesPapes", "castle"),
    ("panda", "panda"),
    ("pig", "pig"),
    ("pillow", "bed"),
    ("polar_bear", "bear"),
    ("red_panda", "panda"),
    ("schwerinPalace", "castle"),
    ("sheep", "sheep"),
    ("solar6", "house"),
];

/// Families under more than one name.
const ALIASES: &[(&str, &str)] = &[("greatwallofchina", "greatwall"), ("kutubminar", "qutubminar")];

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
    let family = stem(name).to_lowercase();
    let alias = ALIASES.iter().find(|(alias, _)| *alias == family);
    alias.map_or(family, |(_, usual)| (*usual).to_owned())
}

fn stem(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// The concept that a photograph of the world shows, if its subject is one; by the photograph's name, as
/// [`Sample::photo`](super::Sample::photo) has it.
pub fn subject_of(photo: &str) -> Option<&'static str> {
    SUBJECTS.iter().find(|(name, _)| *name == photo || *name == stem(photo)).map(|(_, concept)| *concept)
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

    #[test]
    fn a_subject_is_known_by_its_stem_or_its_family() {
        assert_eq!(subject_of("fish12"), Some("fish"));
        assert_eq!((subject_of("solar6"), subject_of("solar5")), (Some("house"), None));
        assert_eq!(family("kutubMinar"), family("qutubMinar"));
        assert_eq!(family("statueOfLiberty"), family("statueofLiberty"));
        assert_ne!(family("windmill3"), family("solar3"));
    }
}
