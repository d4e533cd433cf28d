//! The text encoder against transformers; `scripts/golden/text.py` makes the files.

use burn::tensor::Device;
use byteedit_models::store::load_component;
use byteedit_models::text::CLIPTextModel;
use byteedit_testing::{Golden, assert_close, case_dir, golden, tol};

fn load(case: &str) -> (CLIPTextModel, Golden, Device) {
    let device = Device::default();
    let dir = case_dir!(case);
    let text = load_component(&dir, &device).expect("the checkpoint loads");
    (text, golden::load(dir.join("expected.safetensors")), device)
}

fn check(case: &str, call: &str) {
    let (text, golden, device) = load(case);
    let output = text.forward(golden.int(&format!("{call}.ids"), &device));
    let hidden = golden.float(&format!("{call}.last_hidden_state"), &device);
    assert_close(&output.last_hidden_state, &hidden, tol::f32_golden());
    assert_close(&output.pooled, &golden.float(&format!("{call}.pooled"), &device), tol::f32_golden());
}

/// Stable Diffusion 1.x: `quick_gelu`, and an `eos_token_id` of 2 that is not the end token's, so that
/// the row of the largest id is pooled.
#[test]
fn sd15_is_that_of_transformers() {
    for call in ["padded_with_end", "padded_with_zero", "short"] {
        check("clip_text_sd15", call);
    }
}

/// Stable Diffusion 2.x: the exact GELU.
#[test]
fn sd21_is_that_of_transformers() {
    for call in ["padded_with_end", "padded_with_zero", "short"] {
        check("clip_text_sd21", call);
    }
}

/// Files from before transformers 4.31 hold the constant `position_ids` among the weights. It is to be
/// ignored whatever it says, as transformers does: merged models exist in which rounding spoilt it.
#[test]
fn stored_position_ids_are_ignored() {
    for call in ["padded_with_end", "padded_with_zero", "short"] {
        check("clip_text_position_ids", call);
    }
}

/// Transformers 5 writes the keys without `text_model.`, and newer configurations name the true end
/// token: the first row that holds it is pooled, though larger ids stand before and behind.
#[test]
fn keys_without_the_prefix_and_a_true_end_token_are_understood() {
    check("clip_text_unprefixed", "first_end");
}

/// Causal attention: what follows a token does not change it.
#[test]
fn later_tokens_do_not_reach_back() {
    let (text, golden, device) = load("clip_text_sd15");
    let ids = golden.int::<2>("padded_with_end.ids", &device).slice_dim(1, 0..4);
    let expected = golden.float::<3>("padded_with_end.last_hidden_state", &device).slice_dim(1, 0..4);
    assert_close(&text.forward(ids).last_hidden_state, &expected, tol::f32_golden());
}
