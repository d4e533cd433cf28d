//! Gradients by parameter name: accumulation over micro-batches and clipping by the global norm
//! (Pascanu et al. 2013, arXiv 1211.5063, Section 3.2).

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use byteedit_nn::kernels::square_sums;
use byteedit_nn::parameters::{ParameterVisitor, visit_parameters};

use crate::named::NamedTensors;
use crate::{Result, TrainError};

/// One gradient for each trainable parameter, flattened.
#[derive(Clone, Debug, Default)]
pub struct Gradients(NamedTensors);

impl Gradients {
    /// Backpropagates from `loss` and takes the gradients of all trainable parameters of `module`.
    ///
    /// # Shapes
    /// - `loss`: `[1]`
    ///
    /// # Errors
    /// [`TrainError::NoGradient`] for a trainable parameter that took no part in the loss.
    pub fn of<M: Module>(loss: Tensor<1>, module: &M) -> Result<Self> {
        let mut taker = Taker { grads: loss.backward(), taken: NamedTensors::new(), missing: None };
        visit_parameters(module, &mut taker);
        match taker.missing {
            Some(name) => Err(TrainError::NoGradient { name }),
            None => Ok(Self(taker.taken)),
        }
    }

    /// Adds the gradients of another micro-batch; the first ones are taken as they are.
    pub fn accumulate(&mut self, other: Self) {
        if self.0.is_empty() {
            *self = other;
            return;
        }
        for (name, gradient) in other.0 {
            let sum = match self.0.remove(&name) {
                Some(sum) => sum + gradient,
                None => gradient,
            };
            self.0.insert(name, sum);
        }
    }

    /// Multiplies every gradient.
    pub fn scale(&mut self, factor: f64) {
        for gradient in self.0.values_mut() {
            *gradient = gradient.clone().mul_scalar(factor);
        }
    }

    /// Euclidean norm of all gradients together, summed in f64 in name order.
    pub fn norm(&self) -> f64 {
        let sums: Vec<Tensor<1>> = self.0.values().map(|gradient| square_sums(gradient.clone())).collect();
        if sums.is_empty() {
            return 0.0;
        }
        let sums = Tensor::cat(sums, 0).into_data().convert::<f32>();
        let sums = sums.as_slice::<f32>().expect("converted to f32 just above");
        sums.iter().map(|&sum| f64::from(sum)).sum::<f64>().sqrt()
    }

    /// The norm, and the factor to multiply all gradients by so that it is at most `max_norm`: 1 where it
    /// is, or where it is not finite. The optimiser takes the factor in passing, see
    /// [`StepSize`](super::StepSize).
    pub fn clipping(&self, max_norm: f64) -> (f64, f64) {
        let norm = self.norm();
        (norm, if norm.is_finite() && norm > max_norm { max_norm / norm } else { 1.0 })
    }

    /// Takes the gradients of all parameters whose names begin with `prefix`.
    #[must_use]
    pub(crate) fn take_under(&mut self, prefix: &str) -> Self {
        let (taken, left) =
            std::mem::take(&mut self.0).into_iter().partition(|(name, _)| name.starts_with(prefix));
        self.0 = left;
        Self(taken)
    }

    /// Puts the gradients of other parameters beside these.
    pub(crate) fn join(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Takes the gradient of one parameter.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Tensor<1>> {
        self.0.remove(name)
    }

    /// How many parameters have a gradient.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<BTreeMap<String, Tensor<1>>> for Gradients {
    fn from(gradients: BTreeMap<String, Tensor<1>>) -> Self {
        Self(gradients)
    }
}

struct Taker {
    grads: burn::tensor::Gradients,
    taken: NamedTensors,
    missing: Option<String>,
}

impl ParameterVisitor for Taker {
    fn visit<const D: usize>(&mut self, name: &str, param: &Param<Tensor<D>>) {
        let value = param.val();
        if !value.is_require_grad() {
            return;
        }
        match value.grad_remove(&mut self.grads) {
            Some(gradient) => {
                let n_elements = gradient.shape().num_elements();
                self.taken.insert(name.to_owned(), gradient.reshape([n_elements]));
            }
            None => self.missing = self.missing.take().or_else(|| Some(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::ParamId;
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;

    use super::*;

    #[derive(Module, Debug)]
    struct Pair {
        used: Param<Tensor<2>>,
        unused: Param<Tensor<1>>,
    }

    fn pair() -> Pair {
        let device = Device::default();
        let used = Tensor::from_data([[2.0_f32, 3.0]], &device);
        let unused = Tensor::from_data([1.0_f32], &device);
        Pair {
            used: Param::initialized(ParamId::new(), used).set_require_grad(true),
            unused: Param::initialized(ParamId::new(), unused).set_require_grad(true),
        }
        .train()
    }

    fn gradients(values: &[Vec<f32>]) -> Gradients {
        let named = values.iter().enumerate().map(|(index, values)| {
            let data = TensorData::new(values.clone(), [values.len()]);
            (format!("p{index}"), Tensor::<1>::from_data(data, &Device::default()))
        });
        Gradients::from(named.collect::<BTreeMap<_, _>>())
    }

    fn read(gradients: &Gradients, name: &str) -> Vec<f32> {
        gradients.0[name].clone().into_data().as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn gradients_are_taken_by_name() {
        let module = pair();
        let loss = (module.used.val().square().sum() + module.unused.val() * 5.0).sum();
        let gradients = Gradients::of(loss, &module).unwrap();
        assert_eq!((read(&gradients, "used"), read(&gradients, "unused")), (vec![4.0, 6.0], vec![5.0]));
        assert_eq!(gradients.len(), 2);
    }

    #[test]
    fn a_parameter_outside_the_loss_is_named() {
        let module = pair();
        let error = Gradients::of(module.used.val().sum(), &module).unwrap_err().to_string();
        assert!(error.contains("`unused` received no gradient"), "{error}");
    }

    #[test]
    fn a_frozen_parameter_needs_none() {
        let mut module = pair();
        module.unused = module.unused.set_require_grad(false);
        assert_eq!(Gradients::of(module.used.val().sum(), &module).unwrap().len(), 1);
    }

    #[test]
    fn accumulation_adds_and_scaling_averages() {
        let mut sum = Gradients::default();
        sum.accumulate(gradients(&[vec![1.0, 2.0], vec![4.0]]));
        sum.accumulate(gradients(&[vec![3.0, -2.0], vec![0.0]]));
        sum.scale(0.5);
        assert_eq!((read(&sum, "p0"), read(&sum, "p1")), (vec![2.0, 0.0], vec![2.0]));
    }

    #[test]
    fn large_tensors_are_summed_whole() {
        let n = (1 << 20) + 3;
        assert!((gradients(&[vec![2.0; n]]).norm() - 2.0 * (n as f64).sqrt()).abs() < 1e-2);
        assert!(Gradients::default().norm() == 0.0 && Gradients::default().is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn clipping_bounds_the_global_norm(
            values in prop::collection::vec(prop::collection::vec(-10.0..10.0_f32, 1..5), 1..4),
            max_norm in 0.01..20.0_f64,
        ) {
            let mut clipped = gradients(&values);
            let exact = values.iter().flatten().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
            let (norm, factor) = clipped.clipping(max_norm);
            prop_assert!((norm - exact).abs() <= 1e-5 * exact);
            prop_assert!((factor - (max_norm / exact).min(1.0)).abs() <= 1e-5);
            clipped.scale(factor);
            prop_assert!(clipped.norm() <= max_norm.min(exact) * (1.0 + 1e-5));
        }
    }

    #[test]
    fn a_norm_that_is_not_finite_scales_nothing() {
        let (norm, factor) = gradients(&[vec![f32::NAN], vec![3.0]]).clipping(1.0);
        assert!(norm.is_nan() && (factor - 1.0).abs() < f64::EPSILON);
    }
}
