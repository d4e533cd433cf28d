//! `ImageReward`: `[{"id", "prompt", "generations": [path], "ranking": [int]}]`.
//!
//! A lower rank is better and equal ranks are a tie, as its `rank_pair_dataset.py` reads them
//! (<https://github.com/zai-org/ImageReward>).

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    check_text_only, checked, foreign, inside, name_in, normal_ranks, ranking_of, read_entries, write_json,
};
use crate::Result;
use crate::preference::{Candidate, Judgement, PreferenceRecord, Skipped};

#[derive(Serialize, Deserialize)]
struct Entry {
    id: String,
    prompt: String,
    generations: Vec<String>,
    ranking: Vec<i64>,
}

/// The records of `path`, their pictures inside `pictures`, relative to where the records will lie.
///
/// # Errors
/// [`DataError::Io`](crate::DataError::Io) and [`DataError::Foreign`](crate::DataError::Foreign) for a
/// file or an entry that is not as described.
pub fn read(path: &Path, pictures: &str, skipped: &mut Skipped) -> Result<Vec<PreferenceRecord>> {
    read_entries(path, skipped, |index, entry: Entry| {
        let place = format!("entry {index}");
        if entry.ranking.len() != entry.generations.len() {
            let [ranks, files] = [entry.ranking.len(), entry.generations.len()];
            return Err(foreign(path, place, format!("there are {ranks} ranks for {files} generations")));
        }
        let candidates = entry.generations.iter().map(|name| Candidate::new(inside(pictures, name)));
        let task = PreferenceRecord::task(entry.id, None, entry.prompt, candidates.collect());
        let judgement = Some(Judgement::Ranking(normal_ranks(&entry.ranking)));
        checked(path, place, PreferenceRecord { judgement, ..task })
    })
}

/// Writes `records`, whose pictures are inside `pictures`, to `path`.
///
/// # Errors
/// [`DataError::Record`](crate::DataError::Record) for edits and for judgements that do not rank all
/// candidates; [`DataError::Io`](crate::DataError::Io) where the file cannot be written.
pub fn write(path: &Path, records: &[PreferenceRecord], pictures: &str) -> Result<()> {
    let entry = |record: &PreferenceRecord| {
        check_text_only(record, "ImageReward")?;
        let names = record.candidates.iter().map(|candidate| name_in(record, pictures, &candidate.path));
        Ok(Entry {
            id: record.task_id.clone(),
            prompt: record.prompt.clone(),
            generations: names.map(|name| Ok(name?.to_owned())).collect::<Result<_>>()?,
            ranking: ranking_of(record)?.into_iter().map(i64::from).collect(),
        })
    };
    write_json(path, &records.iter().map(entry).collect::<Result<Vec<_>>>()?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::Task;
    use crate::preference::{Gsb, SkipBad, Source};

    fn round_trip(records: &[PreferenceRecord]) -> Result<Vec<PreferenceRecord>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.json");
        write(&path, records, "images")?;
        read(&path, "images", &mut Skipped::default())
    }

    proptest! {
        #[test]
        fn rankings_survive_there_and_back(
            ranks in (2_u32..6).prop_flat_map(|n| prop::collection::vec(1..=n, n as usize)),
            prompt in ".{0,12}",
        ) {
            let candidates = (0..ranks.len()).map(|i| Candidate::new(format!("images/{i}.webp"))).collect();
            let judgement = Some(Judgement::Ranking(ranks));
            let records = [PreferenceRecord { judgement, ..PreferenceRecord::task("7", None, prompt, candidates) }];
            prop_assert_eq!(round_trip(&records).unwrap(), records);
        }
    }

    #[test]
    fn other_judgements_become_rankings_where_they_rank_all() {
        let task = |n: usize| {
            let candidates = (0..n).map(|i| Candidate::new(format!("images/{i}.png"))).collect();
            PreferenceRecord::task("t", None, "", candidates)
        };
        let with = |n, judgement| PreferenceRecord { judgement: Some(judgement), ..task(n) };
        for (record, ranks) in [
            (with(2, Judgement::Gsb(Gsb::Bad)), vec![2, 1]),
            (with(2, Judgement::Gsb(Gsb::Same)), vec![1, 1]),
            (with(3, Judgement::Extremes { best: 2, worst: 0 }), vec![3, 2, 1]),
            (with(2, Judgement::Extremes { best: 0, worst: 1 }), vec![1, 2]),
        ] {
            let judgement = round_trip(&[record]).unwrap()[0].judgement.clone();
            assert_eq!(judgement, Some(Judgement::Ranking(ranks)));
        }
        let message = |record| round_trip(&[record]).unwrap_err().to_string();
        assert!(
            message(with(4, Judgement::Extremes { best: 0, worst: 1 })).contains("ranks not all candidates")
        );
        assert!(message(task(2)).contains("task t: its judgement ranks not all"));
        let source = Some(Source { task: Task::Erase, image: "i.png".into(), mask: "m.png".into() });
        let edit = PreferenceRecord { source, ..with(2, Judgement::Gsb(Gsb::Bad)) };
        assert!(message(edit).contains("ImageReward has no place for the source picture i.png"));
        let mut elsewhere = with(2, Judgement::Gsb(Gsb::Bad));
        elsewhere.candidates[0].path = "other/0.png".to_owned();
        assert!(message(elsewhere).contains("other/0.png is not in images"));
    }

    #[test]
    fn bad_entries_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.json");
        let message = |text: &str| {
            fs::write(&path, text).unwrap();
            read(&path, "", &mut Skipped::default()).unwrap_err().to_string()
        };
        let good = r#"{"id": "1", "prompt": "p", "generations": ["a", "b"], "ranking": [1, 2], "extra": 0}"#;
        let short = good.replace("[1, 2]", "[1]");
        assert!(
            message(&format!("[{good}, {short}]")).contains("train.json: entry 1: there are 1 ranks for 2")
        );
        let twice = good.replace("\"b\"", "\"a\"");
        assert!(message(&format!("[{twice}]")).contains("entry 0: candidates 0 and 1 are both a"));
        assert!(message("{}").contains("train.json: the file: "));

        fs::write(&path, format!("[{short}, {{}}, {good}]")).unwrap();
        let mut skipped = Skipped::new(SkipBad { limit: 2 });
        assert_eq!(read(&path, "", &mut skipped).unwrap().len(), 1);
        let reasons: Vec<_> = skipped.errors().iter().map(ToString::to_string).collect();
        assert!(reasons[0].contains("entry 0: there are 1 ranks"), "{reasons:?}");
        assert!(reasons[1].contains("entry 1: missing field `id`"), "{reasons:?}");
    }
}
