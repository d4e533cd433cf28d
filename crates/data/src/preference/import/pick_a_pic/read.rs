//! From parquet to records, the pictures into files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;

use crate::preference::import::{checked, foreign};
use crate::preference::{Candidate, Gsb, Judgement, PreferenceRecord, Skipped};
use crate::{DataError, Result, picture_io};

/// Columns without which there is nothing to learn.
const NEEDED: [&str; 4] = ["jpg_0", "jpg_1", "label_0", "caption"];
/// Columns that are used where they are.
const OPTIONAL: [&str; 4] = ["has_label", "model_0", "model_1", "user_id"];

/// Reads `path`, writes its pictures into the folder `pictures` of `out`, and returns the records, whose
/// paths are relative to `out`. Tasks and pictures are named by the file and the row, so several files can
/// share one folder. Of a bad row that is passed over, a picture may stay.
///
/// # Errors
/// [`DataError::Io`] for what cannot be read or written; [`DataError::Foreign`] for a file or a row that is
/// not as described.
pub fn read(path: &Path, out: &Path, skipped: &mut Skipped) -> Result<Vec<PreferenceRecord>> {
    // The crate has assertions on lengths and dictionaries that a damaged file can break. No panic comes from within
    // `skipped`, so it stays whole.
    catch_unwind(AssertUnwindSafe(|| read_trusting(path, out, skipped))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it says nothing more");
        Err(foreign(path, "the file", format!("it is damaged: {text}; fetch it again")))
    })
}

/// As [`read`], but damage may panic.
fn read_trusting(path: &Path, out: &Path, skipped: &mut Skipped) -> Result<Vec<PreferenceRecord>> {
    let broken = |error: ParquetError| foreign(path, "the file", error);
    let file = File::open(path).map_err(DataError::reading(path))?;
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let columns = projection(path, reader.metadata().file_metadata().schema())?;
    let folder = out.join("pictures");
    fs::create_dir_all(&folder).map_err(DataError::writing(&folder))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut records = Vec::new();
    let mut number = 0_usize;
    for index in 0..reader.num_row_groups() {
        let group = reader.get_row_group(index).map_err(broken)?;
        for fields in RowIter::from_row_group(Some(columns.clone()), &*group).map_err(broken)? {
            let place = format!("row {number}");
            let fields = fields.map_err(|error| foreign(path, &place, error))?.into_columns();
            let row = Row {
                path,
                place: &place,
                id: format!("{stem}-{number:08}"),
                fields: fields.into_iter().collect(),
            };
            records.extend(skipped.pass(row.record(out))?);
            number += 1;
        }
    }
    Ok(records)
}

/// The columns that are used, of `schema`.
fn projection(path: &Path, schema: &Type) -> Result<Type> {
    let columns: Vec<_> = schema
        .get_fields()
        .iter()
        .filter(|column| NEEDED.iter().chain(&OPTIONAL).any(|name| *name == column.name()))
        .cloned()
        .collect();
    if let Some(absent) = NEEDED.iter().find(|name| !columns.iter().any(|column| column.name() == **name)) {
        let reason = format!("there is no column {absent}; Pick-a-Pic has {}", NEEDED.join(", "));
        return Err(foreign(path, "the file", reason));
    }
    let group = Type::group_type_builder(schema.name()).with_fields(columns);
    group.build().map_err(|error| foreign(path, "the file", error))
}

/// One row, and where it stands.
struct Row<'a> {
    path: &'a Path,
    place: &'a str,
    id: String,
    fields: BTreeMap<String, Field>,
}

impl Row<'_> {
    fn record(&self, out: &Path) -> Result<PreferenceRecord> {
        let candidates = vec![self.candidate(0, out)?, self.candidate(1, out)?];
        let Some(Field::Str(caption)) = self.fields.get("caption") else {
            return Err(self.wrong("caption", "a text"));
        };
        let judged = !matches!(self.fields.get("has_label"), Some(Field::Bool(false)));
        let judgement = if judged { self.gsb()?.map(Judgement::Gsb) } else { None };
        let annotator = self.text("user_id");
        let task = PreferenceRecord::task(self.id.clone(), None, caption.clone(), candidates);
        checked(self.path, self.place, PreferenceRecord { judgement, annotator, ..task })
    }

    /// Candidate `index`, whose picture is written below `out`.
    fn candidate(&self, index: usize, out: &Path) -> Result<Candidate> {
        let column = format!("jpg_{index}");
        let Some(Field::Bytes(bytes)) = self.fields.get(&column) else {
            return Err(self.wrong(&column, "the bytes of a picture"));
        };
        let format =
            image::guess_format(bytes.data()).map_err(|_| self.wrong(&column, "the bytes of a picture"))?;
        let extension = format.extensions_str().first().unwrap_or(&"jpg");
        let name = format!("pictures/{}-{index}.{extension}", self.id);
        picture_io::write(&out.join(&name), bytes.data())?;
        Ok(Candidate { model: self.text(&format!("model_{index}")), ..Candidate::new(name) })
    }

    fn gsb(&self) -> Result<Option<Gsb>> {
        let label = match self.fields.get("label_0") {
            None | Some(Field::Null) => return Ok(None),
            Some(Field::Double(label)) => *label,
            Some(Field::Float(label)) => f64::from(*label),
            Some(Field::Int(label)) => f64::from(*label),
            Some(Field::Long(label)) => *label as f64,
            Some(_) => return Err(self.wrong("label_0", "a number")),
        };
        // The three values are exact in every type.
        match [1.0, 0.5, 0.0].iter().position(|value| label.total_cmp(value).is_eq()) {
            Some(0) => Ok(Some(Gsb::Good)),
            Some(1) => Ok(Some(Gsb::Same)),
            Some(_) => Ok(Some(Gsb::Bad)),
            None => {
                Err(foreign(self.path, self.place, format!("label_0 is {label}, but must be 1, 0.5 or 0")))
            }
        }
    }

    fn text(&self, column: &str) -> Option<String> {
        match self.fields.get(column)? {
            Field::Str(text) => Some(text.clone()),
            Field::Int(number) => Some(number.to_string()),
            Field::Long(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn wrong(&self, column: &str, expected: &str) -> DataError {
        foreign(self.path, self.place, format!("{column} is not {expected}"))
    }
}
