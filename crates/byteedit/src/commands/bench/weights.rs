//! Random weights and inputs, drawn fast: a network of a billion parameters in seconds.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use byteedit_data::Stream;
use byteedit_models::Component;
use byteedit_nn::Init;
use byteedit_nn::parameters::{ParameterMapper, map_parameters};
use rayon::prelude::*;

/// Numbers of one stream; the streams of a tensor are drawn side by side.
const CHUNK: usize = 1 << 16;
/// Keeps these streams apart from all others.
const DOMAIN: u64 = 0x6265_6e63_6800_0000;

/// A network without a zero: layers that training starts at zero too, so that no kernel and no page of memory
/// has it easier than with trained weights.
pub(super) fn random_network<C: Component>(config: &C::Config, device: &Device) -> C {
    map_parameters(C::from_config(config, &mut Init::blank(device)), &mut Draw { n_drawn: 0, device })
}

/// Uniform in `[-bound, bound)`; the same for the same `index`.
pub(super) fn random<const D: usize>(
    shape: [usize; D],
    bound: f32,
    index: u64,
    device: &Device,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(uniform(shape.iter().product(), bound, index), shape), device)
}

fn uniform(n: usize, bound: f32, index: u64) -> Vec<f32> {
    let mut values = vec![0.0; n];
    values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
        let mut stream = Stream::new([0, DOMAIN, index, chunk as u64]);
        values.fill_with(|| stream.uniform(-bound, bound));
    });
    values
}

struct Draw<'a> {
    n_drawn: u64,
    device: &'a Device,
}

impl ParameterMapper for Draw<'_> {
    /// Weights and biases as `PyTorch` draws them; scales of norms about 1.
    fn map<const D: usize>(&mut self, name: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape: [usize; D] = param.lazy_shape().dims();
        self.n_drawn += 1;
        let fan_in: usize = shape[1..].iter().product();
        let tensor = match (D, name.ends_with("weight")) {
            (1, true) => random(shape, 0.1, self.n_drawn, self.device) + 1.0,
            (1, false) => random(shape, 0.1, self.n_drawn, self.device),
            _ => random(shape, 1.0 / (fan_in as f32).sqrt(), self.n_drawn, self.device),
        };
        Param::initialized(param.id, tensor).set_require_grad(true)
    }
}

#[cfg(test)]
mod tests {
    use byteedit_models::vae::{AutoencoderKL, AutoencoderKLConfig};
    use byteedit_nn::parameters::{ParameterVisitor, visit_parameters};

    use super::*;

    struct Zeros(usize, usize);

    impl ParameterVisitor for Zeros {
        fn visit<const D: usize>(&mut self, _: &str, param: &Param<Tensor<D>>) {
            let values = param.val().into_data();
            let values = values.as_slice::<f32>().unwrap();
            self.0 += values.iter().filter(|value| **value == 0.0).count();
            self.1 += values.len();
        }
    }

    #[test]
    fn nearly_no_weight_is_zero() {
        let config = r#"{"block_out_channels": [8, 16], "norm_num_groups": 4}"#;
        let config = AutoencoderKLConfig::from_json(config).unwrap();
        let network: AutoencoderKL = random_network(&config, &Device::flex());
        let mut zeros = Zeros(0, 0);
        visit_parameters(&network, &mut zeros);
        // A draw is 0 once in 2^23.
        assert!(zeros.0 <= 1 && zeros.1 > 10_000, "{} of {}", zeros.0, zeros.1);
    }

    #[test]
    fn draws_depend_on_their_index_alone() {
        let draw = |index| uniform(CHUNK + 3, 1.0, index);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!(draw(1).iter().all(|value| (-1.0..1.0).contains(value)));
    }
}
