//! The denoise loop. There is no other: editing, training rollouts and evaluation iterate this one.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Tensor;

use crate::denoiser::Denoiser;
use crate::error::DiffusionError;
use crate::level::NoiseLevel;
use crate::levels::Levels;
use crate::linear::weighted_sum;
use crate::noise::DrawNoise;
use crate::sampler::{Sampler, Transition};

/// What one step of the loop did.
#[derive(Clone, Debug)]
pub struct Step {
    /// Position of the step, from 0.
    pub index: usize,
    /// Number of steps in all.
    pub n_steps: usize,
    /// The level that the network was called at.
    pub level: NoiseLevel,
    /// The guess of the clean latents at that level: the preview. `[batch, channels, height, width]`.
    pub x_0: Tensor<4>,
    /// The latents after the step, at the next level, of the same shape.
    pub x_t: Tensor<4>,
}

/// A trajectory from noise to a picture, one step for each `next`.
///
/// Iterate it for progress and previews, drop it to cancel, or call [`finish`](Self::finish) at any
/// point to run what is left. The tensors are never read back, so a device may run behind the loop.
pub struct Denoise<'a> {
    levels: Levels,
    sampler: Box<dyn Sampler>,
    denoiser: &'a dyn Denoiser,
    noise: &'a mut dyn DrawNoise,
    cancelled: Option<&'a AtomicBool>,
    /// The factor of the noise that each step leaves.
    damping: f64,
    x_t: Tensor<4>,
    n_done: usize,
}

impl<'a> Denoise<'a> {
    /// A loop that has not taken a step.
    ///
    /// # Shapes
    /// - `x_t`: `[batch, channels, height, width]`, latents at the first of `levels`
    ///
    /// # Errors
    /// [`DiffusionError::Shape`] if the noise is for another number of images than the batch has.
    pub fn new(
        levels: Levels,
        sampler: Box<dyn Sampler>,
        denoiser: &'a dyn Denoiser,
        x_t: Tensor<4>,
        noise: &'a mut dyn DrawNoise,
    ) -> Result<Self, DiffusionError> {
        let actual = x_t.dims();
        if actual[0] != noise.n_images() {
            let mut expected = actual;
            expected[0] = noise.n_images();
            return Err(DiffusionError::Shape {
                what: "the starting latent",
                actual: actual.to_vec(),
                expected: expected.to_vec(),
            });
        }
        Ok(Self { levels, sampler, denoiser, noise, cancelled: None, damping: 1.0, x_t, n_done: 0 })
    }

    /// Stops before the next step once the flag is true; [`finish`](Self::finish) then says so.
    #[must_use]
    pub fn cancelled_by(mut self, flag: &'a AtomicBool) -> Self {
        self.cancelled = Some(flag);
        self
    }

    /// Damps the noise more than the schedule does: the network, told of more noise than there is, takes for noise what
    /// it is not sure of. Below 1 pictures are smoother and more alike, akin to what a generator makes of a prior
    /// whose noise is scaled down (Kingma and Dhariwal 2018, arXiv 1807.03039); 1 is the schedule's own.
    ///
    /// What a step leaves is `α x_0` and noise; the latter is multiplied by `temperature^(1 / n_steps)`. A sampler that
    /// draws no noise carries the factors on, so that `temperature^((n_steps - 1) / n_steps)` of the noise is there at
    /// the last call of the network, however many the steps. One that draws noise anew feels less of it, and one step
    /// nothing. What [`KeepUnmasked`](crate::KeepUnmasked) puts back around a hole has all of its noise.
    ///
    /// # Errors
    /// [`DiffusionError::OutOfRange`] for a temperature that is not above 0 and at most 1.
    pub fn at_temperature(mut self, temperature: f64) -> Result<Self, DiffusionError> {
        check_temperature("temperature", temperature)?;
        self.damping = temperature.powf(1.0 / self.levels.n_steps() as f64);
        Ok(self)
    }

    /// Runs the steps that are left and returns the latents at the last level.
    ///
    /// # Errors
    /// [`DiffusionError::Cancelled`] if the flag stopped the loop before its last step.
    pub fn finish(mut self) -> Result<Tensor<4>, DiffusionError> {
        self.by_ref().for_each(drop);
        let (done, n_steps) = (self.n_done, self.levels.n_steps());
        if done < n_steps { Err(DiffusionError::Cancelled { done, n_steps }) } else { Ok(self.x_t) }
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

impl Iterator for Denoise<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let (index, n_steps) = (self.n_done, self.levels.n_steps());
        if index == n_steps || self.is_cancelled() {
            return None;
        }
        let (from, to) = (self.levels.as_slice()[index], self.levels.as_slice()[index + 1]);
        let x_0 = self.denoiser.denoise(self.x_t.clone(), from);
        let transition = Transition { x_t: self.x_t.clone(), x_0: x_0.clone(), from, to, index, n_steps };
        self.x_t = damped(self.sampler.step(transition, self.noise), &x_0, to, self.damping);
        self.n_done += 1;
        Some(Step { index, n_steps, level: from, x_0, x_t: self.x_t.clone() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // A flag may end the loop early, so nothing is promised at the lower end.
        (0, Some(self.levels.n_steps() - self.n_done))
    }
}

/// The temperature that changes nothing: the schedule's own. What a file that names none means.
pub const fn own_temperature() -> f64 {
    1.0
}

/// Whether a temperature changes nothing.
pub const fn is_own_temperature(temperature: &f64) -> bool {
    temperature.to_bits() == own_temperature().to_bits()
}

/// Checks the temperature of a denoise loop, by the name that whoever set it knows.
///
/// # Errors
/// [`DiffusionError::OutOfRange`] for one that is not above 0 and at most 1.
pub fn check_temperature(name: &'static str, temperature: f64) -> Result<(), DiffusionError> {
    if temperature > 0.0 && temperature <= 1.0 {
        return Ok(());
    }
    let range = "above 0, up to 1, which is the schedule's own";
    Err(DiffusionError::OutOfRange { name, value: temperature, range })
}

/// `α x_0 + damping (x_t − α x_0)` with the `α` of `level`.
fn damped(x_t: Tensor<4>, x_0: &Tensor<4>, level: NoiseLevel, damping: f64) -> Tensor<4> {
    if damping >= 1.0 || level.alpha_bar >= 1.0 {
        return x_t;
    }
    weighted_sum(damping, x_t, (1.0 - damping) * level.alpha(), x_0.clone())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use burn::tensor::{Device, Tensor};

    use super::Denoise;
    use crate::config::NoiseScheduleConfig;
    use crate::denoiser::Denoiser;
    use crate::error::DiffusionError;
    use crate::level::NoiseLevel;
    use crate::noise::{DrawNoise, NoiseSource};
    use crate::sampler::SamplerKind;
    use crate::schedule::NoiseSchedule;

    struct Half;

    impl Denoiser for Half {
        fn denoise(&self, x_t: Tensor<4>, _: NoiseLevel) -> Tensor<4> {
            x_t.mul_scalar(0.5)
        }
    }

    fn denoise(noise: &mut NoiseSource, n_images: usize) -> Result<Denoise<'_>, DiffusionError> {
        let schedule = NoiseSchedule::new(NoiseScheduleConfig::stable_diffusion())?;
        let kind = SamplerKind::EulerAncestral;
        let x_t = Tensor::ones([n_images, 1, 2, 2], &Device::default());
        Denoise::new(kind.levels(&schedule, 6)?, kind.build(&schedule)?, &Half, x_t, noise)
    }

    fn read(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn stepping_and_finishing_are_the_same_walk() {
        let mut noise = NoiseSource::new(&[5]);
        let whole = denoise(&mut noise, 1).unwrap().finish().unwrap();
        let mut noise = NoiseSource::new(&[5]);
        let mut stepwise = denoise(&mut noise, 1).unwrap();
        let timesteps: Vec<(usize, f64)> =
            stepwise.by_ref().take(4).map(|step| (step.index, step.level.timestep)).collect();
        assert_eq!(timesteps, [(0, 831.0), (1, 665.0), (2, 499.0), (3, 333.0)].map(|(i, t)| (i, t)));
        assert_eq!(stepwise.size_hint(), (0, Some(2)));
        assert_eq!(read(stepwise.finish().unwrap()), read(whole));
    }

    #[test]
    fn the_last_step_of_the_loop_is_its_result() {
        let mut noise = NoiseSource::new(&[5]);
        let last = denoise(&mut noise, 1).unwrap().last().unwrap();
        assert_eq!((last.index, last.n_steps), (5, 6));
        // At the clean level the latents are the last guess.
        assert_eq!(read(last.x_t), read(last.x_0));
    }

    #[test]
    fn temperature_scales_the_noise_of_every_step_and_leaves_the_guess() {
        let temperature = 0.4_f64;
        let walk = |temperature: f64| {
            let mut noise = NoiseSource::new(&[5]);
            let to_the_end =
                NoiseScheduleConfig { set_alpha_to_one: true, ..NoiseScheduleConfig::stable_diffusion() };
            let schedule = NoiseSchedule::new(to_the_end).unwrap();
            let kind = SamplerKind::Ddim { eta: 0.0 };
            let levels = kind.levels(&schedule, 6).unwrap();
            let alphas: Vec<f64> = levels.as_slice()[1..].iter().map(|level| level.alpha()).collect();
            let x_t = Tensor::ones([1, 1, 2, 2], &Device::default());
            let sampler = kind.build(&schedule).unwrap();
            let denoise = Denoise::new(levels, sampler, &Half, x_t, &mut noise).unwrap();
            let steps = denoise.at_temperature(temperature).unwrap();
            // The noise that each step leaves: x_t - alpha x_0.
            steps
                .zip(&alphas)
                .map(|(step, alpha)| read(step.x_t - step.x_0.mul_scalar(*alpha))[0])
                .collect::<Vec<f32>>()
        };
        let (warm, cold) = (walk(1.0), walk(temperature));
        // The first step starts from the same latents, so that what it leaves is scaled by one step's factor; what
        // later ones leave is less still.
        let factor = temperature.powf(1.0 / 6.0) as f32;
        assert!((cold[0] / warm[0] - factor).abs() < 1e-5, "{cold:?} {warm:?}");
        let shares: Vec<f32> = cold.iter().zip(&warm).take(5).map(|(cold, warm)| cold / warm).collect();
        assert!(shares.windows(2).all(|pair| pair[1] < pair[0]), "{shares:?}");
        assert!(cold[5] == 0.0 && warm[5] == 0.0, "the last step leaves no noise");
        let mut noise = NoiseSource::new(&[5]);
        for wrong in [0.0, -1.0, 1.5, f64::NAN] {
            let error = denoise(&mut noise, 1).unwrap().at_temperature(wrong).err().unwrap().to_string();
            assert!(error.contains("temperature"), "{error}");
        }
    }

    #[test]
    fn a_flag_stops_the_loop_and_is_reported() {
        let flag = AtomicBool::new(false);
        let mut noise = NoiseSource::new(&[5]);
        let mut running = denoise(&mut noise, 1).unwrap().cancelled_by(&flag);
        assert!(running.next().is_some() && running.next().is_some());
        flag.store(true, Ordering::Relaxed);
        assert!(running.next().is_none());
        let error = running.finish().unwrap_err();
        assert!(matches!(error, DiffusionError::Cancelled { done: 2, n_steps: 6 }), "{error}");
        // After the last step there is nothing left to cancel.
        let mut noise = NoiseSource::new(&[5]);
        flag.store(false, Ordering::Relaxed);
        let mut complete = denoise(&mut noise, 1).unwrap().cancelled_by(&flag);
        complete.by_ref().for_each(drop);
        flag.store(true, Ordering::Relaxed);
        assert!(complete.finish().is_ok());
    }

    #[test]
    fn an_image_does_not_notice_its_batch() {
        let mut noise = NoiseSource::new(&[3, 9]);
        let both = read(denoise(&mut noise, 2).unwrap().finish().unwrap());
        for (i, seed) in [3, 9].into_iter().enumerate() {
            let mut noise = NoiseSource::new(&[seed]);
            assert_eq!(read(denoise(&mut noise, 1).unwrap().finish().unwrap()), both[i * 4..(i + 1) * 4]);
        }
    }

    #[test]
    fn noise_for_another_batch_is_refused() {
        let mut noise = NoiseSource::new(&[1]);
        assert_eq!(noise.n_images(), 1);
        let error = denoise(&mut noise, 2).err().unwrap().to_string();
        assert_eq!(error, "the starting latent has shape [2, 1, 2, 2], but [1, 1, 2, 2] is needed");
    }
}
