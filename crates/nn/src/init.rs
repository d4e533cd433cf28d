//! Where parameters come from: the host's seeded generator, or nowhere yet (a loader fills them).
//!
//! Burn initialises lazily from one generator per device, so the values would depend on the order
//! in which layers are first used. Drawing on the host makes a seed determine the weights.

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Shape, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Creates the parameters of a module, in the order in which its layers are built.
#[derive(Debug)]
pub struct Init {
    device: Device,
    rng: Option<ChaCha8Rng>,
}

impl Init {
    /// Parameters stay unallocated zeros until a loader replaces them.
    pub fn blank(device: &Device) -> Self {
        Self { device: device.clone(), rng: None }
    }

    /// Parameters are drawn from a `ChaCha8` stream: the same seed gives the same weights everywhere.
    pub fn seeded(device: &Device, seed: u64) -> Self {
        Self { device: device.clone(), rng: Some(ChaCha8Rng::seed_from_u64(seed)) }
    }

    /// The device on which the parameters live.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Uniform in `[-bound, bound)`, `PyTorch`'s default for linears and convolutions with
    /// `bound = 1 / sqrt(fan_in)`.
    pub fn uniform<const D: usize>(&mut self, shape: [usize; D], bound: f64) -> Param<Tensor<D>> {
        self.parameter(shape, |rng| ((2.0 * unit(rng) - 1.0) * bound) as f32)
    }

    /// Normal with mean 0 and standard deviation `std` (Box-Muller).
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], std: f64) -> Param<Tensor<D>> {
        self.parameter(shape, |rng| {
            let radius = libm::sqrt(-2.0 * libm::log(1.0 - unit(rng)));
            (std * radius * libm::cos(std::f64::consts::TAU * unit(rng))) as f32
        })
    }

    /// Every element equal to `value`.
    pub fn constant<const D: usize>(&mut self, shape: [usize; D], value: f32) -> Param<Tensor<D>> {
        self.parameter(shape, |_| value)
    }

    /// A vector of given values.
    pub fn vector(&mut self, values: Vec<f32>) -> Param<Tensor<1>> {
        let n_elements = values.len();
        let mut values = values.into_iter();
        self.parameter([n_elements], |_| values.next().unwrap_or_default())
    }

    fn parameter<const D: usize>(
        &mut self,
        shape: [usize; D],
        mut draw: impl FnMut(&mut ChaCha8Rng) -> f32,
    ) -> Param<Tensor<D>> {
        let values = self.rng.as_mut().map(|rng| {
            let n_elements = shape.iter().product();
            TensorData::new((0..n_elements).map(|_| draw(rng)).collect::<Vec<f32>>(), shape)
        });
        Param::uninitialized(
            ParamId::new(),
            move |device, require_grad| {
                let tensor = match values {
                    Some(values) => Tensor::from_data(values, device),
                    None => Tensor::zeros(shape, device),
                };
                if require_grad { tensor.require_grad() } else { tensor }
            },
            self.device.clone(),
            true,
            Shape::from(shape),
        )
    }
}

/// A number in `[0, 1)` with 53 random bits.
fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}
