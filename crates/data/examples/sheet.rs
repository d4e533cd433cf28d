//! A contact sheet of the mini world, to be looked at.
//!
//! ```text
//! cargo run --release -p byteedit-data --example sheet -- PACK OUT.png [edit|erase|outpaint|pairs|crops|objects] [SPLIT] [SEED]
//! ```
//!
//! Each sample is a row of input, mask and truth; captions go to the text file beside the sheet.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use byteedit_data::{PairSpec, Rgb8, Sample, SampleSpec, Split, Task, World};

const COLUMNS: usize = 5;
const ROWS: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pack, out, rest @ ..] = arguments.as_slice() else {
        return Err("usage: sheet PACK OUT.png [KIND] [SPLIT] [SEED]".into());
    };
    let kind = rest.first().map_or("edit", String::as_str);
    let split = match rest.get(1).map_or("train", String::as_str) {
        "train" => Split::Train,
        "validation" => Split::Validation,
        "test" => Split::Test,
        other => return Err(format!("{other} is not a split: choose train, validation or test").into()),
    };
    let seed = rest.get(2).map_or(Ok(0), |seed| seed.parse())?;
    let world = World::open(Path::new(pack))?;

    let mut text = String::new();
    let mut cells = Vec::new();
    for index in 0..(COLUMNS * ROWS) as u64 {
        if kind == "crops" {
            cells.push(vec![
                world.crop(split, seed, index, 128)?,
                world.crop(split, seed, index + 1000, 128)?,
            ]);
            continue;
        }
        let sample = match kind {
            "edit" => world.sample(&SampleSpec::new(Task::Edit, split, seed), index)?,
            "erase" => world.sample(&SampleSpec::new(Task::Erase, split, seed), index)?,
            "outpaint" => world.sample(&SampleSpec::new(Task::Outpaint, split, seed), index)?,
            "pairs" => world.pair(&PairSpec::new(split, seed), index)?,
            other => return Err(format!("{other} is not a kind of sheet").into()),
        };
        describe(&mut text, index, &sample)?;
        cells.push(vec![sample.input.clone(), overlay(&sample), sample.truth]);
    }
    let sheet = sheet(&cells);
    image::RgbImage::from_raw(sheet.width as u32, sheet.height as u32, sheet.data)
        .ok_or("the sheet has a wrong size")?
        .save(out)?;
    std::fs::write(Path::new(out).with_extension("txt"), text)?;
    Ok(())
}

fn describe(text: &mut String, index: u64, sample: &Sample) -> std::fmt::Result {
    let object = sample.object.as_ref().map_or("-", |object| &object.name);
    let color = sample.object.as_ref().and_then(|object| object.color).map_or("-", |color| color.as_str());
    let (row, column) = (index as usize / COLUMNS, index as usize % COLUMNS);
    writeln!(
        text,
        "{row},{column}: {:?} object {object} color {color} mask {:?} {:.0} % on {}",
        sample.caption,
        sample.mask_kind,
        100.0 * sample.edit_mask.area_fraction(),
        sample.photo
    )
}

/// The truth with the mask in a flat colour, as the model sees it.
fn overlay(sample: &Sample) -> Rgb8 {
    let mut picture = sample.truth.clone();
    for (pixel, value) in picture.data.chunks_exact_mut(3).zip(&sample.edit_mask.values) {
        if *value >= 128 {
            pixel.copy_from_slice(&[255, 0, 255]);
        }
    }
    picture
}

fn sheet(cells: &[Vec<Rgb8>]) -> Rgb8 {
    let (side, gap) = (cells[0][0].width, 6);
    let cell_width = cells[0].len() * (side + 1) + gap;
    let mut sheet = Rgb8::filled(COLUMNS * cell_width, ROWS * (side + gap), [255; 3]);
    for (index, cell) in cells.iter().enumerate() {
        for (part, picture) in cell.iter().enumerate() {
            let left = index % COLUMNS * cell_width + part * (side + 1);
            for y in 0..side {
                let at = 3 * ((index / COLUMNS * (side + gap) + y) * sheet.width + left);
                sheet.data[at..at + 3 * side]
                    .copy_from_slice(&picture.data[3 * y * side..3 * (y + 1) * side]);
            }
        }
    }
    sheet
}
