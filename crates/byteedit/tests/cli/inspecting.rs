//! `inspect`.

use crate::tiny_model::RESOLUTION;
use crate::workbench::{Workbench, model};

#[test]
fn a_model_is_described_by_its_parts() {
    let bench = Workbench::new();
    let report = bench.run(&["inspect", &model(), "--json"]).done().json();
    assert_eq!(report["pipeline"], "StableDiffusionInpaintPipeline");
    assert_eq!(report["resolution"], RESOLUTION);
    assert_eq!(
        (&report["n_concepts"], &report["groups"]),
        (&2.into(), &serde_json::json!(["food", "birds"]))
    );
    assert_eq!(report["schedule"]["prediction_type"], "epsilon");
    let parts = report["parts"].as_object().unwrap();
    assert_eq!(parts.keys().collect::<Vec<_>>(), ["text_encoder", "unet", "vae"]);
    assert_eq!(parts["vae"]["class"], "AutoencoderKL");
    let n_parameters = |part: &str| parts[part]["weights"][0]["n_parameters"].as_u64().unwrap();
    let sum: u64 = parts.keys().map(|part| n_parameters(part)).sum();
    assert_eq!(report["n_parameters"], sum);
    assert_eq!(parts["unet"]["weights"][0]["dtypes"]["F16"], n_parameters("unet"));
    // In memory, weights are f32.
    assert_eq!(report["memory"]["weights_bytes"], 4 * sum);
}

#[test]
fn people_get_lines() {
    let bench = Workbench::new();
    let text = bench.run(&["inspect", &model()]).done().stdout;
    for part in [
        "unet: UNet2DConditionModel, ",
        "resolution: 16 px",
        " MB for one picture, of which weights ",
        "prediction_type epsilon",
        "concepts: 2 (food, birds)",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let file = format!("{}/vae/diffusion_pytorch_model.safetensors", model());
    let text = bench.run(&["inspect", &file]).done().stdout;
    assert!(text.contains("M parameters") && text.contains("F16") && text.contains("format: pt"), "{text}");
}
