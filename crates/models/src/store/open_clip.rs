//! CLIP as `open_clip` stores it, seen under transformers' names.

use std::collections::BTreeMap;

use burn::tensor::TensorData;

use super::file::{Header, WeightFile};
use super::values::BadValues;

/// How keys begin: `open_clip`'s, transformers', and what becomes of the numbers. The first that fits counts.
const BEGINNINGS: [(&str, &str, Change); 12] = [
    ("visual.class_embedding", "vision_model.embeddings.class_embedding", Change::None),
    ("visual.conv1.", "vision_model.embeddings.patch_embedding.", Change::None),
    ("visual.positional_embedding", "vision_model.embeddings.position_embedding.weight", Change::None),
    ("visual.ln_pre.", "vision_model.pre_layrnorm.", Change::None),
    ("visual.transformer.resblocks.", "vision_model.encoder.layers.", Change::None),
    ("visual.ln_post.", "vision_model.post_layernorm.", Change::None),
    ("visual.proj", "visual_projection.weight", Change::Transpose),
    ("token_embedding.", "text_model.embeddings.token_embedding.", Change::None),
    ("positional_embedding", "text_model.embeddings.position_embedding.weight", Change::None),
    ("transformer.resblocks.", "text_model.encoder.layers.", Change::None),
    ("ln_final.", "text_model.final_layer_norm.", Change::None),
    ("text_projection", "text_projection.weight", Change::Transpose),
];

/// Parts of the keys of a layer, as `(open_clip's, transformers')`.
const LAYER: [(&str, &str); 5] = [
    (".ln_1.", ".layer_norm1."),
    (".ln_2.", ".layer_norm2."),
    (".attn.out_proj.", ".self_attn.out_proj."),
    (".mlp.c_fc.", ".mlp.fc1."),
    (".mlp.c_proj.", ".mlp.fc2."),
];

/// What a layer keeps in one tensor, query rows before key rows before value rows, and transformers in three.
const FUSED: &str = ".attn.in_proj_";
const FUSED_PARTS: [&str; 3] = ["q_proj", "k_proj", "v_proj"];

/// What distinguishes the numbers that transformers keeps from those in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Nothing.
    None,
    /// Rows are columns.
    Transpose,
    /// This third of the rows.
    Third(usize),
}

/// A file of `open_clip`'s as transformers would have written it. Keys that are not `open_clip`'s stay as they are, and
/// are noticed as unused.
pub(super) struct OpenClip<'a> {
    file: &'a dyn WeightFile,
    /// By transformers' key: the key in the file and the difference.
    places: BTreeMap<String, (String, Change)>,
}

impl<'a> OpenClip<'a> {
    pub(super) fn new(file: &'a dyn WeightFile) -> Self {
        let keys = file.keys();
        let places = keys
            .iter()
            .flat_map(|key| names(key).into_iter().map(|(name, change)| (name, (key.clone(), change))));
        Self { places: places.collect(), file }
    }
}

impl WeightFile for OpenClip<'_> {
    fn keys(&self) -> Vec<String> {
        self.places.keys().cloned().collect()
    }

    fn header(&self, key: &str) -> Option<Header> {
        let (stored, change) = self.places.get(key)?;
        let Header { dtype, mut shape } = self.file.header(stored)?;
        match (change, shape.first_mut()) {
            (Change::Transpose, _) => shape.reverse(),
            // Rows that have no thirds keep their number, and are noticed as a wrong shape.
            (Change::Third(_), Some(rows)) if rows.is_multiple_of(FUSED_PARTS.len()) => {
                *rows /= FUSED_PARTS.len();
            }
            _ => {}
        }
        Some(Header { dtype, shape })
    }

    fn values(&self, key: &str, shape: &[usize]) -> Result<TensorData, BadValues> {
        let missing = || BadValues::Unreadable("it is not in the file".to_owned());
        let (stored, change) = self.places.get(key).ok_or_else(missing)?;
        if *change == Change::None {
            return self.file.values(stored, shape);
        }
        let stored_shape = self.file.header(stored).ok_or_else(missing)?.shape;
        let data = self.file.values(stored, &stored_shape)?;
        let values = data.as_slice::<f32>().expect("a weight file gives f32; this is a bug");
        let values = match (change, stored_shape.as_slice()) {
            (Change::Third(third), _) => {
                let n_values = values.len() / FUSED_PARTS.len();
                values[third * n_values..][..n_values].to_vec()
            }
            (Change::Transpose, &[rows, columns]) => {
                (0..rows * columns).map(|i| values[i % rows * columns + i / rows]).collect()
            }
            _ => values.to_vec(),
        };
        Ok(TensorData::new(values, shape.to_vec()))
    }
}

/// transformers' names of what lies under `key`.
fn names(key: &str) -> Vec<(String, Change)> {
    let beginning = BEGINNINGS.iter().find(|(theirs, _, _)| key.starts_with(theirs));
    let Some((theirs, ours, change)) = beginning else {
        return vec![(key.to_owned(), Change::None)];
    };
    let name = key.replacen(theirs, ours, 1);
    if let Some((layer, kind)) = name.split_once(FUSED) {
        let part = |(third, part)| (format!("{layer}.self_attn.{part}.{kind}"), Change::Third(third));
        return FUSED_PARTS.iter().enumerate().map(part).collect();
    }
    let name = LAYER.iter().fold(name, |name, (theirs, ours)| name.replace(theirs, ours));
    vec![(name, *change)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_those_of_transformers() {
        for (theirs, ours) in [
            ("logit_scale", "logit_scale"),
            ("visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight"),
            ("visual.transformer.resblocks.31.ln_2.bias", "vision_model.encoder.layers.31.layer_norm2.bias"),
            ("transformer.resblocks.0.mlp.c_proj.weight", "text_model.encoder.layers.0.mlp.fc2.weight"),
            (
                "transformer.resblocks.7.attn.out_proj.bias",
                "text_model.encoder.layers.7.self_attn.out_proj.bias",
            ),
            ("positional_embedding", "text_model.embeddings.position_embedding.weight"),
        ] {
            assert_eq!(names(theirs), [(ours.to_owned(), Change::None)]);
        }
        assert_eq!(names("visual.proj"), [("visual_projection.weight".to_owned(), Change::Transpose)]);
        let fused = names("transformer.resblocks.3.attn.in_proj_bias");
        assert_eq!(fused.len(), 3);
        assert_eq!(
            fused[1],
            ("text_model.encoder.layers.3.self_attn.k_proj.bias".to_owned(), Change::Third(1))
        );
    }
}
