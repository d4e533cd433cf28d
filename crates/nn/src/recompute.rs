//! Parts of a network of which the gradient tape keeps the inputs alone (Chen et al. 2016, arXiv 1604.06174): what lies
//! between is computed again when the backward pass gets there.
//!
//! A part is one operation on the tape. On the way forward it runs without a tape; on the way back once more, on a tape of
//! its own that begins with its inputs and its parameters, and what these have for gradients then is handed to the nodes
//! that they stand for on the outer tape. So nothing changes for whoever asks the outer tape for gradients: parts may
//! follow each other, fork, meet again, be used twice, and stand beside ordinary operations.
//!
//! Burn's own checkpointing computes cheap operations again and no others, and gives up where one of the operands is
//! frozen, which most of them are where branches learn or where a gradient passes through a decoder.

use std::fmt::Debug;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, NodeGuard, Ops};
use burn_autodiff::{Autodiff, NodeId};
use burn_flex::FlexTensor;

/// What the gradient tape keeps of the parts of a network until the way back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tape {
    /// Whatever their gradients are made of.
    #[default]
    Whole,
    /// Their inputs: memory is that of one part at a time, for the price of a second forward pass. On other devices than
    /// the processor, whole.
    Inputs,
}

impl Tape {
    /// What `forward` makes of `part` and `inputs`.
    ///
    /// It is a plain function, so that it knows nothing but what it is given: a tensor of the outer tape that it brought
    /// along would keep the way back waiting for itself.
    pub fn run<M, I, const D: usize>(self, part: &M, inputs: I, forward: fn(&M, I) -> Tensor<D>) -> Tensor<D>
    where
        M: Module + 'static,
        I: Inputs,
    {
        match self {
            Self::Whole => forward(part, inputs),
            Self::Inputs => recomputed(part, inputs, forward),
        }
    }
}

/// What a part is given: a tensor, numbers that are no tensor, or two or three of these.
pub trait Inputs: Clone + Debug + Send + 'static {
    /// How many tensors there are.
    const N_TENSORS: usize;

    /// The same with what `exchange` returns in the place of each tensor, in order.
    #[must_use]
    fn exchanged(self, exchange: &mut impl Exchange) -> Self;
}

/// Takes tensors of any rank and gives others back.
pub trait Exchange {
    /// The tensor to put in the place of `tensor`, of the same shape.
    fn exchange<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D>;
}

impl<const D: usize> Inputs for Tensor<D> {
    const N_TENSORS: usize = 1;

    fn exchanged(self, exchange: &mut impl Exchange) -> Self {
        exchange.exchange(self)
    }
}

/// A size.
impl<const N: usize> Inputs for [usize; N] {
    const N_TENSORS: usize = 0;

    fn exchanged(self, _: &mut impl Exchange) -> Self {
        self
    }
}

impl<A: Inputs, B: Inputs> Inputs for (A, B) {
    const N_TENSORS: usize = A::N_TENSORS + B::N_TENSORS;

    fn exchanged(self, exchange: &mut impl Exchange) -> Self {
        let (a, b) = self;
        (a.exchanged(exchange), b.exchanged(exchange))
    }
}

impl<A: Inputs, B: Inputs, C: Inputs> Inputs for (A, B, C) {
    const N_TENSORS: usize = A::N_TENSORS + B::N_TENSORS + C::N_TENSORS;

    fn exchanged(self, exchange: &mut impl Exchange) -> Self {
        let (a, b, c) = self;
        (a.exchanged(exchange), b.exchanged(exchange), c.exchanged(exchange))
    }
}

/// Nodes that a part comes behind on the outer tape: its tracked inputs, or some of its parameters, so that it is on the
/// tape at all. The way back goes on behind inputs alone; parameters are leaves, and have their gradients all the same.
const N_PARENTS: usize = 3;

/// A tensor on the processor's tape.
type Taped = FloatTensor<Autodiff<Flex>>;

fn taped<const D: usize>(tensor: Tensor<D>) -> Taped {
    tensor.try_into_primitive::<Autodiff<Flex>>().expect("it was put on the processor's tape; this is a bug")
}

fn zeros_like(tensor: Taped) -> FloatTensor<Flex> {
    let plain = tensor.into_primitive();
    FlexTensor::zeros(plain.shape(), plain.dtype())
}

/// `forward` as one operation on the tape that its inputs or its parameters are on, if they are on one.
fn recomputed<M, I, const D: usize>(part: &M, inputs: I, forward: fn(&M, I) -> Tensor<D>) -> Tensor<D>
where
    M: Module + 'static,
    I: Inputs,
{
    const { assert!(I::N_TENSORS <= N_PARENTS, "a part has too many inputs") };
    let mut off = OffTape::default();
    let plain_inputs = inputs.clone().exchanged(&mut off);
    let plain_part = part.clone().map(&mut off);
    let OffTape { nodes, parents, has_others } = off;
    let Some(last) = parents.last().filter(|_| !has_others) else {
        drop((plain_inputs, plain_part));
        return forward(part, inputs);
    };
    let guards: [NodeGuard; N_PARENTS] =
        std::array::from_fn(|place| parents.get(place).unwrap_or(last).node());
    let y = forward(&plain_part, plain_inputs.clone());
    let y = y.try_into_primitive::<Flex>().expect("nothing of it is on a tape; this is a bug");
    let segment = Segment { part: plain_part, inputs: plain_inputs, forward, nodes };
    let y = segment.prepare::<NoCheckpointing>(guards).compute_bound().stateless(y);
    Tensor::from_primitive::<Autodiff<Flex>>(y)
}

/// What is needed to run a part again, off any tape.
#[derive(Debug)]
struct Segment<M, I, const D: usize> {
    part: M,
    inputs: I,
    forward: fn(&M, I) -> Tensor<D>,
    /// Of the inputs, then of the parameters, in order: where the gradient of each goes, if it has one.
    nodes: Vec<Option<NodeId>>,
}

impl<M, I, const D: usize> Backward<Flex, N_PARENTS> for Segment<M, I, D>
where
    M: Module + 'static,
    I: Inputs,
{
    type State = ();

    /// The gradients of `<y, slope>`, where `slope` is that of the loss in the part's answer `y`. The outer tape waits
    /// meanwhile; the inner one shares no node with it.
    fn backward(self, ops: Ops<(), N_PARENTS>, grads: &mut Gradients, _kept: &mut Checkpointer) {
        let Self { part, inputs, forward, nodes } = self;
        let slope: Tensor<D> = Tensor::from_primitive::<Flex>(grads.consume::<Flex>(&ops.node));
        let mut on = OnTape { nodes: nodes.into_iter(), leaves: Vec::new() };
        let inputs = inputs.exchanged(&mut on);
        let n_inputs = on.leaves.len();
        let part = part.map(&mut on);
        let product = (forward(&part, inputs) * slope).sum();
        let mut inner = taped(product).backward();
        for (place, (node, leaf)) in on.leaves.into_iter().enumerate() {
            match leaf.grad_remove(&mut inner) {
                Some(gradient) => grads.register::<Flex>(node, gradient),
                // The way back comes by the node of an input all the same, and would look for its gradient.
                None if place < n_inputs => grads.register::<Flex>(node, zeros_like(leaf)),
                None => {}
            }
        }
    }
}

/// Takes tensors off the tape and remembers where they were on it.
#[derive(Default)]
struct OffTape {
    /// Of each tensor in order, `None` where it has no gradient.
    nodes: Vec<Option<NodeId>>,
    /// Those that have one.
    parents: Vec<Taped>,
    /// Whether there are some on a tape of another device, or one that computes operations again itself.
    has_others: bool,
}

impl Exchange for OffTape {
    fn exchange<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D> {
        let mut node = None;
        if tensor.is_tracked() {
            match tensor.clone().try_into_primitive::<Autodiff<Flex>>() {
                Ok(parent) => {
                    node = Some(parent.id());
                    self.parents.push(parent);
                }
                Err(_) => self.has_others = true,
            }
        }
        self.nodes.push(node);
        tensor.without_autodiff()
    }
}

impl ModuleMapper for OffTape {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| self.exchange(value))
    }
}

/// Puts tensors on a fresh tape, each that had a gradient as a leaf.
struct OnTape {
    nodes: std::vec::IntoIter<Option<NodeId>>,
    /// The leaves, each with the node that it stands for.
    leaves: Vec<(NodeId, Taped)>,
}

impl Exchange for OnTape {
    fn exchange<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D> {
        let Some(node) = self.nodes.next().flatten() else { return tensor };
        let leaf = tensor.autodiff().require_grad();
        self.leaves.push((node, taped(leaf.clone())));
        leaf
    }
}

impl ModuleMapper for OnTape {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| self.exchange(value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::tensor::{Device, TensorData};
    use byteedit_testing::{Tol, assert_close, tol};

    use super::*;
    use crate::parameters::{ParameterVisitor, visit_parameters};
    use crate::{Init, Linear};

    const N: usize = 5;
    const WIDTH: usize = 6;

    /// Where ways meet, the same few numbers are added up in another order.
    const ORDER: Tol = Tol { relative_l2: 1e-6, relative_max: 1e-6 };

    /// Three parts, the last of which is also shown what the second one was.
    #[derive(Module, Debug)]
    struct Chain {
        first: Linear,
        second: Linear,
        third: Linear,
    }

    fn bent(part: &Linear, x: Tensor<2>) -> Tensor<2> {
        part.forward(x).tanh()
    }

    fn joined(part: &Linear, (deep, skip): (Tensor<2>, Tensor<2>)) -> Tensor<2> {
        part.forward(deep * skip.clone()) + skip
    }

    fn deaf(part: &Linear, (x, _): (Tensor<2>, Tensor<2>)) -> Tensor<2> {
        part.forward(x)
    }

    /// A part that is given what it does not use, and what was made by an operation.
    fn unheard(tape: Tape, chain: &Chain, x: Tensor<2>) -> Tensor<2> {
        tape.run(&chain.first, (x.clone(), x * 2.0), deaf)
    }

    /// The first part twice.
    fn repeated(tape: Tape, chain: &Chain, x: Tensor<2>) -> Tensor<2> {
        let x = tape.run(&chain.first, x, bent);
        tape.run(&chain.first, x, bent)
    }

    /// The whole chain as one part that has parts.
    fn nested(tape: Tape, chain: &Chain, x: Tensor<2>) -> Tensor<2> {
        match tape {
            Tape::Whole => chain.forward(tape, x),
            Tape::Inputs => tape.run(chain, x, |chain, x| chain.forward(Tape::Inputs, x)),
        }
    }

    impl Chain {
        fn new() -> Self {
            let mut init = Init::seeded(&Device::default(), 3);
            let [first, second, third] = [(); 3].map(|()| Linear::new(&mut init, [WIDTH; 2]));
            Self { first, second, third }
        }

        fn forward(&self, tape: Tape, x: Tensor<2>) -> Tensor<2> {
            let x = tape.run(&self.first, x, bent);
            let deep = tape.run(&self.second, x.clone(), bent);
            tape.run(&self.third, (deep, x), joined)
        }
    }

    /// Values that depend on the place alone.
    fn filled(shape: [usize; 2], step: f64) -> Tensor<2> {
        let values: Vec<f32> = (0..shape.iter().product()).map(|i| (step * i as f64).sin() as f32).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::default())
    }

    fn input() -> Tensor<2> {
        filled([N, WIDTH], 0.7)
    }

    struct Taken {
        gradients: burn::tensor::Gradients,
        found: BTreeMap<String, Tensor<1>>,
    }

    impl ParameterVisitor for Taken {
        fn visit<const D: usize>(&mut self, name: &str, param: &Param<Tensor<D>>) {
            if let Some(gradient) = param.val().grad_remove(&mut self.gradients) {
                let n_elements = gradient.shape().num_elements();
                self.found.insert(name.to_owned(), gradient.reshape([n_elements]));
            }
        }
    }

    /// The gradients of the parameters of `chain` by name, and of `x`, in one direction of the answer.
    fn slopes(
        chain: &Chain,
        x: &Tensor<2>,
        forward: impl Fn(&Chain, Tensor<2>) -> Tensor<2>,
    ) -> BTreeMap<String, Tensor<1>> {
        let gradients = (forward(chain, x.clone()) * filled([N, WIDTH], 1.9)).sum().backward();
        let of_x = x.grad(&gradients).map(|gradient| ("x".to_owned(), gradient.reshape([N * WIDTH])));
        let mut taken = Taken { gradients, found: of_x.into_iter().collect() };
        visit_parameters(chain, &mut taken);
        taken.found
    }

    /// Holds `forward` on inputs alone to `forward` on the whole tape; says how many gradients there are.
    #[track_caller]
    fn assert_same(chain: &Chain, x: &Tensor<2>, forward: fn(Tape, &Chain, Tensor<2>) -> Tensor<2>) -> usize {
        let answer = |tape| forward(tape, chain, x.clone()).inner();
        assert_close(&answer(Tape::Inputs), &answer(Tape::Whole), tol::exact());
        let [found, expected] =
            [Tape::Inputs, Tape::Whole].map(|tape| slopes(chain, x, |chain, x| forward(tape, chain, x)));
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, expected) in &expected {
            assert_close(&found[name], expected, ORDER);
        }
        found.len()
    }

    /// Weights and biases of three parts; of the first alone where the input has no gradient.
    #[test]
    fn what_is_computed_again_has_the_gradients_of_what_was_kept() {
        let (plain, chain) = (Chain::new(), Chain::new().train());
        let tracked = input().autodiff().require_grad();
        assert_eq!(assert_same(&chain, &tracked, |tape, chain, x| chain.forward(tape, x)), 7);
        assert_eq!(assert_same(&chain, &input(), |tape, chain, x| chain.forward(tape, x)), 6);
        assert_eq!(assert_same(&plain, &tracked, |tape, chain, x| chain.forward(tape, x)), 1);
    }

    #[test]
    fn what_is_frozen_has_no_gradient_and_lets_others_pass() {
        let mut chain = Chain::new();
        chain.second = chain.second.set_require_grad(false);
        chain.third.bias = chain.third.bias.map(|bias| bias.set_require_grad(false));
        let chain = chain.train();
        assert_eq!(assert_same(&chain, &input(), |tape, chain, x| chain.forward(tape, x)), 3);
        let names = slopes(&chain, &input(), |chain, x| chain.forward(Tape::Inputs, x));
        assert_eq!(names.into_keys().collect::<Vec<_>>(), ["first.bias", "first.weight", "third.weight"]);
    }

    #[test]
    fn a_part_that_is_used_twice_has_the_sum_of_both_gradients() {
        assert_eq!(assert_same(&Chain::new().train(), &input(), repeated), 2);
    }

    #[test]
    fn an_input_that_is_not_used_stops_nothing() {
        let tracked = input().autodiff().require_grad();
        assert_eq!(assert_same(&Chain::new().train(), &tracked, unheard), 3);
    }

    #[test]
    fn parts_may_have_parts() {
        let tracked = input().autodiff().require_grad();
        assert_eq!(assert_same(&Chain::new().train(), &tracked, nested), 7);
    }

    #[test]
    fn one_way_back_leaves_nothing_for_the_next() {
        let chain = Chain::new().train();
        let once = slopes(&chain, &input(), |chain, x| chain.forward(Tape::Inputs, x));
        let again = slopes(&chain, &input(), |chain, x| chain.forward(Tape::Inputs, x));
        for (name, gradient) in &once {
            assert_close(&again[name], gradient, tol::exact());
        }
    }

    #[test]
    fn without_a_tape_there_is_none_afterwards() {
        let y = Chain::new().forward(Tape::Inputs, input());
        assert!(!y.is_autodiff());
        assert_close(&y, &Chain::new().forward(Tape::Whole, input()), tol::exact());
    }
}
