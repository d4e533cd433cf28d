//! Training pairs in latent space, encoded once and used several times: a U-Net step only gathers.
//!
//! - [`encode`](Encoder) turns samples into latents, masked latents, masks and token ids;
//! - [`pool`](LatentPool) is a window that slides over the endless sequence of samples;
//! - `store` keeps the window in a file, so that a resumed run need not encode it again.

mod encode;
mod pool;
mod store;

pub(crate) use encode::{CachedSample, Encoder, Geometry};
pub(crate) use pool::LatentPool;
pub use pool::PoolConfig;
