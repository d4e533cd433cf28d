//! Single operations, forward alone and with their gradients.

use anyhow::bail;
use burn::tensor::{Device, Tensor};
use serde_json::Value;

use super::measure::{Bench, Case, Work};
use crate::args::{BenchSelectArgs, PassArg};

/// The backward pass has two products for each of the forward pass: with respect to both factors. What a kernel
/// computes again counts once.
const TRAINING_FACTOR: f64 = 3.0;

/// An operation on tensors of one shape.
pub(super) struct Operation {
    /// Without the pass.
    pub(super) name: String,
    /// Without the pass; an object.
    pub(super) shape: Value,
    /// Of the forward pass.
    pub(super) flop: f64,
    /// Numbers read and written by the forward pass, where memory and not arithmetic decides.
    pub(super) n_values: Option<usize>,
}

/// The pass that was asked for, or both.
pub(super) fn passes(pass: Option<PassArg>) -> &'static [PassArg] {
    match pass {
        None => &[PassArg::Forward, PassArg::Training],
        Some(PassArg::Forward) => &[PassArg::Forward],
        Some(PassArg::Training) => &[PassArg::Training],
    }
}

/// Which operations are measured, and how far.
pub(super) struct Selection {
    passes: &'static [PassArg],
    only: Option<String>,
}

impl Selection {
    pub(super) fn of(args: BenchSelectArgs) -> Self {
        let BenchSelectArgs { pass, only } = args;
        Self { passes: passes(pass), only }
    }

    /// # Errors
    /// If `bench` measured nothing: no case has the name that was asked for.
    pub(super) fn check_used(&self, bench: &Bench<'_>) -> anyhow::Result<()> {
        match &self.only {
            Some(only) if bench.measured.is_empty() => {
                bail!("no case's name contains `{only}`; leave --only out to see all names")
            }
            _ => Ok(()),
        }
    }

    /// Measures `forward` on inputs that `draw` makes, unless its name was not asked for.
    ///
    /// The gradients are those of the inner product of the output with fixed random numbers.
    ///
    /// # Errors
    /// As [`Bench::case`].
    pub(super) fn measure<I: Inputs, const D: usize>(
        &self,
        bench: &mut Bench<'_>,
        operation: &Operation,
        draw: impl Fn() -> I,
        forward: impl Fn(I) -> Tensor<D>,
    ) -> anyhow::Result<()> {
        let device = Device::flex();
        for &pass in self.passes {
            let case = operation.case(pass);
            if self.only.as_ref().is_some_and(|only| !case.name.contains(only)) {
                continue;
            }
            let inputs = draw();
            if pass == PassArg::Forward {
                bench.case(case, (), |()| {
                    drop(forward(inputs.clone()));
                    Ok(device.sync()?)
                })?;
            } else {
                let inputs = inputs.tracked();
                let direction =
                    super::weights::random(forward(inputs.clone()).dims(), 1.0, u64::MAX, &device);
                let direction = Tensor::<D>::from_inner(direction);
                bench.case(case, (), |()| {
                    let loss = (forward(inputs.clone()) * direction.clone()).sum();
                    drop(loss.backward());
                    Ok(device.sync()?)
                })?;
            }
        }
        Ok(())
    }
}

impl Operation {
    fn case(&self, pass: PassArg) -> Case {
        let (word, factor) = match pass {
            PassArg::Forward => ("forward", 1.0),
            PassArg::Training => ("training", TRAINING_FACTOR),
        };
        let mut shape = self.shape.clone();
        shape["pass"] = Value::from(word);
        // Backward moves at least as much again: the output's gradient in, the inputs' gradients out.
        let bytes_per_value = if pass == PassArg::Forward { 4.0 } else { 8.0 };
        let bytes = self.n_values.map(|n| bytes_per_value * n as f64);
        let work = Work { flop: factor * self.flop, bytes };
        Case { name: format!("{}, {word}", self.name), shape, work, weights_bytes: None }
    }
}

/// The tensors that an operation takes.
pub(super) trait Inputs: Clone {
    /// The same as leaves of a gradient tape.
    fn tracked(self) -> Self;
}

impl<const A: usize> Inputs for Tensor<A> {
    fn tracked(self) -> Self {
        Self::from_inner(self).require_grad()
    }
}

impl<A: Inputs, B: Inputs, C: Inputs> Inputs for (A, B, C) {
    fn tracked(self) -> Self {
        (self.0.tracked(), self.1.tracked(), self.2.tracked())
    }
}
