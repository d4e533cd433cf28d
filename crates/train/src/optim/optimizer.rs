//! One step of every parameter: which rule updates it, and what that rule keeps of it.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use byteedit_nn::parameters::{ParameterMapper, ParameterVisitor, map_parameters, visit_parameters};
use rayon::prelude::*;

use super::muon::{self, Direction, MuonConfig};
use super::{AdamWConfig, Ema, Gradients, Moments};
use crate::{Result, TrainError};

/// How far one step goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepSize {
    /// The learning rate.
    pub learning_rate: f64,
    /// The gradients are multiplied by this first, see [`Gradients::clipping`].
    pub gradient_scale: f64,
}

/// What a rule keeps of a parameter from step to step.
#[derive(Clone, Debug)]
pub enum ParameterState {
    /// Of [`AdamWConfig`].
    AdamW(Box<Moments>),
    /// Of [`MuonConfig`]: the running sum of its gradients, `[n_elements]`.
    Muon(Box<Tensor<1>>),
}

/// The optimiser with its state, keyed by parameter name.
#[derive(Clone, Debug)]
pub struct Optimizer {
    /// The rule of every parameter that the other does not take.
    pub adamw: AdamWConfig,
    /// The rule of hidden matrices, if they have one of their own.
    pub muon: Option<MuonConfig>,
    /// State of each parameter that has been updated at least once.
    pub states: BTreeMap<String, ParameterState>,
    /// Updates made so far.
    pub step: u64,
}

/// A parameter with its moving average, `[n_elements]` each.
pub(super) struct Weight {
    pub(super) value: Tensor<1>,
    pub(super) average: Tensor<1>,
    /// Whether weight decay applies to it: to matrices, not to biases and gains.
    pub(super) decays: bool,
}

/// A step of all parameters.
pub(super) struct Step {
    pub(super) size: StepSize,
    /// Its number, counted from 1.
    pub(super) t: u64,
    /// Share of the old average that the new one keeps.
    pub(super) average_decay: f64,
}

/// Numbers that a parameter's rule keeps for each of its own: two moments, or a sum alone where it is Muon.
pub(crate) fn n_kept(muon: Option<MuonConfig>, name: &str, shape: &[usize]) -> usize {
    if muon.is_some() && muon::takes(name, shape) { 1 } else { 2 }
}

impl Optimizer {
    /// An optimiser that has not made a step.
    pub fn new(adamw: AdamWConfig, muon: Option<MuonConfig>) -> Self {
        Self { adamw, muon, states: BTreeMap::new(), step: 0 }
    }

    /// One update of every trainable parameter and of its moving average.
    ///
    /// # Errors
    /// [`TrainError::NoGradient`] for a trainable parameter without a gradient.
    pub fn step<M: Module>(
        &mut self,
        size: StepSize,
        module: M,
        gradients: Gradients,
        ema: &mut Ema,
    ) -> Result<M> {
        self.step_by(&|_| Some(size), module, gradients, ema)
    }

    /// [`Optimizer::step`] with a size of its own for each parameter; one without a size stays as it is.
    ///
    /// # Errors
    /// As there, for a parameter with a size.
    pub fn step_by<M: Module>(
        &mut self,
        sizes: &dyn Fn(&str) -> Option<StepSize>,
        module: M,
        mut gradients: Gradients,
        ema: &mut Ema,
    ) -> Result<M> {
        let average_decay = ema.config.decay_at(self.step);
        self.step += 1;
        let t = self.step;
        let step = |name: &str| sizes(name).map(|size| Step { size, t, average_decay });
        let directions = self.directions(&module, &mut gradients, sizes);
        let mut update = Update { optimizer: self, ema, step: &step, gradients, directions, missing: None };
        let module = map_parameters(module, &mut update);
        match update.missing {
            Some(name) => Err(TrainError::NoGradient { name }),
            None => Ok(module),
        }
    }
}

impl Optimizer {
    /// Where Muon's parameters go, whose gradients it takes; found side by side, since the small matrices of
    /// one keep one thread busy.
    fn directions<M: Module>(
        &mut self,
        module: &M,
        gradients: &mut Gradients,
        sizes: &dyn Fn(&str) -> Option<StepSize>,
    ) -> Directions {
        let Some(muon) = self.muon else { return Directions::new() };
        let mut shapes = Shapes(Vec::new());
        visit_parameters(module, &mut shapes);
        let taken =
            shapes.0.into_iter().filter(|(name, shape)| muon::takes(name, shape) && sizes(name).is_some());
        let tasks: Vec<_> = taken
            .filter_map(|(name, shape)| {
                let gradient = gradients.remove(&name)?;
                let sum = match self.states.remove(&name) {
                    Some(ParameterState::Muon(sum)) => *sum,
                    _ => gradient.zeros_like(),
                };
                Some((name, shape, sum, gradient))
            })
            .collect();
        let direction = |(name, shape, sum, gradient): (String, Vec<usize>, _, _)| {
            let direction = muon.direction(sum, gradient, &shape);
            (name, Given::Direction(Box::new((muon, direction))))
        };
        tasks.into_par_iter().map(direction).collect()
    }
}

/// What a parameter's update starts from.
enum Given {
    /// Its gradient, `[n_elements]`.
    Gradient(Box<Tensor<1>>),
    /// What its gradient was made into already.
    Direction(Box<(MuonConfig, Direction)>),
}

/// By parameter name.
type Directions = BTreeMap<String, Given>;

/// Names and shapes of the trainable parameters.
struct Shapes(Vec<(String, Vec<usize>)>);

impl ParameterVisitor for Shapes {
    fn visit<const D: usize>(&mut self, name: &str, param: &Param<Tensor<D>>) {
        if param.val().is_require_grad() {
            self.0.push((name.to_owned(), param.lazy_shape().to_vec()));
        }
    }
}

/// Goes from parameter to parameter.
struct Update<'a> {
    optimizer: &'a mut Optimizer,
    ema: &'a mut Ema,
    /// The step of a parameter by its name.
    step: &'a dyn Fn(&str) -> Option<Step>,
    gradients: Gradients,
    directions: Directions,
    missing: Option<String>,
}

impl Update<'_> {
    /// The new value of a parameter of `shape`.
    fn updated(
        &mut self,
        at: &Step,
        name: &str,
        weight: Weight,
        (given, shape): (Given, &[usize]),
    ) -> Tensor<1> {
        let optimizer = &mut *self.optimizer;
        let (weight, state) = match given {
            Given::Direction(given) => {
                let (muon, Direction { sum, direction }) = *given;
                (muon.update(at, weight, direction, shape), ParameterState::Muon(Box::new(sum)))
            }
            Given::Gradient(gradient) => {
                let moments = match optimizer.states.remove(name) {
                    Some(ParameterState::AdamW(moments)) => Some(*moments),
                    _ => None,
                };
                let (weight, moments) = optimizer.adamw.update(at, weight, moments, *gradient);
                (weight, ParameterState::AdamW(Box::new(moments)))
            }
        };
        optimizer.states.insert(name.to_owned(), state);
        self.ema.shadow.insert(name.to_owned(), weight.average);
        weight.value
    }
}

impl ParameterMapper for Update<'_> {
    fn map<const D: usize>(&mut self, name: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.val().is_require_grad() {
            return param;
        }
        let Some(at) = (self.step)(name) else { return param };
        let direction = self.directions.remove(name);
        let Some(given) =
            direction.or_else(|| self.gradients.remove(name).map(|g| Given::Gradient(Box::new(g))))
        else {
            self.missing.get_or_insert_with(|| name.to_owned());
            return param;
        };
        let shape = param.lazy_shape();
        let n_elements = shape.num_elements();
        param.map(|old| {
            // What is replaced is taken out first: with no other owner, its memory is written in place.
            let value = old.without_autodiff().reshape([n_elements]);
            let average = self.ema.shadow.remove(name).unwrap_or_else(|| value.clone());
            let weight = Weight { value, average, decays: D > 1 };
            self.updated(&at, name, weight, (given, &shape)).reshape(shape.clone()).autodiff().require_grad()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::module::ParamId;
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::optim::EmaConfig;

    #[derive(Module, Debug)]
    struct Two {
        weight: Param<Tensor<2>>,
        bias: Param<Tensor<1>>,
    }

    fn two() -> Two {
        let device = Device::default();
        let weight = Tensor::from_data([[1.0_f32, -2.0], [0.5, 3.0]], &device);
        let bias = Tensor::from_data([4.0_f32], &device);
        Two {
            weight: Param::initialized(ParamId::new(), weight).set_require_grad(true),
            bias: Param::initialized(ParamId::new(), bias).set_require_grad(true),
        }
        .train()
    }

    const DECAY: f64 = 0.9;

    fn adamw(weight_decay: f64) -> Optimizer {
        Optimizer::new(AdamWConfig { weight_decay, ..AdamWConfig::default() }, None)
    }

    /// One step with unclipped gradients.
    fn step(optimizer: &mut Optimizer, learning_rate: f64, module: Two, gradients: Gradients) -> Result<Two> {
        let mut ema = Ema::new(EmaConfig { decay: DECAY }, &module);
        optimizer.step(StepSize { learning_rate, gradient_scale: 1.0 }, module, gradients, &mut ema)
    }

    fn gradients(weight: [f32; 4], bias: f32) -> Gradients {
        let device = Device::default();
        let flat = |values: Vec<f32>| {
            let n = values.len();
            Tensor::<1>::from_data(TensorData::new(values, [n]), &device)
        };
        let named = [("weight", flat(weight.to_vec())), ("bias", flat(vec![bias]))];
        Gradients::from(
            named.map(|(name, value)| (name.to_owned(), value)).into_iter().collect::<BTreeMap<_, _>>(),
        )
    }

    fn values(module: &Two) -> Vec<f32> {
        let read = |tensor: Tensor<1>| tensor.into_data().as_slice::<f32>().unwrap().to_vec();
        crate::named::parameters_of(module).into_values().flat_map(read).collect()
    }

    /// The algorithm for one number, in f64.
    fn reference(mut weight: f64, gradients: &[f64], learning_rate: f64, decay: f64) -> f64 {
        let (mut m, mut v) = (0.0, 0.0);
        for (index, gradient) in gradients.iter().enumerate() {
            m = 0.9 * m + 0.1 * gradient;
            v = 0.999 * v + 0.001 * gradient * gradient;
            let t = index as i32 + 1;
            let (m_hat, v_hat) = (m / (1.0 - 0.9_f64.powi(t)), v / (1.0 - 0.999_f64.powi(t)));
            weight -= learning_rate * (m_hat / (v_hat.sqrt() + 1e-8) + decay * weight);
        }
        weight
    }

    #[test]
    fn the_first_step_has_the_size_of_the_learning_rate() {
        let mut optimizer = adamw(0.0);
        let module = step(&mut optimizer, 0.1, two(), gradients([1.0, -1.0, 1e-4, 5.0], -2.0)).unwrap();
        // m̂ / √v̂ is the gradient's sign, whatever its size. Bias first, in name order.
        for (value, expected) in values(&module).iter().zip([4.1, 0.9, -1.9, 0.4, 2.9]) {
            assert!((value - expected).abs() < 1e-4, "{value} instead of {expected}");
        }
    }

    #[test]
    fn several_steps_agree_with_the_algorithm_and_biases_do_not_decay() {
        let mut optimizer = adamw(0.1);
        let mut module = two();
        let series = [0.3, -0.7, 1.1, 0.05, -0.2];
        for &g in &series {
            module = step(&mut optimizer, 0.01, module, gradients([g; 4], g)).unwrap();
        }
        let series = series.map(f64::from);
        let expected = [(4.0, 0.0), (1.0, 0.1), (-2.0, 0.1), (0.5, 0.1), (3.0, 0.1)]
            .map(|(start, decay)| reference(start, &series, 0.01, decay));
        for (value, expected) in values(&module).iter().zip(expected) {
            assert!((f64::from(*value) - expected).abs() < 1e-5, "{value} instead of {expected}");
        }
        assert_eq!((optimizer.step, optimizer.states.len()), (5, 2));
    }

    #[test]
    fn a_gradient_scale_is_as_good_as_scaled_gradients() {
        let run = |scale: f32, gradient_scale: f64| {
            let mut optimizer = adamw(0.01);
            let mut ema = Ema::new(EmaConfig { decay: DECAY }, &two());
            let size = StepSize { learning_rate: 0.1, gradient_scale };
            let gradients = gradients([scale, -scale, 3.0 * scale, 0.0], 2.0 * scale);
            let module = optimizer.step(size, two(), gradients, &mut ema).unwrap();
            let ParameterState::AdamW(moments) = optimizer.states["weight"].clone() else {
                panic!("without Muon every parameter is updated by AdamW");
            };
            let second = moments.second.into_data();
            (values(&module), second.as_slice::<f32>().unwrap().to_vec())
        };
        assert_eq!(run(0.5, 1.0), run(2.0, 0.25));
    }

    #[test]
    fn a_parameter_without_a_size_stays_bit_for_bit_and_its_average_too() {
        let mut optimizer = adamw(0.1);
        let mut ema = Ema::new(EmaConfig { decay: DECAY }, &two());
        // An average that would move towards its parameter.
        let average = Tensor::from_data([3.3_f32], &Device::default());
        ema.shadow.insert("bias".to_owned(), average);
        let size = StepSize { learning_rate: 0.1, gradient_scale: 1.0 };
        let only_weight = |name: &str| (name == "weight").then_some(size);
        let gradients_of_both = gradients([1.0; 4], 1.0);
        let module = optimizer.step_by(&only_weight, two(), gradients_of_both, &mut ema).unwrap();
        // It need not have a gradient either.
        let mut gradients = gradients([1.0; 4], 1.0);
        gradients.remove("bias");
        let module = optimizer.step_by(&only_weight, module, gradients, &mut ema).unwrap();

        let bits = |value: f32| value.to_bits();
        assert_eq!(bits(values(&module)[0]), bits(4.0));
        assert_eq!(bits(ema.shadow["bias"].clone().into_scalar::<f32>()), bits(3.3));
        assert!(values(&module)[1] < 0.9, "the other moved");
        assert!(optimizer.states.len() == 1 && optimizer.states.contains_key("weight"));
    }

    #[test]
    fn a_missing_gradient_is_named() {
        let mut gradients = gradients([0.0; 4], 0.0);
        gradients.remove("bias");
        let error = step(&mut adamw(0.01), 0.1, two(), gradients).unwrap_err();
        assert!(error.to_string().contains("`bias` received no gradient"), "{error}");
    }
}
