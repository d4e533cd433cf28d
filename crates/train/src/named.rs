//! A module's parameters as flat vectors under their names: the form in which the optimiser, the
//! moving average and the checkpoint see a model.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use byteedit_nn::parameters::{ParameterMapper, ParameterVisitor, map_parameters, visit_parameters};

/// Flattened values by parameter name, without a gradient tape. Iteration is in name order, which
/// fixes the order of every sum over parameters.
pub type NamedTensors = BTreeMap<String, Tensor<1>>;

/// All parameters of `module`, flattened to `[n_elements]`, detached from any tape.
pub fn parameters_of<M: Module>(module: &M) -> NamedTensors {
    let mut collector = Collector(NamedTensors::new());
    visit_parameters(module, &mut collector);
    collector.0
}

/// `module` with its parameters replaced by those of the same name, on a tape where they were on one.
///
/// # Panics
/// If a name is missing or the number of elements differs; callers check both at their door.
#[must_use]
pub fn with_parameters<M: Module>(module: M, values: &NamedTensors) -> M {
    map_parameters(module, &mut Replacer { values, others_stay: false })
}

/// The same of those parameters that `values` has; the others stay as they are.
///
/// # Panics
/// If the number of elements differs.
#[must_use]
pub fn with_some_parameters<M: Module>(module: M, values: &NamedTensors) -> M {
    map_parameters(module, &mut Replacer { values, others_stay: true })
}

/// The first parameter of `module` for which `values` has nothing, or something of another size.
pub(crate) fn first_misfit<M: Module>(module: &M, values: &NamedTensors) -> Option<String> {
    let mut search = Search { values, misfit: None };
    visit_parameters(module, &mut search);
    search.misfit
}

/// Puts a plain value in the place of a parameter, tracked if the parameter is.
fn replaced<const D: usize>(param: Param<Tensor<D>>, value: Tensor<1>) -> Param<Tensor<D>> {
    let shape = param.lazy_shape();
    param.map(|old| {
        let value = value.reshape(shape);
        if old.is_require_grad() { value.autodiff().require_grad() } else { value }
    })
}

struct Collector(NamedTensors);

impl ParameterVisitor for Collector {
    fn visit<const D: usize>(&mut self, name: &str, param: &Param<Tensor<D>>) {
        let value = param.val().without_autodiff();
        let n_elements = value.shape().num_elements();
        self.0.insert(name.to_owned(), value.reshape([n_elements]));
    }
}

struct Search<'a> {
    values: &'a NamedTensors,
    misfit: Option<String>,
}

impl ParameterVisitor for Search<'_> {
    fn visit<const D: usize>(&mut self, name: &str, param: &Param<Tensor<D>>) {
        let n_elements = param.lazy_shape().num_elements();
        let fits = self.values.get(name).is_some_and(|value| value.dims() == [n_elements]);
        if !fits {
            self.misfit.get_or_insert_with(|| name.to_owned());
        }
    }
}

struct Replacer<'a> {
    values: &'a NamedTensors,
    /// Whether there may be parameters without a value.
    others_stay: bool,
}

impl ParameterMapper for Replacer<'_> {
    fn map<const D: usize>(&mut self, name: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.others_stay && !self.values.contains_key(name) {
            return param;
        }
        replaced(param, self.values[name].clone())
    }
}
