//! What must be true of the committed pack and of every sample drawn from it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::LazyLock;

use byteedit_data::color::measure;
use byteedit_data::mask::InstanceMasks;
use byteedit_data::world::{Untold, write_samples};
use byteedit_data::{
    ColorWord, DataError, FolderDataset, Mask, MaskKind, MaskStrategy, PairSpec, Rgb8, Sample, SampleSpec,
    Split, Task, World, folder::Crop,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

static WORLD: LazyLock<World> =
    LazyLock::new(|| World::open(&pack()).expect("the committed pack can be read"));

fn assets() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "assets"].iter().collect()
}

fn pack() -> PathBuf {
    assets().join("world").join("world.pack")
}

fn any_task() -> impl Strategy<Value = Task> {
    prop_oneof![Just(Task::Edit), Just(Task::Erase), Just(Task::Outpaint)]
}

fn any_split() -> impl Strategy<Value = Split> {
    prop_oneof![Just(Split::Train), Just(Split::Validation), Just(Split::Test)]
}

/// Whether two pictures agree wherever the sample's mask is not set.
fn agree_outside(sample: &Sample, a: &Rgb8, b: &Rgb8) -> bool {
    let kept = sample.edit_mask.values.iter().map(|value| *value < 128);
    a.pixels().zip(b.pixels()).zip(kept).all(|((a, b), kept)| !kept || a == b)
}

#[test]
fn the_pack_holds_what_it_promises() {
    assert!(std::fs::metadata(pack()).unwrap().len() <= 8_000_000);
    let names: HashSet<_> = WORLD.concepts().iter().map(|concept| &concept.name).collect();
    let groups: HashSet<_> = WORLD.concepts().iter().map(|concept| &concept.group).collect();
    assert!(names.len() >= 64 && groups.len() >= 6, "{} in {} groups", names.len(), groups.len());
    assert!(WORLD.n_photos(Split::Train) >= 120);
    assert!(WORLD.n_photos(Split::Validation) >= 12 && WORLD.n_photos(Split::Test) >= 18);
    let turnable = (0..names.len()).filter(|&concept| WORLD.is_recolorable(concept)).count();
    assert!(turnable >= 30, "only {turnable} concepts can be recoloured");
}

#[test]
fn the_demo_asks_for_things_that_exist() {
    let text = std::fs::read_to_string(assets().join("photos").join("demo.json")).unwrap();
    let demo: serde_json::Value = serde_json::from_str(&text).unwrap();
    for edit in demo["edits"].as_array().unwrap() {
        let photo = assets().join("photos").join(edit["photo"].as_str().unwrap());
        let (width, height) = image::image_dimensions(&photo).unwrap();
        assert!(width.min(height) >= 512 && std::fs::metadata(&photo).unwrap().len() <= 120_000);
        if let Some(area) = edit["box"].as_object() {
            let number = |key: &str| area[key].as_u64().unwrap() as u32;
            assert!(number("x") + number("width") <= width && number("y") + number("height") <= height);
        }
        if edit["task"] == "edit" {
            let prompt = edit["prompt"].as_str().unwrap();
            assert!(WORLD.concepts().iter().any(|concept| prompt.ends_with(&concept.name)), "{prompt}");
        }
    }
}

#[test]
fn splits_share_neither_photographs_nor_held_out_objects() {
    let photos = |split| -> BTreeSet<String> {
        let spec = SampleSpec { size: 32, ..SampleSpec::new(Task::Outpaint, split, 5) };
        (0..300).map(|index| WORLD.sample(&spec, index).unwrap().photo).collect()
    };
    let (train, validation, test) = (photos(Split::Train), photos(Split::Validation), photos(Split::Test));
    assert!(train.is_disjoint(&validation) && train.is_disjoint(&test) && validation.is_disjoint(&test));
    assert!(test.contains("cow") && test.contains("kingfisher"));

    let shown = |splits: &[Split]| -> HashMap<String, BTreeSet<usize>> {
        let mut shown: HashMap<_, BTreeSet<_>> = HashMap::new();
        for (&split, index) in splits.iter().flat_map(|split| (0..1500).map(move |index| (split, index))) {
            let spec = SampleSpec { size: 32, ..SampleSpec::new(Task::Edit, split, 5) };
            let object = WORLD.sample(&spec, index).unwrap().object.unwrap();
            shown.entry(object.name).or_default().insert(object.rendering);
        }
        shown
    };
    let (seen, test) = (shown(&[Split::Train, Split::Validation]), shown(&[Split::Test]));
    assert_eq!((seen.len(), test.len()), (WORLD.concepts().len(), WORLD.concepts().len()));
    for (name, seen) in &seen {
        let is_shared = seen.len() == 1 && *seen == test[name];
        assert!(is_shared || seen.is_disjoint(&test[name]), "{name}: {seen:?} and {:?}", test[name]);
    }
    let n_held_out = seen.iter().filter(|(name, seen)| seen.is_disjoint(&test[*name])).count();
    assert!(n_held_out >= 30, "only {n_held_out} concepts have a held-out rendering");
}

/// The pixels of `region` with a neighbour outside it.
fn edge(region: &Mask) -> Mask {
    let (width, height) = (region.width, region.height);
    Mask::from_fn(width, height, |x, y| {
        let neighbours = [
            (x > 0).then(|| (x - 1, y)),
            (x + 1 < width).then(|| (x + 1, y)),
            (y > 0).then(|| (x, y - 1)),
            (y + 1 < height).then(|| (x, y + 1)),
        ];
        region.get(x, y) && neighbours.into_iter().flatten().any(|(u, v)| !region.get(u, v))
    })
}

#[test]
fn no_kind_of_mask_draws_the_outline_of_what_it_hides() {
    let mut lengths: HashMap<MaskKind, (usize, usize)> = HashMap::new();
    let spec = SampleSpec::new(Task::Edit, Split::Train, 9);
    for index in 0..600 {
        let sample = WORLD.sample(&spec, index).unwrap();
        // What is hidden: the object with its soft edge and its shadow.
        let differs = sample.input.pixels().zip(sample.truth.pixels()).map(|(a, b)| a != b);
        let values = differs.map(|differs| if differs { 255 } else { 0 }).collect();
        let hidden = Mask { values, ..sample.edit_mask }.union(&sample.object.unwrap().mask);
        let (mask_edge, outline) = (edge(&sample.edit_mask), edge(&hidden));
        let length = lengths.entry(sample.mask_kind).or_default();
        length.0 +=
            (0..outline.values.len()).filter(|&at| mask_edge.values[at] & outline.values[at] > 0).count();
        length.1 += mask_edge.area();
    }
    assert_eq!(lengths.len(), 4);
    for (kind, (shared, length)) in lengths {
        let share = shared as f32 / length as f32;
        assert!(share < 0.05, "{kind:?}: {share} of the mask's edge is the object's outline");
    }
}

#[test]
fn masks_are_drawn_by_the_strategy_given() {
    let none = InstanceMasks { p_dilated: 0.0, p_box: 0.0, p_free_form: 0.0, ..InstanceMasks::default() };
    let instance = InstanceMasks { p_other_box: 1.0, ..none };
    let masks = MaskStrategy { p_instance: 0.0, instance, ..MaskStrategy::default() };
    for task in [Task::Edit, Task::Erase] {
        let spec = SampleSpec { size: 32, ..SampleSpec::new(task, Split::Train, 10) };
        let kinds = (0..40).map(|index| WORLD.sample_with(&spec, &masks, index).unwrap().mask_kind);
        assert_eq!(kinds.collect::<HashSet<_>>(), HashSet::from([MaskKind::OtherBox]));
        let default = WORLD.sample_with(&spec, &MaskStrategy::default(), 3).unwrap();
        assert_eq!(WORLD.sample(&spec, 3).unwrap(), default);
    }
    let masks = MaskStrategy { p_global: 7.0, ..MaskStrategy::default() };
    let spec = SampleSpec::new(Task::Edit, Split::Train, 10);
    assert!(matches!(WORLD.sample_with(&spec, &masks, 0), Err(DataError::Config { field: "p_global", .. })));
}

#[test]
fn every_kind_of_sample_occurs() {
    let kinds = |task| -> HashSet<MaskKind> {
        let spec = SampleSpec { size: 32, ..SampleSpec::new(task, Split::Train, 6) };
        (0..80).map(|index| WORLD.sample(&spec, index).unwrap().mask_kind).collect()
    };
    let instance = HashSet::from([MaskKind::Dilated, MaskKind::Box, MaskKind::FreeForm, MaskKind::OtherBox]);
    assert_eq!(kinds(Task::Edit), instance);
    assert_eq!(kinds(Task::Erase), instance);
    assert_eq!(kinds(Task::Outpaint), HashSet::from([MaskKind::Outward]));
    let pairs = PairSpec { size: 32, ..PairSpec::new(Split::Train, 6) };
    let pairs: Vec<_> = (0..200).map(|index| WORLD.pair(&pairs, index).unwrap()).collect();
    assert_eq!(pairs.iter().map(|pair| pair.mask_kind).collect::<HashSet<_>>().len(), 8);
    let prompted = pairs.iter().filter(|pair| !pair.caption.is_empty()).count();
    assert!((60..140).contains(&prompted), "{prompted} of 200 pairs have a prompt");
}

#[test]
fn objects_stand_as_they_are_asked_to() {
    let masks = &MaskStrategy::default();
    let drawn = |p_flip| {
        let untold = Untold { max_turn: 0.0, p_flip, ..Untold::default() };
        let spec = SampleSpec { untold, ..SampleSpec::new(Task::Edit, Split::Train, 11) };
        (0..20).map(move |index| WORLD.sample_with(&spec, masks, index).unwrap().object.unwrap())
    };
    for (upright, mirrored) in drawn(0.0).zip(drawn(1.0)) {
        assert_eq!(upright.rendering, mirrored.rendering);
        // Mirrored in its box: the two differ by what falls between pixels alone.
        let [a, b] = [upright.rect, mirrored.rect];
        assert!(a.x.abs_diff(b.x) <= 1 && a.y.abs_diff(b.y) <= 1, "{a:?} {b:?}");
        let twice_the_middle = 2 * a.x + a.width - 1;
        let back = Mask::from_fn(128, 128, |x, y| {
            let x = twice_the_middle.checked_sub(x).filter(|x| *x < 128);
            x.is_some_and(|x| mirrored.mask.get(x, y))
        });
        let shared = back.coverage_of(&upright.mask);
        assert!(shared > 0.9, "{}: {shared}", upright.name);
    }
    let untold = Untold { max_turn: f32::NAN, ..Untold::default() };
    let spec = SampleSpec { untold, ..SampleSpec::new(Task::Edit, Split::Train, 11) };
    assert!(matches!(WORLD.sample(&spec, 0), Err(DataError::Config { field: "untold.max_turn", .. })));
}

#[test]
fn no_hue_goes_untold_where_none_may() {
    let sample = |hues: bool, index| {
        let untold = Untold { hues, ..Untold::default() };
        WORLD.sample(&SampleSpec { size: 64, untold, ..SampleSpec::new(Task::Edit, Split::Train, 5) }, index)
    };
    // The colour words that are true of objects of which none is said, for each rendering.
    let mut words = [BTreeMap::<usize, BTreeSet<ColorWord>>::new(), BTreeMap::new()];
    let (mut n_told, mut n_kept) = (0, 0);
    for index in 0..3000 {
        let [any, own] = [true, false].map(|hues| sample(hues, index).unwrap());
        let [any_object, own_object] = [&any, &own].map(|sample| sample.object.as_ref().unwrap());
        // A hue that a word is true of stays, and is told; one that none is true of is not turned to.
        if any_object.color.is_some() {
            assert_eq!(any.truth, own.truth);
            n_told += usize::from(any.caption != own.caption);
        } else {
            n_kept += usize::from(any.truth != own.truth);
        }
        for (words, (sample, object)) in words.iter_mut().zip([(&any, any_object), (&own, own_object)]) {
            if !sample.caption.is_empty() && ColorWord::in_caption(&sample.caption).is_none() {
                words.entry(object.rendering).or_default().extend(object.color);
            }
        }
    }
    assert!(n_told > 50 && n_kept > 50, "{n_told} {n_kept}");
    let [any, own] = words.map(|words| words.values().map(BTreeSet::len).max().unwrap());
    // Exposure can move an object's own colours over one border, as from brown to black.
    assert!(own <= 2 && any > 2, "{own} {any}");
}

#[test]
fn default_samples_stay_what_they_are() {
    // Weights, judges and kept answers are of these pixels: with others all of them would be of another world.
    let mut hash = Sha256::new();
    for task in [Task::Edit, Task::Erase, Task::Outpaint] {
        for index in 0..8 {
            let sample = WORLD.sample(&SampleSpec::new(task, Split::Train, 3), index).unwrap();
            hash.update(&sample.truth.data);
            hash.update(&sample.edit_mask.values);
            hash.update(sample.caption);
        }
    }
    assert_eq!(
        format!("{:x}", hash.finalize()),
        "ae254a17e10e4b0126523ff75f1b3fb82e7fa621c54a5153e629cc8499f137dd"
    );
}

#[test]
fn most_words_are_said_with_a_color() {
    let spec = SampleSpec { size: 64, ..SampleSpec::new(Task::Edit, Split::Train, 7) };
    let samples: Vec<_> = (0..400).map(|index| WORLD.sample(&spec, index).unwrap()).collect();
    let colors: HashSet<_> = samples.iter().filter_map(|s| s.object.as_ref()?.color).collect();
    assert!(colors.len() >= 11, "{colors:?}");
    let colored =
        samples.iter().filter(|s| s.object.as_ref().is_some_and(|object| object.color.is_some())).count();
    assert!(colored >= 160, "{colored} of 400 objects have a colour word");
}

#[test]
fn written_samples_are_a_dataset() {
    let dir = tempfile::tempdir().unwrap();
    let spec = SampleSpec { size: 48, ..SampleSpec::new(Task::Edit, Split::Test, 8) };
    write_samples(dir.path(), &WORLD, &spec, 3).unwrap();
    let data = FolderDataset::open(dir.path()).unwrap();
    let item = data.load(2, 48, Crop::Center).unwrap();
    let sample = WORLD.sample(&spec, 2).unwrap();
    assert_eq!((data.len(), item.caption), (3, sample.caption));
    assert_eq!((item.picture, item.edit_mask), (sample.truth, Some(sample.edit_mask)));
    assert!(dir.path().join("00002/input.png").is_file());
}

#[test]
fn numbers_out_of_range_are_refused() {
    let spec = SampleSpec { size: 8, ..SampleSpec::new(Task::Edit, Split::Train, 0) };
    let message = WORLD.sample(&spec, 0).unwrap_err().to_string();
    assert_eq!(message, "a side of 8 px is not supported: choose 32 to 256 px");
    let pairs = PairSpec { p_erase: f32::NAN, ..PairSpec::new(Split::Train, 0) };
    assert!(matches!(WORLD.pair(&pairs, 0), Err(DataError::Config { field: "p_erase", .. })));
    assert!(WORLD.crop(Split::Train, 0, 0, 1000).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_sample_is_consistent(
        task in any_task(), split in any_split(), seed in any::<u64>(), index in any::<u64>(), size in 32_usize..140,
    ) {
        let spec = SampleSpec { size, ..SampleSpec::new(task, split, seed) };
        let sample = WORLD.sample(&spec, index).unwrap();
        prop_assert_eq!(&sample, &WORLD.sample(&spec, index).unwrap());
        prop_assert!(agree_outside(&sample, &sample.input, &sample.truth));
        prop_assert!(sample.edit_mask.area() > 0);
        let Some(object) = &sample.object else {
            prop_assert_eq!(task, Task::Outpaint);
            prop_assert_eq!(sample.caption, "");
            return Ok(());
        };
        // The sizes asked for, less the half-covered corners of a turned object; on small frames less the legs of a chair, too,
        // which half cover no pixel there.
        let share = object.rect.width.max(object.rect.height) as f32 / size as f32;
        let least = if size < 120 { 0.14 } else { 0.28 };
        prop_assert!((least..0.8).contains(&share), "{} of the side", share);
        prop_assert_eq!(object.mask.bounding_box(), Some(object.rect));
        match task {
            Task::Edit => {
                prop_assert!(sample.edit_mask.covers(&object.mask));
                prop_assert!(sample.caption.ends_with(&object.name));
                prop_assert_eq!(measure(&sample.truth, &object.mask), object.color);
            }
            Task::Erase => {
                prop_assert!(sample.edit_mask.covers(&object.mask));
                prop_assert_eq!(&sample.caption, "");
                prop_assert_eq!(measure(&sample.input, &object.mask), object.color);
            }
            Task::Outpaint => {
                let hidden = sample.edit_mask.coverage_of(&object.mask) >= 0.5;
                prop_assert!(hidden || sample.caption.is_empty());
            }
        }
        // A colour is never said unless it was measured.
        for color in byteedit_data::ColorWord::ALL {
            let said = sample.caption.split(' ').any(|word| word == color.as_str());
            prop_assert!(!said || object.color == Some(color), "{}", sample.caption);
        }
    }

    #[test]
    fn a_pair_never_promises_what_is_not_hidden(seed in any::<u64>(), index in any::<u64>()) {
        let spec = PairSpec { size: 64, ..PairSpec::new(Split::Train, seed) };
        let pair = WORLD.pair(&spec, index).unwrap();
        let object = pair.object.as_ref().unwrap();
        let hidden = pair.edit_mask.coverage_of(&object.mask) >= 0.5;
        prop_assert!(hidden || pair.caption.is_empty());
        prop_assert!(agree_outside(&pair, &pair.input, &pair.truth));
    }

    #[test]
    fn neighbours_differ(seed in any::<u64>(), index in 0..u64::MAX) {
        let spec = SampleSpec { size: 32, ..SampleSpec::new(Task::Edit, Split::Train, seed) };
        let sample = WORLD.sample(&spec, index).unwrap();
        prop_assert_ne!(&sample, &WORLD.sample(&spec, index + 1).unwrap());
        let other = SampleSpec { seed: seed ^ 1, ..spec };
        prop_assert_ne!(&sample, &WORLD.sample(&other, index).unwrap());
    }

    #[test]
    fn crops_have_their_size(index in any::<u64>(), size in prop_oneof![Just(32_usize), Just(64), Just(128)]) {
        let crop = WORLD.crop(Split::Train, 1, index, size).unwrap();
        prop_assert_eq!((crop.width, crop.height, crop.data.len()), (size, size, 3 * size * size));
        prop_assert_eq!(crop, WORLD.crop(Split::Train, 1, index, size).unwrap());
    }
}
