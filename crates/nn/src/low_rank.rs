//! Low-rank branches (Hu et al. 2021, arXiv 2106.09685): what a layer learns beside a weight that stays as it is.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::Init;
use crate::kernels::{conv2d, linear};

/// Name of the field that holds a branch: in the names of its parameters and of no other.
const FIELD: &str = "low_rank";

/// `(α / rank) B A`, to be added to what a linear map or a 1x1 convolution with the weight `W` answers:
/// `y = W x + (α / rank) B A x` (Hu et al. 2021, Eq. 3). The product `B A` is never formed while it learns.
#[derive(Module, Debug)]
pub struct LowRank {
    /// `A`, `[rank, d_input]`
    pub a: Param<Tensor<2>>,
    /// `B`, `[d_output, rank]`
    pub b: Param<Tensor<2>>,
    /// `α`, any number but 0.
    pub alpha: f64,
}

impl LowRank {
    /// A branch that adds nothing yet: `B` is zero, and `A` drawn as PEFT does it (Kaiming's uniform distribution with
    /// `a = √5`, which is `PyTorch`'s for a linear map).
    pub fn new(init: &mut Init, [d_input, d_output]: [usize; 2], rank: usize, alpha: f64) -> Self {
        let bound = 1.0 / (d_input as f64).sqrt();
        Self { a: init.uniform([rank, d_input], bound), b: init.constant([d_output, rank], 0.0), alpha }
    }

    /// A branch of given matrices.
    ///
    /// # Shapes
    /// - `a`: `[rank, d_input]`
    /// - `b`: `[d_output, rank]`
    pub fn from_matrices(a: Tensor<2>, b: Tensor<2>, alpha: f64) -> Self {
        Self { a: Param::from_tensor(a), b: Param::from_tensor(b), alpha }
    }

    /// Rows of `A`.
    pub fn rank(&self) -> usize {
        let [rank, _] = self.a.lazy_shape().dims();
        rank
    }

    /// `α / rank`
    fn scale(&self) -> f64 {
        self.alpha / self.rank() as f64
    }

    /// # Shapes
    /// - `x`: `[..., d_input]`
    /// - returns `[..., d_output]`
    pub(crate) fn of_tokens<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        // Scaled where there are the fewest numbers.
        let inner = linear(x, self.a.val(), None) * self.scale(); // [..., rank]
        linear(inner, self.b.val(), None)
    }

    /// # Shapes
    /// - `x`: `[batch, channels_in, height, width]`
    /// - returns `[batch, channels_out, height, width]`
    pub(crate) fn of_pixels(&self, x: Tensor<4>) -> Tensor<4> {
        let inner = pointwise(x, self.a.val()) * self.scale(); // [batch, rank, height, width]
        pointwise(inner, self.b.val())
    }

    /// `strength (α / rank) B A`, without a gradient tape.
    ///
    /// # Shapes
    /// - returns `[d_output, d_input]`
    pub(crate) fn product(&self, strength: f64) -> Tensor<2> {
        let [a, b] = [&self.a, &self.b].map(|matrix| matrix.val().without_autodiff());
        b.matmul(a) * (strength * self.scale())
    }
}

/// A 1x1 convolution by a matrix, `[channels_out, channels_in]`.
fn pointwise(x: Tensor<4>, matrix: Tensor<2>) -> Tensor<4> {
    let [channels_out, channels_in] = matrix.dims();
    let device = x.device().inner();
    let no_bias = Tensor::zeros([channels_out], (&device, x.dtype()));
    conv2d(x, matrix.reshape([channels_out, channels_in, 1, 1]), no_bias, 1, 0)
}

/// Whether a parameter, by its name, belongs to a branch.
pub fn is_of_branch(name: &str) -> bool {
    name.split('.').any(|field| field == FIELD)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use byteedit_testing::{assert_close, tol};

    use super::*;
    use crate::parameters::{ParameterMapper, ParameterVisitor, map_parameters, visit_parameters};
    use crate::{Conv2d, Layer, Linear};

    const WIDTHS: [usize; 2] = [6, 10];

    /// Values that depend on the place alone.
    fn filled<const D: usize>(shape: [usize; D], step: f64) -> Tensor<D> {
        let values: Vec<f32> = (0..shape.iter().product()).map(|i| (step * i as f64).sin() as f32).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::default())
    }

    /// A branch whose `B` has learned something.
    fn branch() -> LowRank {
        LowRank::from_matrices(filled([3, WIDTHS[0]], 0.7), filled([WIDTHS[1], 3], 1.3), 1.5)
    }

    fn linear_map() -> Linear {
        Linear::new(&mut Init::seeded(&Device::default(), 1), WIDTHS)
    }

    fn convolution() -> Conv2d {
        Conv2d::pointwise(&mut Init::seeded(&Device::default(), 2), WIDTHS)
    }

    #[derive(Default)]
    struct Names(Vec<(String, bool)>);

    impl ParameterVisitor for Names {
        fn visit<const D: usize>(&mut self, name: &str, param: &Param<Tensor<D>>) {
            self.0.push((name.to_owned(), param.val().is_require_grad()));
        }
    }

    fn names(module: &impl Module) -> Vec<(String, bool)> {
        let mut names = Names::default();
        visit_parameters(module, &mut names);
        names.0
    }

    /// The sum as written, with the matrix that the branch stands for.
    #[test]
    fn a_branch_adds_its_product() {
        let (x, base) = (filled([2, 5, WIDTHS[0]], 0.3), linear_map());
        let mut adapted = base.clone();
        Layer::Linear(&mut adapted).attach(branch());
        let matrix = branch().b.val().matmul(branch().a.val()) * 0.5;
        let expected = base.forward(x.clone()) + linear(x.clone(), matrix, None);
        assert_close(&adapted.forward(x), &expected, tol::f32_op());
    }

    #[test]
    fn a_merged_layer_answers_as_with_its_branch() {
        let x = filled([2, 5, WIDTHS[0]], 0.3);
        let mut adapted = linear_map();
        Layer::Linear(&mut adapted).attach(branch());
        let expected = adapted.forward(x.clone());
        Layer::Linear(&mut adapted).merge();
        assert!(adapted.low_rank.is_none());
        assert_close(&adapted.forward(x), &expected, tol::f32_op());

        let x = filled([2, WIDTHS[0], 4, 3], 0.3);
        let mut adapted = convolution();
        let unadapted = adapted.forward(x.clone());
        Layer::Pointwise(&mut adapted).attach(branch());
        let expected = adapted.forward(x.clone());
        assert!((expected.clone() - unadapted).abs().max().into_scalar::<f32>() > 0.1);
        Layer::Pointwise(&mut adapted).merge();
        assert_close(&adapted.forward(x), &expected, tol::f32_op());
    }

    #[test]
    fn half_a_strength_is_half_the_change() {
        let x = filled([3, WIDTHS[0]], 0.3);
        let (mut half, mut whole) = (linear_map(), linear_map());
        Layer::Linear(&mut half).fold(&branch(), 0.5);
        Layer::Linear(&mut whole).fold(&branch(), 1.0);
        let expected = (linear_map().forward(x.clone()) + whole.forward(x.clone())) * 0.5;
        assert_close(&half.forward(x), &expected, tol::f32_op());
    }

    #[test]
    fn a_new_branch_changes_nothing() {
        let (x, mut init) = (filled([2, 5, WIDTHS[0]], 0.3), Init::seeded(&Device::default(), 3));
        let mut adapted = linear_map();
        Layer::Linear(&mut adapted).attach(LowRank::new(&mut init, WIDTHS, 4, 8.0));
        assert_close(&adapted.forward(x.clone()), &linear_map().forward(x), tol::exact());
        let a = adapted.low_rank.unwrap().a.val();
        let (largest, bound) = (a.abs().max().into_scalar::<f32>(), 1.0 / (WIDTHS[0] as f32).sqrt());
        assert!(largest <= bound && largest > 0.5 * bound, "{largest}, {bound}");
    }

    /// `∂L/∂A = s Bᵀ g xᵀ` and `∂L/∂B = s g (A x)ᵀ`, here for a loss whose `g` is 1 everywhere.
    #[test]
    fn only_the_branch_has_gradients_and_they_are_those_of_the_product() {
        let mut adapted = linear_map();
        Layer::Linear(&mut adapted).attach(branch());
        let adapted = adapted.train();
        let x = filled([4, WIDTHS[0]], 0.3);
        let grads = adapted.forward(x.clone()).sum().backward();
        let learned = adapted.low_rank.as_ref().unwrap();
        assert!(adapted.weight.val().grad(&grads).is_none());
        assert!(adapted.bias.as_ref().unwrap().val().grad(&grads).is_none());
        let ones = Tensor::<2>::ones([4, WIDTHS[1]], &Device::default());
        let (a, b) = (branch().a.val(), branch().b.val());
        let of_a = b.transpose().matmul(ones.clone().transpose()).matmul(x.clone()) * 0.5;
        let of_b = ones.transpose().matmul(x.matmul(a.transpose())) * 0.5;
        assert_close(&learned.a.val().grad(&grads).unwrap(), &of_a, tol::f32_op());
        assert_close(&learned.b.val().grad(&grads).unwrap(), &of_b, tol::f32_op());

        let mut adapted = convolution();
        Layer::Pointwise(&mut adapted).attach(branch());
        let adapted = adapted.train();
        let grads = adapted.forward(filled([2, WIDTHS[0], 4, 3], 0.3)).sum().backward();
        let learned = adapted.low_rank.as_ref().unwrap();
        assert!(adapted.weight.val().grad(&grads).is_none() && adapted.bias.val().grad(&grads).is_none());
        assert!(learned.a.val().grad(&grads).is_some() && learned.b.val().grad(&grads).is_some());
    }

    #[test]
    fn without_a_branch_there_are_no_other_parameters_than_ever() {
        let learning =
            |names: &[&str]| -> Vec<_> { names.iter().map(|&name| (name.to_owned(), true)).collect() };
        assert_eq!(names(&linear_map().train()), learning(&["weight", "bias"]));
        assert_eq!(names(&convolution().train()), learning(&["weight", "bias"]));
        assert_eq!(linear_map().num_params(), 6 * 10 + 10);
    }

    #[test]
    fn a_branch_s_parameters_have_names_of_their_own_and_alone_learn() {
        let mut adapted = linear_map();
        Layer::Linear(&mut adapted).attach(branch());
        let expected = [("weight", false), ("bias", false), ("low_rank.a", true), ("low_rank.b", true)];
        let named = |pairs: [(&str, bool); 4]| pairs.map(|(name, learns)| (name.to_owned(), learns));
        // There and back: who learns is not forgotten without a tape.
        assert_eq!(names(&adapted.clone().train()), named(expected));
        assert_eq!(names(&adapted.train().valid().train()), named(expected));
        assert!(named(expected).iter().all(|(name, learns)| is_of_branch(name) == *learns));
        assert!(!is_of_branch("low_ranks.weight") && is_of_branch("blocks.0.to_q.low_rank.a"));
    }

    #[test]
    fn a_merged_layer_learns_again() {
        let mut adapted = linear_map();
        Layer::Linear(&mut adapted).attach(branch());
        Layer::Linear(&mut adapted).merge();
        assert!(names(&adapted.train()).iter().all(|(_, learns)| *learns));
    }

    /// As the optimiser, the average and the checkpoint do it.
    #[test]
    fn a_state_survives_being_mapped() {
        struct Doubled;
        impl ParameterMapper for Doubled {
            fn map<const D: usize>(&mut self, _: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|value| value * 2.0)
            }
        }
        let mut adapted = linear_map();
        Layer::Linear(&mut adapted).attach(branch());
        let mapped = map_parameters(adapted, &mut Doubled);
        let of = mapped.low_rank.expect("a branch stays");
        assert!((of.alpha - 1.5).abs() < f64::EPSILON && of.rank() == 3);
        assert_close(&of.a.val(), &(branch().a.val() * 2.0), tol::exact());
        assert_close(&mapped.weight.val(), &(linear_map().weight.val() * 2.0), tol::exact());
    }
}
