//! The layers of U-Net and text encoder that can have branches, by their names in diffusers and transformers.

use byteedit_nn::{Layers, Walk};

use crate::clip::CLIPEncoderLayer;
use crate::text::CLIPTextModel;
use crate::unet::{UNet2DConditionModel, UNetBlock, UNetMidBlock};

impl Layers for UNet2DConditionModel {
    fn walk(&mut self, walk: &mut Walk<'_>) {
        walk.enter("time_embedding", &mut self.time_embedding);
        walk.enter("down_blocks", &mut self.down_blocks);
        walk.enter("mid_block", &mut self.mid_block);
        walk.enter("up_blocks", &mut self.up_blocks);
    }
}

impl Layers for UNetBlock {
    fn walk(&mut self, walk: &mut Walk<'_>) {
        walk.enter("resnets", &mut self.resnets);
        walk.enter("attentions", &mut self.attentions);
    }
}

impl Layers for UNetMidBlock {
    fn walk(&mut self, walk: &mut Walk<'_>) {
        walk.enter("resnets", &mut self.resnets);
        walk.enter("attentions", &mut self.attentions);
    }
}

impl Layers for CLIPTextModel {
    fn walk(&mut self, walk: &mut Walk<'_>) {
        walk.enter("text_model.encoder.layers", &mut self.text_model.encoder.layers);
    }
}

impl Layers for CLIPEncoderLayer {
    fn walk(&mut self, walk: &mut Walk<'_>) {
        let attention = &mut self.self_attn;
        walk.enter("self_attn.q_proj", &mut attention.q_proj);
        walk.enter("self_attn.k_proj", &mut attention.k_proj);
        walk.enter("self_attn.v_proj", &mut attention.v_proj);
        walk.enter("self_attn.out_proj", &mut attention.out_proj);
        walk.enter("mlp.fc1", &mut self.mlp.fc1);
        walk.enter("mlp.fc2", &mut self.mlp.fc2);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use burn::module::Param;
    use burn::tensor::{Device, Tensor};
    use byteedit_nn::parameters::{ParameterVisitor, visit_parameters};
    use byteedit_nn::{Init, visit_layers};

    use super::*;
    use crate::Component;
    use crate::component::checkpoint_key;
    use crate::presets::sd15_inpaint;

    /// Keys of the weights that are a matrix or a 1x1 kernel.
    struct Keys(fn(&str) -> String, BTreeSet<String>);

    impl ParameterVisitor for Keys {
        fn visit<const D: usize>(&mut self, name: &str, param: &Param<Tensor<D>>) {
            if matches!(param.lazy_shape().as_slice(), [_, _] | [_, _, 1, 1]) {
                self.1.insert((self.0)(name));
            }
        }
    }

    fn check<C: Component + Layers>(config: &C::Config, others: &[&str]) {
        let mut network = C::from_config(config, &mut Init::blank(&Device::flex()));
        let mut keys = Keys(checkpoint_key::<C>, BTreeSet::new());
        visit_parameters(&network, &mut keys);
        keys.1.retain(|key| !others.contains(&key.as_str()));
        let mut names = BTreeSet::new();
        visit_layers(&mut network, &mut |name, _| {
            assert!(names.insert(format!("{name}.weight")), "{name} twice");
        });
        assert_eq!(names, keys.1);
    }

    /// In Stable Diffusion 1.5 every matrix and every 1x1 kernel is a layer of the walk, under its key in a checkpoint.
    #[test]
    fn no_layer_is_left_out_and_names_are_those_of_checkpoints() {
        let preset = sd15_inpaint();
        check::<UNet2DConditionModel>(&preset.unet, &[]);
        let embeddings = ["token_embedding", "position_embedding"];
        let embeddings = embeddings.map(|name| format!("text_model.embeddings.{name}.weight"));
        check::<CLIPTextModel>(&preset.text_encoder, &[&embeddings[0], &embeddings[1]]);
    }
}
