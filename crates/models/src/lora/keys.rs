//! How LoRA files spell the names of layers.

/// A network that a LoRA can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Network {
    /// The U-Net.
    Unet,
    /// The text encoder.
    TextEncoder,
}

/// The spelling of a file's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As diffusers and PEFT have it: `unet.mid_block.attentions.0.proj_in.lora_A.weight`.
    Diffusers,
    /// As kohya's trainer has it, and A1111: `lora_unet_mid_block_attentions_0_proj_in.lora_down.weight`.
    Kohya,
}

/// What a tensor is to its branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    A,
    B,
    Alpha,
}

/// How the keys of kohya's files begin, and nobody else's.
const KOHYA: [&str; 3] = ["lora_unet_", "lora_te_", "lora_te1_"];
const KOHYA_ENDINGS: [(&str, Role); 3] =
    [(".lora_down.weight", Role::A), (".lora_up.weight", Role::B), (".alpha", Role::Alpha)];
/// The first two are today's. diffusers' own training scripts still write the next four, for attention.
const DIFFUSERS_ENDINGS: [(&str, Role); 9] = [
    (".lora_A.weight", Role::A),
    (".lora_B.weight", Role::B),
    (".lora.down.weight", Role::A),
    (".lora.up.weight", Role::B),
    (".lora_linear_layer.down.weight", Role::A),
    (".lora_linear_layer.up.weight", Role::B),
    ("_lora.down.weight", Role::A),
    ("_lora.up.weight", Role::B),
    (".alpha", Role::Alpha),
];

impl Form {
    /// The form of a file with these keys.
    pub(super) fn of(keys: &[String]) -> Self {
        let is_kohya = |key: &String| KOHYA.iter().any(|beginning| key.starts_with(beginning));
        if keys.iter().any(is_kohya) { Self::Kohya } else { Self::Diffusers }
    }

    /// A key as the name of its layer in this form and what it is to it; `None` for another kind of key.
    pub(super) fn split(self, key: &str) -> Option<(String, Role)> {
        let endings: &[(&str, Role)] = match self {
            Self::Diffusers => &DIFFUSERS_ENDINGS,
            Self::Kohya => &KOHYA_ENDINGS,
        };
        let (name, role) =
            endings.iter().find_map(|(ending, role)| Some((key.strip_suffix(ending)?, *role)))?;
        // In the oldest files attention has processors, and its last projection no number.
        let name = name.replace(".processor.", ".");
        let has_number = self == Self::Kohya || !name.ends_with(".to_out");
        Some((if has_number { name } else { name + ".0" }, role))
    }

    /// A key of a layer by its name in this form, as it is written.
    pub(super) fn key(self, name: &str, role: Role) -> String {
        let endings: &[(&str, Role)] = match self {
            Self::Diffusers => &DIFFUSERS_ENDINGS,
            Self::Kohya => &KOHYA_ENDINGS,
        };
        let ending = endings.iter().find(|(_, other)| *other == role).map_or("", |(ending, _)| ending);
        format!("{name}{ending}")
    }

    /// The names in this form that a layer may have, from its path in the network; the first is the one it is written
    /// under.
    pub(super) fn names(self, network: Network, path: &str) -> Vec<String> {
        let flat = || path.replace('.', "_");
        match (self, network) {
            (Self::Diffusers, Network::Unet) => vec![format!("unet.{path}")],
            (Self::Diffusers, Network::TextEncoder) => {
                // transformers 5 has dropped the outermost field.
                let without = path.strip_prefix("text_model.").unwrap_or(path);
                vec![format!("text_encoder.{path}"), format!("text_encoder.{without}")]
            }
            (Self::Kohya, Network::Unet) => vec![format!("lora_unet_{}", flat())],
            (Self::Kohya, Network::TextEncoder) => {
                vec![format!("lora_te_{}", flat()), format!("lora_te1_{}", flat())]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_diffusers_names_the_same_layer() {
        let path = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0";
        let old = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora";
        for (a, b) in [
            (format!("{path}.lora_A.weight"), format!("{path}.lora_B.weight")),
            (format!("{path}.lora.down.weight"), format!("{path}.lora.up.weight")),
            (format!("{old}.down.weight"), format!("{old}.up.weight")),
        ] {
            assert_eq!(Form::Diffusers.split(&a), Some((path.to_owned(), Role::A)), "{a}");
            assert_eq!(Form::Diffusers.split(&b), Some((path.to_owned(), Role::B)), "{b}");
        }
        let text = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj";
        let key = format!("{text}.lora_linear_layer.down.weight");
        assert_eq!(Form::Diffusers.split(&key), Some((text.to_owned(), Role::A)));
    }

    #[test]
    fn keys_that_are_written_are_read() {
        for form in [Form::Diffusers, Form::Kohya] {
            for (network, path) in [
                (Network::Unet, "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"),
                (Network::TextEncoder, "text_model.encoder.layers.0.self_attn.q_proj"),
            ] {
                let name = form.names(network, path).remove(0);
                for role in [Role::A, Role::B, Role::Alpha] {
                    let key = form.key(&name, role);
                    assert_eq!(form.split(&key), Some((name.clone(), role)));
                    assert_eq!(Form::of(&[key]), form);
                }
            }
        }
    }

    #[test]
    fn names_are_those_of_published_files() {
        let path = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q";
        let flat = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q";
        assert_eq!(Form::Kohya.names(Network::Unet, path), [flat]);
        assert_eq!(Form::Diffusers.names(Network::Unet, path), [format!("unet.{path}")]);
        let path = "text_model.encoder.layers.0.self_attn.q_proj";
        assert_eq!(
            Form::Kohya.names(Network::TextEncoder, path)[0],
            "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
        );
        assert_eq!(
            Form::Diffusers.names(Network::TextEncoder, path),
            [format!("text_encoder.{path}"), "text_encoder.encoder.layers.0.self_attn.q_proj".to_owned()]
        );
    }

    #[test]
    fn other_keys_are_no_part_of_a_branch() {
        for key in
            ["unet.conv_in.weight", "unet.mid_block.to_q.lora_magnitude_vector", "unet.to_q.lora_B.bias"]
        {
            assert_eq!(Form::Diffusers.split(key), None, "{key}");
        }
        assert_eq!(Form::Kohya.split("lora_unet_mid_block.dora_scale"), None);
        assert_eq!(Form::Kohya.split("lora_unet_mid_block.lora_mid.weight"), None);
    }
}
