//! Pick-a-Pic (<https://github.com/yuvalkirstain/PickScore>): parquet with the pictures inside.
//!
//! | column | meaning |
//! |---|---|
//! | `jpg_0`, `jpg_1` | bytes of the two pictures |
//! | `label_0` | 1 if the first is better, 0 if the second, 0.5 for a tie |
//! | `caption` | the prompt |
//! | `has_label`, `model_0`, `model_1`, `user_id` | whether it was judged, and by and of whom; may be absent |
//!
//! Other columns are passed over.

mod read;
mod write;

pub use read::read;
pub use write::write;

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;
    use std::sync::Arc;

    use parquet::basic::Compression;
    use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int32Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::write::write_column;
    use super::*;
    use crate::Rgb8;
    use crate::picture_io::{dynamic_from_rgb, encode};
    use crate::preference::{Gsb, Judgement, PreferenceRecord, SkipBad, Skipped};

    fn png(shade: u8) -> Vec<u8> {
        encode(&dynamic_from_rgb(Rgb8::filled(2, 2, [shade; 3])), image::ImageFormat::Png, "test").unwrap()
    }

    /// A file of one row group under Snappy, as the data set comes, with columns that are not ours.
    fn theirs(path: &Path, labels: &[f64], bytes: &[u8]) {
        let schema = "message schema {
            required binary jpg_0; required binary jpg_1; required double label_0; required binary caption (utf8);
            required int32 user_id; required boolean has_label; required int32 surplus;
        }";
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut writer =
            SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties)).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let n = labels.len();
        let same = |bytes: Vec<u8>| vec![ByteArray::from(bytes); n];
        write_column::<ByteArrayType>(&mut group, &same(bytes.to_vec())).unwrap();
        write_column::<ByteArrayType>(&mut group, &same(png(9))).unwrap();
        write_column::<DoubleType>(&mut group, labels).unwrap();
        write_column::<ByteArrayType>(&mut group, &same(b"a cat".to_vec())).unwrap();
        write_column::<Int32Type>(&mut group, &vec![7; n]).unwrap();
        write_column::<BoolType>(&mut group, &(0..n).map(|row| row < 3).collect::<Vec<_>>()).unwrap();
        write_column::<Int32Type>(&mut group, &vec![0; n]).unwrap();
        group.close().unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn pictures_and_labels_survive_there_and_back() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let path = root.join("train.parquet");
        theirs(&path, &[1.0, 0.0, 0.5, 0.25], &png(1));
        let records = read(&path, root, &mut Skipped::default()).unwrap();
        let verdicts: Vec<_> = records.iter().map(|record| record.judgement.clone()).collect();
        let judged = [Gsb::Good, Gsb::Bad, Gsb::Same].map(|gsb| Some(Judgement::Gsb(gsb)));
        assert_eq!(verdicts, [judged.as_slice(), &[None]].concat());
        assert_eq!(records[2].candidates[1].path, "pictures/train-00000002-1.png");
        assert_eq!((records[0].prompt.as_str(), records[0].annotator.as_deref()), ("a cat", Some("7")));
        assert_eq!(fs::read(root.join(&records[2].candidates[0].path)).unwrap(), png(1));

        // More rows than one group holds.
        let many: Vec<_> = records[..3].iter().cycle().take(150).cloned().collect();
        let (path, again) = (root.join("ours.parquet"), root.join("again"));
        write(&path, &many, root).unwrap();
        let returned = read(&path, &again, &mut Skipped::default()).unwrap();
        assert_eq!(returned.len(), 150);
        for (sent, got) in many.iter().zip(&returned) {
            assert_eq!((&sent.judgement, &sent.prompt), (&got.judgement, &got.prompt));
            let bytes = |root: &Path, record: &PreferenceRecord| {
                fs::read(root.join(&record.candidates[0].path)).unwrap()
            };
            assert_eq!(bytes(root, sent), bytes(&again, got));
        }
        let message = write(&path, &records[3..], root).unwrap_err().to_string();
        assert!(message.contains("task train-00000003: it is not judged"), "{message}");
        assert!(!root.join("ours.partial").exists());
    }

    #[test]
    fn bad_files_are_named_and_never_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.parquet");
        let message = || read(&path, folder.path(), &mut Skipped::default()).unwrap_err().to_string();
        theirs(&path, &[0.25], &png(1));
        assert!(message().contains("bad.parquet: row 0: label_0 is 0.25, but must be 1, 0.5 or 0"));
        theirs(&path, &[1.0], b"nothing");
        assert!(message().contains("row 0: jpg_0 is not the bytes of a picture"));
        theirs(&path, &[0.25, 1.0], &png(1));
        let mut skipped = Skipped::new(SkipBad { limit: 1 });
        let records = read(&path, folder.path(), &mut skipped).unwrap();
        assert_eq!((records.len(), records[0].task_id.as_str()), (1, "bad-00000001"));
        assert!(skipped.errors()[0].to_string().contains("row 0: label_0 is 0.25"));

        theirs(&path, &[1.0, 0.0], &png(1));
        let whole = fs::read(&path).unwrap();
        for end in (0..whole.len()).step_by(7) {
            fs::write(&path, &whole[..end]).unwrap();
            assert!(message().contains("bad.parquet: the file: "));
        }
        // Among these flips are some at which the reader panics; others do no harm.
        let mut messages = Vec::new();
        for at in (0..whole.len()).rev().step_by(3).take(300) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x80;
            fs::write(&path, &bytes).unwrap();
            let flipped = read(&path, folder.path(), &mut Skipped::default());
            messages.extend(flipped.map_err(|error| error.to_string()).err());
        }
        assert!(messages.iter().all(|message| message.contains("bad.parquet: ")), "{messages:?}");
        assert!(messages.iter().any(|message| message.contains("it is damaged: ")), "{messages:?}");
        let other = "message schema { required double label_0; }";
        let schema = Arc::new(parse_message_type(other).unwrap());
        let writer = SerializedFileWriter::new(File::create(&path).unwrap(), schema, Arc::default()).unwrap();
        writer.close().unwrap();
        assert!(
            message().contains("there is no column jpg_0; Pick-a-Pic has jpg_0, jpg_1, label_0, caption")
        );
    }
}
