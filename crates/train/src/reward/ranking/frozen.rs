//! Which layers stay as they are (`fix_rate` of Xu et al. 2023).

use byteedit_models::blip::BlipConfig;

/// Whether the parameter `name` of an `ImageReward` belongs to the first `fraction` of its encoder's layers, or to what lies
/// before them.
pub(super) fn is_frozen(config: &BlipConfig, fraction: f64, name: &str) -> bool {
    let encoders = [
        ("blip.vision_model.", "encoder.layers.", config.vision_config.num_hidden_layers),
        ("blip.text_encoder.", "encoder.layer.", config.text_config.num_hidden_layers),
    ];
    let place =
        encoders.into_iter().find_map(|(encoder, layers, n)| Some((name.strip_prefix(encoder)?, layers, n)));
    let Some((rest, layers, n_layers)) = place else { return false };
    let n_frozen = (fraction * n_layers as f64) as usize;
    let number = rest.strip_prefix(layers).and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
    number.map_or(n_frozen > 0 && rest.starts_with("embeddings."), |number| number < n_frozen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reward::ranking::RankingRunConfig;

    #[test]
    fn the_first_layers_of_both_encoders_are_frozen() {
        let config = RankingRunConfig::alignment().network.blip_config;
        let frozen = |fraction, name| is_frozen(&config, fraction, name);
        // Four layers and two.
        for (name, at_0, at_half, at_1) in [
            ("blip.vision_model.encoder.layers.1.mlp.fc1.weight", false, true, true),
            ("blip.vision_model.encoder.layers.2.mlp.fc1.weight", false, false, true),
            ("blip.text_encoder.encoder.layer.0.output.dense.bias", false, true, true),
            ("blip.text_encoder.encoder.layer.1.output.dense.bias", false, false, true),
            ("blip.vision_model.embeddings.class_embedding", false, true, true),
            ("blip.vision_model.post_layernorm.weight", false, false, false),
            ("mlp.layers.0.weight", false, false, false),
        ] {
            assert_eq!(
                [0.0, 0.5, 1.0].map(|fraction| frozen(fraction, name)),
                [at_0, at_half, at_1],
                "{name}"
            );
        }
        // Less than a layer is none, and then nothing before it is frozen either.
        assert!(!frozen(0.2, "blip.text_encoder.embeddings.word_embeddings.weight"));
    }
}
