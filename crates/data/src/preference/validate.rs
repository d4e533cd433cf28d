//! Whether a whole file of records is worth training on.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::jsonl::Lines;
use super::{Axis, Problem, Report};
use crate::{Result, problem};

/// Reads all of `path` and says what it holds and what is wrong with it; scores count on `axis`.
///
/// A task may be judged by several annotators; the same task twice by one, or twice without a name, is a
/// problem. Every picture that is named must exist.
///
/// # Errors
/// [`DataError::Io`](crate::DataError::Io) if the file cannot be read. What is wrong with its lines is in
/// the report.
pub fn validate(path: &Path, axis: Axis) -> Result<Report> {
    let mut report = Report { path: path.display().to_string(), ..Report::default() };
    let mut annotators = BTreeSet::new();
    let mut seen: HashMap<(String, Option<String>), usize> = HashMap::new();
    for numbered in Lines::open(path)? {
        let (line, parsed) = numbered?;
        let mut add = |reason| report.problems.push(Problem { line: Some(line), reason });
        let record = match parsed {
            Ok(record) => record,
            Err(reason) => {
                add(reason);
                continue;
            }
        };
        record.problems().into_iter().for_each(&mut add);
        record.files().filter_map(|file| problem::of_absent(file, path)).for_each(&mut add);
        let key = (record.task_id.clone(), record.annotator.clone());
        if let Some(first) = seen.get(&key) {
            let by = record.annotator.as_deref().unwrap_or("nobody named");
            let id = &record.task_id;
            add(format!("task {id} by {by} is on line {first} already: keep one, or name the annotators"));
        }
        seen.entry(key).or_insert(line);
        annotators.extend(record.annotator.clone());
        report.n_records += 1;
        report.count(&record, axis);
    }
    report.n_annotators = annotators.len();
    report.sum_up();
    Ok(report)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The report on `lines`, beside which 0.png, 1.png, i.png and m.png exist.
    fn report(lines: &[String]) -> Report {
        let folder = tempfile::tempdir().unwrap();
        for name in ["0.png", "1.png", "i.png", "m.png"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let path = folder.path().join("records.jsonl");
        fs::write(&path, lines.join("\n")).unwrap();
        validate(&path, Axis::Structure).unwrap()
    }

    fn line(id: usize, judgement: &str) -> String {
        format!(
            r#"{{"task_id":"{id}","prompt":"","candidates":[{{"path":"0.png"}},{{"path":"1.png"}}]{judgement}}}"#
        )
    }

    fn lines(n: usize, judgement: impl Fn(usize) -> &'static str) -> Vec<String> {
        (0..n).map(|id| line(id, judgement(id))).collect()
    }

    #[test]
    fn a_sound_file_is_counted() {
        let mut all = lines(9, |id| match id {
            0 => r#","gsb":"same","gold":true"#,
            1..4 => r#","ranking":[2,1],"annotator":"ann""#,
            4 => r#","scores":{"coherence":[1,2]},"annotator":"bob""#,
            5 => "",
            _ => r#","best":0,"worst":1"#,
        });
        all.push(line(
            1,
            r#","ranking":[1,2],"annotator":"bob","task":"erase","image":"i.png","mask":"m.png""#,
        ));
        let report = report(&all);
        assert!(report.is_sound(), "{report}");
        assert_eq!((report.n_records, report.n_unjudged, report.n_gold, report.n_annotators), (10, 2, 1, 2));
        assert_eq!((report.n_pairs, report.n_ties, report.n_erasures, report.n_text_only), (7, 1, 1, 9));
        assert_eq!(report.n_wins_by_position, [4, 3]);
        assert!(report.to_string().contains("wins by position: 0.57, 0.43"), "{report}");
    }

    #[test]
    fn files_that_teach_nothing_are_named() {
        let only = |lines: &[String]| {
            let problems = report(lines).problems;
            assert_eq!((problems.len(), problems[0].line), (1, None), "{problems:?}");
            problems[0].reason.clone()
        };
        assert!(only(&[]).contains("there is no record") && !report(&[]).is_sound_but_for(9));
        assert!(only(&lines(3, |_| r#","gsb":"same""#)).contains("all 3 judged pairs are ties"));
        let one_sided = only(&lines(8, |_| r#","gsb":"good""#));
        assert!(
            one_sided.contains("the first candidate always wins, in 8 of 8 decided records (share 1.00)")
        );
        assert!(only(&lines(8, |_| r#","gsb":"bad""#)).contains("candidate 1 always wins"));
        // Too few to say, and not all of them.
        assert!(report(&lines(7, |_| r#","gsb":"good""#)).is_sound());
        assert!(
            report(&lines(9, |id| if id == 3 { r#","gsb":"bad""# } else { r#","gsb":"good""# })).is_sound()
        );
        assert!(report(&lines(9, |_| "")).is_sound());
    }

    #[test]
    fn every_problem_of_every_line_is_listed() {
        let all = [
            line(0, ""),
            "{}".to_owned(),
            line(0, r#","ranking":[1,3,3]"#),
            line(1, r#","task":"outpaint","image":"none.png","mask":"m.png""#),
        ];
        let report = report(&all);
        let found: Vec<_> = report.problems.iter().map(|p| (p.line.unwrap(), p.reason.as_str())).collect();
        let expected = [
            (2, "missing field `task_id`"),
            (3, "ranking has 3 ranks for 2 candidates"),
            (3, "candidate 1 the rank 3, but ranks go from 1 (best) to 2"),
            (3, "candidate 2 the rank 3"),
            (3, "task 0 by nobody named is on line 1 already"),
            (4, "there is no file none.png in "),
        ];
        assert_eq!(found.len(), expected.len(), "{report}");
        for ((line, reason), (expected_line, part)) in found.into_iter().zip(expected) {
            assert!(line == expected_line && reason.contains(part), "{line}: {reason}");
        }
        assert!(report.to_string().contains("records.jsonl:3: ranking has"), "{report}");
        // Lines 2, 3 and 4, however much is wrong with each.
        assert!(report.is_sound_but_for(3) && !report.is_sound_but_for(2));
        assert!(validate(Path::new("none.jsonl"), Axis::Structure).is_err());
    }
}
