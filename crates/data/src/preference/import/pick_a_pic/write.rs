//! From records and the pictures that they name to parquet.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::preference::import::{check_text_only, verdict_of};
use crate::preference::{Gsb, PreferenceRecord};
use crate::{DataError, Result, picture_io};

/// What is written.
const SCHEMA: &str = "message schema {
    required binary jpg_0; required binary jpg_1; required double label_0; required double label_1;
    required binary caption (utf8);
}";
/// Rows that are held in memory at once when written.
const ROWS_PER_GROUP: usize = 64;

/// Writes `records`, whose paths are relative to `root`, with their pictures to `path`.
///
/// # Errors
/// [`DataError::Record`] for edits and for what is not a judged pair; [`DataError::Io`] for pictures that
/// cannot be read, or if `path` cannot be written.
pub fn write(path: &Path, records: &[PreferenceRecord], root: &Path) -> Result<()> {
    let partial = path.with_extension("partial");
    let written = write_rows(&partial, records, root)
        .and_then(|()| fs::rename(&partial, path).map_err(DataError::writing(path)));
    if written.is_err() {
        // It may never have come to exist.
        let _ = fs::remove_file(&partial);
    }
    written
}

fn write_rows(path: &Path, records: &[PreferenceRecord], root: &Path) -> Result<()> {
    let failed = |error: ParquetError| DataError::writing(path)(std::io::Error::other(error));
    let schema = Arc::new(parse_message_type(SCHEMA).map_err(failed)?);
    // Pictures are compressed already, and every reader knows Zstandard.
    let compression = Compression::ZSTD(ZstdLevel::default());
    let properties = Arc::new(
        WriterProperties::builder().set_compression(compression).set_dictionary_enabled(false).build(),
    );
    let file = File::create(path).map_err(DataError::writing(path))?;
    let mut writer = SerializedFileWriter::new(file, schema, properties).map_err(failed)?;
    for records in records.chunks(ROWS_PER_GROUP) {
        let rows = records.iter().map(|record| Written::new(record, root)).collect::<Result<Vec<_>>>()?;
        let mut group = writer.next_row_group().map_err(failed)?;
        write_group(&mut group, &rows).map_err(failed)?;
        group.close().map_err(failed)?;
    }
    writer.close().map_err(failed)?;
    Ok(())
}

/// A row to be written, in the order of [`SCHEMA`].
struct Written {
    jpg: [ByteArray; 2],
    label: [f64; 2],
    caption: ByteArray,
}

impl Written {
    fn new(record: &PreferenceRecord, root: &Path) -> Result<Self> {
        check_text_only(record, "Pick-a-Pic")?;
        let (candidates, gsb) = verdict_of(record)?;
        let [first, second] = candidates.map(|candidate| picture_io::read(&root.join(&candidate.path)));
        let label = match gsb {
            Gsb::Good => [1.0, 0.0],
            Gsb::Same => [0.5, 0.5],
            Gsb::Bad => [0.0, 1.0],
        };
        Ok(Self { jpg: [first?.into(), second?.into()], label, caption: record.prompt.as_str().into() })
    }
}

fn write_group(group: &mut SerializedRowGroupWriter<File>, rows: &[Written]) -> Result<(), ParquetError> {
    let column = |of: fn(&Written) -> &ByteArray| rows.iter().map(|row| of(row).clone()).collect::<Vec<_>>();
    write_column::<ByteArrayType>(group, &column(|row| &row.jpg[0]))?;
    write_column::<ByteArrayType>(group, &column(|row| &row.jpg[1]))?;
    write_column::<DoubleType>(group, &rows.iter().map(|row| row.label[0]).collect::<Vec<_>>())?;
    write_column::<DoubleType>(group, &rows.iter().map(|row| row.label[1]).collect::<Vec<_>>())?;
    write_column::<ByteArrayType>(group, &column(|row| &row.caption))
}

/// Writes the next column of `group`.
pub(super) fn write_column<T: DataType>(
    group: &mut SerializedRowGroupWriter<File>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    let mut column =
        group.next_column()?.expect("the schema has a column for each that is written; this is a bug");
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}
