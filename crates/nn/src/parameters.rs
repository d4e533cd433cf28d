//! A module's parameters by name. A name is the path of field names, list indices and variants (in
//! lower case) from the root, joined by dots: for the layers of this crate, exactly the key that
//! checkpoints use.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// Calls `visit` with the name and the value of every parameter, in the order of the fields.
pub fn visit_parameters<M: Module>(module: &M, visitor: &mut impl ParameterVisitor) {
    module.visit(&mut Named { path: Vec::new(), inner: visitor });
}

/// Replaces every parameter by what `mapper` returns, in the order of the fields.
#[must_use]
pub fn map_parameters<M: Module>(module: M, mapper: &mut impl ParameterMapper) -> M {
    module.map(&mut Named { path: Vec::new(), inner: mapper })
}

/// Reads named parameters of any rank.
pub trait ParameterVisitor {
    /// `param` may not have been initialised yet: `val` would do it.
    fn visit<const D: usize>(&mut self, name: &str, param: &Param<Tensor<D>>);
}

/// Replaces named parameters of any rank.
pub trait ParameterMapper {
    /// Returns the parameter to put in the place of `param`.
    fn map<const D: usize>(&mut self, name: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>>;
}

struct Named<'a, T> {
    path: Vec<String>,
    inner: &'a mut T,
}

impl<T: ParameterVisitor> ModuleVisitor for Named<'_, T> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_ascii_lowercase());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.inner.visit(&self.path.join("."), param);
    }
}

impl<T: ParameterMapper> ModuleMapper for Named<'_, T> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_ascii_lowercase());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.inner.map(&self.path.join("."), param)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{Init, Transformer2DModel, TransformerWidths};

    struct Names(Vec<String>);

    impl ParameterVisitor for Names {
        fn visit<const D: usize>(&mut self, name: &str, _: &Param<Tensor<D>>) {
            self.0.push(name.to_owned());
        }
    }

    /// Checkpoints of runs hold these names.
    #[test]
    fn fields_indices_and_variants_make_a_name() {
        for (linear_projection, variant) in [(false, "conv"), (true, "linear")] {
            let widths = TransformerWidths {
                channels: 4,
                n_heads: 2,
                d_context: 3,
                n_layers: 1,
                norm_groups: 2,
                linear_projection,
            };
            let transformer = Transformer2DModel::new(&mut Init::blank(&Device::flex()), &widths);
            let mut names = Names(Vec::new());
            visit_parameters(&transformer, &mut names);
            for name in ["norm.weight", "transformer_blocks.0.attn1.to_out.0.bias"] {
                assert!(names.0.contains(&name.to_owned()), "{name} is not in {:?}", names.0);
            }
            assert!(names.0.contains(&format!("proj_in.{variant}.weight")), "{:?}", names.0);
        }
    }
}
