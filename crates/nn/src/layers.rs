//! The layers of a module that can have a low-rank branch, each by the name that it has in diffusers.

use burn::module::Param;
use burn::tensor::{Device, Tensor};

use crate::low_rank::LowRank;
use crate::transformer::Projection;
use crate::{
    Attention, BasicTransformerBlock, Conv2d, FeedForward, Linear, ResnetBlock2D, TimestepEmbedding,
    Transformer2DModel,
};

/// A layer that can have a low-rank branch.
#[derive(Debug)]
pub enum Layer<'a> {
    /// A linear map.
    Linear(&'a mut Linear),
    /// A 1x1 convolution.
    Pointwise(&'a mut Conv2d),
}

impl Layer<'_> {
    /// `[d_input, d_output]`
    pub fn widths(&self) -> [usize; 2] {
        let [d_output, d_input] = match self {
            Self::Linear(linear) => linear.weight.lazy_shape().dims(),
            Self::Pointwise(conv) => {
                let [d_output, d_input, _, _] = conv.weight.lazy_shape().dims();
                [d_output, d_input]
            }
        };
        [d_input, d_output]
    }

    /// Where its weight is.
    pub fn device(&self) -> Device {
        match self {
            Self::Linear(linear) => linear.weight.lazy_device(),
            Self::Pointwise(conv) => conv.weight.lazy_device(),
        }
    }

    /// Its branch, if it has one.
    pub fn branch(&self) -> Option<&LowRank> {
        match self {
            Self::Linear(linear) => linear.low_rank.as_ref(),
            Self::Pointwise(conv) => conv.low_rank.as_ref(),
        }
    }

    /// Puts a branch beside the layer, in the place of one that it has. Its weight and its bias no longer learn.
    pub fn attach(&mut self, branch: LowRank) {
        self.set_learning(false);
        *self.place() = Some(branch);
    }

    /// Adds `strength` times what a branch stands for to the weight, which leaves a gradient tape if it was on one.
    pub fn fold(&mut self, branch: &LowRank, strength: f64) {
        let product = branch.product(strength); // [d_output, d_input]
        match self {
            Self::Linear(linear) => added(&mut linear.weight, product),
            Self::Pointwise(conv) => {
                let shape = conv.weight.lazy_shape().dims::<4>();
                added(&mut conv.weight, product.reshape(shape));
            }
        }
    }

    /// Folds the layer's own branch, if it has one, into its weight; weight and bias learn again.
    pub fn merge(&mut self) {
        if let Some(branch) = self.place().take() {
            self.fold(&branch, 1.0);
            self.set_learning(true);
        }
    }

    fn place(&mut self) -> &mut Option<LowRank> {
        match self {
            Self::Linear(linear) => &mut linear.low_rank,
            Self::Pointwise(conv) => &mut conv.low_rank,
        }
    }

    fn set_learning(&mut self, learns: bool) {
        match self {
            Self::Linear(linear) => {
                set_learning(&mut linear.weight, learns);
                linear.bias.iter_mut().for_each(|bias| set_learning(bias, learns));
            }
            Self::Pointwise(conv) => {
                set_learning(&mut conv.weight, learns);
                set_learning(&mut conv.bias, learns);
            }
        }
    }
}

fn added<const D: usize>(weight: &mut Param<Tensor<D>>, change: Tensor<D>) {
    *weight = weight.clone().map(|weight| weight.without_autodiff() + change);
}

fn set_learning<const D: usize>(parameter: &mut Param<Tensor<D>>, learns: bool) {
    *parameter = parameter.clone().set_require_grad(learns);
}

/// A module whose layers can have low-rank branches.
pub trait Layers {
    /// Shows every linear map and every 1x1 convolution to the walk, under the names that they have in diffusers.
    fn walk(&mut self, walk: &mut Walk<'_>);
}

/// Calls `visit` with the name and the layer itself, for every layer that can have a branch.
pub fn visit_layers(module: &mut dyn Layers, visit: &mut dyn FnMut(&str, Layer<'_>)) {
    module.walk(&mut Walk { path: String::new(), visit });
}

/// How far [`visit_layers`] is.
pub struct Walk<'a> {
    path: String,
    visit: &'a mut dyn FnMut(&str, Layer<'_>),
}

impl Walk<'_> {
    /// Goes on inside a part, whose name may have several fields.
    pub fn enter(&mut self, name: &str, part: &mut dyn Layers) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        part.walk(self);
        self.path.truncate(length);
    }
}

impl Layers for Linear {
    fn walk(&mut self, walk: &mut Walk<'_>) {
        (walk.visit)(&walk.path, Layer::Linear(self));
    }
}

impl Layers for Conv2d {
    /// A larger convolution has no branch.
    fn walk(&mut self, walk: &mut Walk<'_>) {
        let [_, _, kernel, _] = self.weight.lazy_shape().dims();
        if (kernel, self.stride, self.padding) == (1, 1, 0) {
            (walk.visit)(&walk.path, Layer::Pointwise(self));
        }
    }
}

impl<T: Layers> Layers for Vec<T> {
    fn walk(&mut self, walk: &mut Walk<'_>) {
        for (index, part) in self.iter_mut().enumerate() {
            walk.enter(&index.to_string(), part);
        }
    }
}

impl<T: Layers> Layers for Option<T> {
    fn walk(&mut self, walk: &mut Walk<'_>) {
        if let Some(part) = self {
            part.walk(walk);
        }
    }
}

impl Layers for Attention {
    fn walk(&mut self, walk: &mut Walk<'_>) {
        walk.enter("to_q", &mut self.to_q);
        walk.enter("to_k", &mut self.to_k);
        walk.enter("to_v", &mut self.to_v);
        walk.enter("to_out", &mut self.to_out);
    }
}

impl Layers for FeedForward {
    fn walk(&mut self, walk: &mut Walk<'_>) {
        walk.enter("net.0.proj", &mut self.proj);
        walk.enter("net.2", &mut self.out);
    }
}

impl Layers for BasicTransformerBlock {
    fn walk(&mut self, walk: &mut Walk<'_>) {
        walk.enter("attn1", &mut self.attn1);
        walk.enter("attn2", &mut self.attn2);
        walk.enter("ff", &mut self.ff);
    }
}

impl Layers for Projection {
    fn walk(&mut self, walk: &mut Walk<'_>) {
        match self {
            Self::Conv(conv) => conv.walk(walk),
            Self::Linear(linear) => linear.walk(walk),
        }
    }
}

impl Layers for Transformer2DModel {
    fn walk(&mut self, walk: &mut Walk<'_>) {
        walk.enter("proj_in", &mut self.proj_in);
        walk.enter("transformer_blocks", &mut self.transformer_blocks);
        walk.enter("proj_out", &mut self.proj_out);
    }
}

impl Layers for ResnetBlock2D {
    fn walk(&mut self, walk: &mut Walk<'_>) {
        walk.enter("time_emb_proj", &mut self.time_emb_proj);
        walk.enter("conv_shortcut", &mut self.conv_shortcut);
    }
}

impl Layers for TimestepEmbedding {
    fn walk(&mut self, walk: &mut Walk<'_>) {
        walk.enter("linear_1", &mut self.linear_1);
        walk.enter("linear_2", &mut self.linear_2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Init, NormSettings, TimeConditioning, TransformerWidths};

    fn names(module: &mut dyn Layers) -> Vec<String> {
        let mut names = Vec::new();
        visit_layers(module, &mut |name, _| names.push(name.to_owned()));
        names
    }

    #[test]
    fn a_transformer_s_layers_have_diffusers_names_whatever_projects() {
        let mut init = Init::blank(&Device::flex());
        for linear_projection in [false, true] {
            let widths = TransformerWidths {
                channels: 4,
                n_heads: 2,
                d_context: 3,
                n_layers: 1,
                norm_groups: 2,
                linear_projection,
            };
            let mut transformer = Transformer2DModel::new(&mut init, &widths);
            let names = names(&mut transformer);
            let attention = |name: &str| {
                ["to_q", "to_k", "to_v", "to_out.0"]
                    .map(|layer| format!("transformer_blocks.0.{name}.{layer}"))
            };
            let feed_forward =
                ["net.0.proj", "net.2"].map(|layer| format!("transformer_blocks.0.ff.{layer}"));
            let inside = [&attention("attn1")[..], &attention("attn2"), &feed_forward].concat();
            assert_eq!(names, [&["proj_in".to_owned()][..], &inside, &["proj_out".to_owned()]].concat());
        }
    }

    #[test]
    fn only_1x1_convolutions_are_shown() {
        let norm = NormSettings { n_groups: 2, epsilon: 1e-5 };
        let mut init = Init::blank(&Device::flex());
        let time = Some((8, TimeConditioning::Shift));
        let mut wider = ResnetBlock2D::new(&mut init, [4, 6], time, norm);
        assert_eq!(names(&mut wider), ["time_emb_proj", "conv_shortcut"]);
        let mut same = ResnetBlock2D::new(&mut init, [4, 4], None, norm);
        assert!(names(&mut same).is_empty());
    }

    #[test]
    fn widths_are_input_then_output() {
        let mut init = Init::blank(&Device::flex());
        assert_eq!(Layer::Linear(&mut Linear::new(&mut init, [3, 5])).widths(), [3, 5]);
        assert_eq!(Layer::Pointwise(&mut Conv2d::pointwise(&mut init, [3, 5])).widths(), [3, 5]);
    }
}
