//! What the program carries in itself: the small model, its judge, the annotator, three rewards, the mini world, and
//! photographs for the demo.
//!
//! Bytes only, so that nothing but the binary has to hold them; whoever reads them knows their format.

/// Files by path and content.
pub type Files = [(&'static str, &'static [u8])];

/// The small model: every file of `models/mini` by its path inside that folder, in alphabetical order.
/// Empty in a build from a tree without that folder.
pub static MODEL: &Files = include!(concat!(env!("OUT_DIR"), "/model.rs"));

/// The judge: every file of `models/judge`. Empty in a build from a tree without that folder.
pub static JUDGE: &Files = include!(concat!(env!("OUT_DIR"), "/judge.rs"));

/// The annotator: every file of `models/annotator`. Empty in a build from a tree without that folder.
pub static ANNOTATOR: &Files = include!(concat!(env!("OUT_DIR"), "/annotator.rs"));

/// The aesthetic reward: every file of `models/aesthetic`. Empty in a build from a tree without that folder.
pub static AESTHETIC: &Files = include!(concat!(env!("OUT_DIR"), "/aesthetic.rs"));

/// The alignment reward: every file of `models/alignment`. Empty in a build from a tree without that folder.
pub static ALIGNMENT: &Files = include!(concat!(env!("OUT_DIR"), "/alignment.rs"));

/// The coherent reward: every file of `models/coherent`. Empty in a build from a tree without that folder.
pub static COHERENT: &Files = include!(concat!(env!("OUT_DIR"), "/coherent.rs"));

/// The pack of the mini world.
pub static WORLD: &[u8] = include_bytes!("../../../assets/world/world.pack");

/// Where everything in [`WORLD`] and [`PHOTOS`] comes from: Markdown.
pub static CREDITS: &str = include_str!("../../../assets/world/CREDITS.md");

/// The photographs of the demo by file name: JPEG, in the public domain or CC0.
pub static PHOTOS: &Files = &[
    ("canyondeChelly.jpg", include_bytes!("../../../assets/photos/canyondeChelly.jpg")),
    ("chateaudeChenonceau.jpg", include_bytes!("../../../assets/photos/chateaudeChenonceau.jpg")),
    ("cow.jpg", include_bytes!("../../../assets/photos/cow.jpg")),
    ("drums.jpg", include_bytes!("../../../assets/photos/drums.jpg")),
    ("kingfisher.jpg", include_bytes!("../../../assets/photos/kingfisher.jpg")),
    ("montStMichel.jpg", include_bytes!("../../../assets/photos/montStMichel.jpg")),
];

/// What the demo does with [`PHOTOS`]: JSON.
pub static DEMO: &str = include_str!("../../../assets/photos/demo.json");

/// A file of one of the lists, by its name.
pub fn file(files: &Files, name: &str) -> Option<&'static [u8]> {
    files.iter().find(|(other, _)| *other == name).map(|(_, content)| *content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_photographs_are_jpegs_and_the_demo_names_only_them() {
        for (name, content) in PHOTOS {
            assert!(content.starts_with(&[0xff, 0xd8, 0xff]), "{name}");
            // A photograph's row begins with its group and name, and goes on with its title and source.
            let row = format!("-{} | [", name.trim_end_matches(".jpg"));
            assert!(CREDITS.contains(&row), "{name} is not credited");
        }
        for part in DEMO.split("\"photo\": \"").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(file(PHOTOS, name).is_some(), "{name} is not embedded");
        }
    }

    #[test]
    fn an_embedded_model_is_whole_and_within_its_size() {
        /// The limit of the design, in bytes.
        const MAX_BYTES: usize = 22 << 20;
        assert!(!MODEL.is_empty(), "no model is embedded; models/mini is missing");
        for name in
            ["model_index.json", "byteedit.json", "scheduler/scheduler_config.json", "unet/config.json"]
        {
            assert!(file(MODEL, name).is_some(), "{name} is not embedded");
        }
        let size: usize = MODEL.iter().map(|(_, content)| content.len()).sum();
        assert!(size <= MAX_BYTES, "{size} bytes");
    }

    #[test]
    fn embedded_classifiers_are_whole_and_within_their_size() {
        /// The limit of the design for judge and annotator together, in bytes.
        const MAX_BYTES: usize = 5_000_000;
        for (files, folder) in [(JUDGE, "judge"), (ANNOTATOR, "annotator")] {
            for name in ["config.json", "model.safetensors"] {
                assert!(file(files, name).is_some(), "{name} is not embedded; models/{folder} is missing");
            }
        }
        let size: usize = JUDGE.iter().chain(ANNOTATOR).map(|(_, content)| content.len()).sum();
        assert!(size <= MAX_BYTES, "{size} bytes");
    }

    #[test]
    fn embedded_rewards_are_whole_and_within_their_size() {
        /// The limit of the design for the three together, in bytes.
        const MAX_BYTES: usize = 10_000_000;
        let rewards = [(AESTHETIC, "aesthetic"), (ALIGNMENT, "alignment"), (COHERENT, "coherent")];
        for (files, folder) in rewards.into_iter().filter(|(files, _)| !files.is_empty()) {
            for name in ["config.json", "model.safetensors"] {
                assert!(file(files, name).is_some(), "{name} is not embedded; models/{folder} is not whole");
            }
        }
        let size: usize =
            rewards.iter().flat_map(|(files, _)| *files).map(|(_, content)| content.len()).sum();
        assert!(size <= MAX_BYTES, "{size} bytes");
    }
}
