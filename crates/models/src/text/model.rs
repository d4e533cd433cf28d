//! The encoder: embeddings, causal transformer, final norm.

use burn::module::Module;
use burn::tensor::{Bool, Int, Tensor};
use byteedit_nn::{Embedding, Init, LayerNorm};

use super::CLIPTextConfig;
use crate::ModelError;
use crate::clip::CLIPEncoder;
use crate::component::Component;

/// Token ids to text features.
#[derive(Module, Debug)]
pub struct CLIPTextModel {
    /// Everything; checkpoints put this prefix before each key.
    pub text_model: CLIPTextTransformer,
    #[module(skip)]
    config: CLIPTextConfig,
}

/// Embeddings, layers, norm.
#[derive(Module, Debug)]
pub struct CLIPTextTransformer {
    /// Token plus position.
    pub embeddings: CLIPTextEmbeddings,
    /// The layers.
    pub encoder: CLIPEncoder,
    /// After the last layer.
    pub final_layer_norm: LayerNorm,
}

/// One vector for each token and one for each position.
#[derive(Module, Debug)]
pub struct CLIPTextEmbeddings {
    /// `[vocab_size, hidden_size]`
    pub token_embedding: Embedding,
    /// `[max_position_embeddings, hidden_size]`
    pub position_embedding: Embedding,
}

/// What the encoder returns.
#[derive(Debug, Clone)]
pub struct CLIPTextOutput {
    /// `[batch, tokens, hidden_size]`, after the final norm: the U-Net's `context`.
    pub last_hidden_state: Tensor<3>,
    /// `[batch, hidden_size]`, the state at the end-of-text token.
    pub pooled: Tensor<2>,
}

impl CLIPTextModel {
    /// # Shapes
    /// - `ids`: `[batch, tokens]`, at most `max_position_embeddings` tokens, each below `vocab_size`
    pub fn forward(&self, ids: Tensor<2, Int>) -> CLIPTextOutput {
        self.text_model.forward(ids, self.config.eos_token_id)
    }
}

impl CLIPTextTransformer {
    pub(crate) fn new(init: &mut Init, config: &CLIPTextConfig) -> Self {
        let width = config.hidden_size;
        Self {
            embeddings: CLIPTextEmbeddings {
                token_embedding: Embedding::new(init, config.vocab_size, width),
                position_embedding: Embedding::new(init, config.max_position_embeddings, width),
            },
            encoder: CLIPEncoder::new(init, config.sizes()),
            final_layer_norm: LayerNorm::new(init, width, config.layer_norm_eps),
        }
    }

    /// # Shapes
    /// - `ids`: `[batch, tokens]`
    pub(crate) fn forward(&self, ids: Tensor<2, Int>, eos_token_id: i64) -> CLIPTextOutput {
        let [batch, n_tokens] = ids.dims();
        let device = ids.device();
        let positions = Tensor::<1, Int>::arange(0..n_tokens as i64, &device).unsqueeze::<2>();
        let x = self.embeddings.token_embedding.forward(ids.clone())
            + self.embeddings.position_embedding.forward(positions); // [batch, tokens, hidden_size]
        let future = Tensor::<2, Bool>::tril_mask([n_tokens, n_tokens], 0, &device)
            .reshape([1, 1, n_tokens, n_tokens]);
        let last_hidden_state = self.final_layer_norm.forward(self.encoder.forward(x, Some(&future)));
        let hidden_size = last_hidden_state.dims()[2];
        let end = end_positions(ids, eos_token_id).reshape([batch, 1, 1]).expand([batch, 1, hidden_size]);
        let pooled = last_hidden_state.clone().gather(1, end).reshape([batch, hidden_size]);
        CLIPTextOutput { last_hidden_state, pooled }
    }
}

/// First position of the end-of-text token, `[batch, 1]`.
fn end_positions(ids: Tensor<2, Int>, eos_token_id: i64) -> Tensor<2, Int> {
    if eos_token_id == 2 { ids.argmax(1) } else { ids.equal_elem(eos_token_id).int().argmax(1) }
}

impl Component for CLIPTextModel {
    type Config = CLIPTextConfig;

    const CLASS: &'static str = "CLIPTextModel";
    const LIBRARY: &'static str = "transformers";
    const WEIGHTS_FILE: &'static str = "model.safetensors";
    const OPTIONAL_PREFIX: &'static str = "text_model.";
    const BUFFERS: &'static [&'static str] = &["embeddings.position_ids"];

    fn parse_config(json: &str) -> Result<Self::Config, ModelError> {
        CLIPTextConfig::from_json(json)
    }

    fn from_config(config: &Self::Config, init: &mut Init) -> Self {
        Self { text_model: CLIPTextTransformer::new(init, config), config: config.clone() }
    }

    fn config(&self) -> &Self::Config {
        &self.config
    }
}
