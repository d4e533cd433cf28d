//! The networks that rewards stand on, against transformers and torchvision's layout; `scripts/golden/rewards.py` makes
//! the files.

use burn::tensor::{Device, Tensor};
use byteedit_models::Component;
use byteedit_models::blip::BlipForImageTextRetrieval;
use byteedit_models::clip::CLIPModel;
use byteedit_models::dinov2::Dinov2Model;
use byteedit_models::store::load_component;
use byteedit_models::vgg::Vgg16Features;
use byteedit_testing::{Golden, assert_close, case_dir, golden, tol};

fn load<C: Component>(case: &str) -> (C, Golden, Device) {
    let device = Device::default();
    let dir = case_dir!(case);
    let network = load_component(&dir, &device).expect("the checkpoint loads");
    (network, golden::load(dir.join("expected.safetensors")), device)
}

/// OpenAI's networks have `quick_gelu`, `OpenCLIP`'s the exact one.
#[test]
fn clip_is_that_of_transformers() {
    for case in ["clip_openai", "clip_open_clip"] {
        let (clip, golden, device) = load::<CLIPModel>(case);
        let texts = clip.text_features(golden.int("ids", &device));
        let pictures = clip.image_features(golden.float("pixels", &device));
        assert_close(&texts, &golden.float("text_features", &device), tol::f32_golden());
        assert_close(&pictures, &golden.float("image_features", &device), tol::f32_golden());
        let logits = pictures.matmul(texts.transpose()) * clip.scale().unsqueeze::<2>();
        assert_close(&logits, &golden.float("logits", &device), tol::f32_golden());
    }
}

/// Under transformers' names and under the authors'. Padding is hidden from the text, and the picture is seen in every
/// layer or in none.
#[test]
fn blip_is_that_of_transformers() {
    for case in ["blip_itm", "blip_original"] {
        let (blip, golden, device) = load::<BlipForImageTextRetrieval>(case);
        let ids = golden.int::<2>("ids", &device);
        let is_padding = golden.int::<2>("seen", &device).equal_elem(0);
        let picture = blip.vision_model.forward(golden.float("pixels", &device));
        assert_close(&picture, &golden.float("picture", &device), tol::f32_golden());
        let itm = blip.itm_logits(ids.clone(), is_padding.clone(), &picture);
        assert_close(&itm, &golden.float("itm", &device), tol::f32_golden());
        let itc = blip.image_features(picture).matmul(blip.text_features(ids, is_padding).transpose());
        assert_close(&itc, &golden.float("itc", &device), tol::f32_golden());
    }
}

/// Pictures of the table's size, larger ones, and smaller ones: published tables are for 518 px, and most uses for
/// less.
#[test]
fn dinov2_is_that_of_transformers() {
    let (dino, golden, device) = load::<Dinov2Model>("dinov2");
    for call in ["table", "larger", "smaller"] {
        let tokens = dino.forward(golden.float(&format!("{call}.pixels"), &device));
        assert_close(&tokens, &golden.float(&format!("{call}.tokens"), &device), tol::f32_golden());
    }
}

/// The classifier behind the convolutions is not needed and not missed.
#[test]
fn vgg16_is_that_of_torchvision() {
    let (vgg, golden, device) = load::<Vgg16Features>("vgg16");
    let tapped: [Tensor<4>; 5] = vgg.forward(golden.float("pixels", &device));
    for (index, x) in tapped.iter().enumerate() {
        assert_close(x, &golden.float(&format!("relu{}", index + 1), &device), tol::f32_golden());
    }
}
