//! Generated pictures and true ones, in memory, as the autoencoder left them.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use byteedit_data::preference::{Numbered, PreferenceRecord, Reader, SkipBad};
use byteedit_data::world::FRAME_SIDES;
use byteedit_data::{Mask, Rgb8, SampleSpec, Split, Task, World};
use byteedit_models::Component;
use byteedit_models::vae::AutoencoderKL;

use super::CoherentRunConfig;
use crate::pictures::{pictures_from_pixels, pixels_from_pictures};
use crate::progress::Progress;
use crate::random::{Use, stream};
use crate::reward::is_held_out;
use crate::reward::seen::Seen;
use crate::training::Stop;
use crate::{Result, TrainError};

/// Pictures that go through the autoencoder at once.
const BATCH: usize = 16;

/// The records of `files` with the folders of their pictures, which are there; whether and how they were judged does not
/// matter. Bad lines are passed over, up to `skip_bad` in each file, and told.
pub(super) fn records_of(
    files: &[PathBuf],
    skip_bad: usize,
    progress: &mut dyn Progress,
) -> Result<Vec<(PathBuf, PreferenceRecord)>> {
    let mut records = Vec::new();
    for path in files {
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut reader = Reader::open(path, SkipBad { limit: skip_bad })?;
        while let Some(numbered) = reader.next() {
            let Numbered { line, record } = numbered?;
            let absent = record.files().find(|file| !folder.join(file).is_file());
            match absent.map(|file| format!("there is no file {file} in {}", folder.display())) {
                Some(reason) => reader.pass_over(line, reason)?,
                None => records.push((folder.to_owned(), record)),
            }
        }
        reader.skipped().iter().for_each(|bad| progress.on_warning(&format!("skipped {bad}")));
    }
    Ok(records)
}

/// Where pictures come from, and those that were fetched.
#[derive(Debug)]
pub(super) struct Pictures<'a> {
    config: &'a CoherentRunConfig,
    world: &'a World,
    vae: AutoencoderKL,
    device: &'a Device,
    learned: Vec<Candidate>,
    held_out: Vec<Candidate>,
    pub(super) real: Vec<Seen>,
    pub(super) generated: Vec<Seen>,
    pub(super) held_out_real: Vec<Seen>,
    pub(super) held_out_generated: Vec<Seen>,
}

#[derive(Debug)]
struct Candidate {
    folder: PathBuf,
    record: PreferenceRecord,
    place: usize,
}

impl<'a> Pictures<'a> {
    /// Sorts the generated pictures that there are.
    pub(super) fn list(
        config: &'a CoherentRunConfig,
        records: Vec<(PathBuf, PreferenceRecord)>,
        world: &'a World,
        vae: AutoencoderKL,
        device: &'a Device,
    ) -> Result<Self> {
        let (mut learned, mut held_out) = (Vec::new(), Vec::new());
        for (folder, record) in records {
            // Without a mask nobody knows what was generated.
            if record.source.is_some() {
                let is_held_out = is_held_out(&record.prompt, config.held_out_percent);
                let kind = if is_held_out { &mut held_out } else { &mut learned };
                kind.extend((0..record.candidates.len()).map(|place| Candidate {
                    folder: folder.clone(),
                    record: record.clone(),
                    place,
                }));
            }
        }
        if learned.is_empty() || held_out.is_empty() {
            let value = format!("{} to learn from, {} held out", learned.len(), held_out.len());
            let limit = "1 or more on both sides: name more records with --data; they need image and mask";
            return Err(TrainError::config("generated pictures", value, limit));
        }
        // A few of every prompt rather than all of some.
        let seed = config.training.seed;
        for (kind, n) in [(&mut learned, config.n_pictures), (&mut held_out, config.n_validation)] {
            let order = |place: usize| stream(seed, Use::Comparisons, place as u64).unit();
            let mut keyed: Vec<(f32, Candidate)> =
                std::mem::take(kind).into_iter().enumerate().map(|(place, it)| (order(place), it)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            keyed.truncate(n);
            *kind = keyed.into_iter().map(|(_, candidate)| candidate).collect();
        }
        let none = Vec::new;
        Ok(Self {
            config,
            world,
            vae,
            device,
            learned,
            held_out,
            real: none(),
            generated: none(),
            held_out_real: none(),
            held_out_generated: none(),
        })
    }

    /// Fetches all pictures; may end early once asked to stop.
    pub(super) fn fetch(&mut self, progress: &mut dyn Progress, stop: Stop<'_>) -> Result<()> {
        let size = self.size()?;
        let n = 2 * (self.learned.len() + self.held_out.len());
        let (mut fetched, mut n_done) = ([none(), none(), none(), none()], 0);
        for (at, (candidates, split)) in
            [(&self.learned, Split::Train), (&self.held_out, Split::Validation)].into_iter().enumerate()
        {
            for (batch, candidates) in candidates.chunks(BATCH).enumerate() {
                if stop.is_asked() {
                    return Ok(());
                }
                progress.on_prepare("fetching pictures", n_done, n);
                let first = (batch * BATCH) as u64;
                let indices = first..first + candidates.len() as u64;
                let real = indices.map(|index| self.real(split, index, size)).collect::<Result<Vec<_>>>()?;
                let read =
                    |it: &Candidate| Seen::read(&it.folder, &it.record, &it.record.candidates[it.place]);
                let generated = candidates.iter().map(read).collect::<Result<Vec<_>>>()?;
                check_sizes(&generated, size)?;
                n_done += real.len() + generated.len();
                fetched[2 * at].extend(self.through_vae(real));
                fetched[2 * at + 1].extend(self.through_vae(generated));
            }
        }
        [self.real, self.generated, self.held_out_real, self.held_out_generated] = fetched;
        Ok(())
    }

    /// The side of the first generated picture: all are as large.
    fn size(&self) -> Result<usize> {
        let first = &self.learned[0];
        let Seen { picture: Rgb8 { width, height, .. }, .. } =
            Seen::read(&first.folder, &first.record, &first.record.candidates[first.place])?;
        let [smallest, largest] = FRAME_SIDES;
        let multiple = if self.config.real_through_vae { self.vae.config().downscale() } else { 1 };
        if width == height && (smallest..=largest).contains(&width) && width.is_multiple_of(multiple) {
            return Ok(width);
        }
        let limit = format!(
            "a square of {smallest} to {largest} px, as pictures of the world are, and a multiple of the \
             autoencoder's {multiple}"
        );
        Err(TrainError::config("the size of generated pictures", format!("{width} x {height} px"), limit))
    }

    /// True picture `index`.
    fn real(&self, split: Split, index: u64, size: usize) -> Result<Seen> {
        let seed = self.config.training.seed;
        let is_photograph = stream(seed, Use::Pictures, index).chance(self.config.p_photograph);
        let task = if is_photograph { Task::Erase } else { Task::Edit };
        let sample = self.world.sample(&SampleSpec { size, ..SampleSpec::new(task, split, seed) }, index)?;
        Ok(Seen { picture: sample.truth, edit_mask: Mask::empty(size, size) })
    }

    fn through_vae(&self, pictures: Vec<Seen>) -> Vec<Seen> {
        if !self.config.real_through_vae {
            return pictures;
        }
        let before: Vec<Rgb8> = pictures.iter().map(|seen| seen.picture.clone()).collect();
        let latents = self.vae.encode(pixels_from_pictures(&before, self.device)).mean;
        let after = pictures_from_pixels(self.vae.decode(latents));
        pictures.into_iter().zip(after).map(|(seen, picture)| Seen { picture, ..seen }).collect()
    }
}

fn none() -> Vec<Seen> {
    Vec::new()
}

fn check_sizes(pictures: &[Seen], size: usize) -> Result<()> {
    match pictures.iter().find(|seen| (seen.picture.width, seen.picture.height) != (size, size)) {
        Some(Seen { picture, .. }) => {
            let value = format!("{} x {} px", picture.width, picture.height);
            let limit = format!("{size} x {size} px, as the first one is");
            Err(TrainError::config("the size of a generated picture", value, limit))
        }
        None => Ok(()),
    }
}
