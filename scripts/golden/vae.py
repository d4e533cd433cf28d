"""Golden values of AutoencoderKL: `python scripts/golden/vae.py`."""

import torch
from diffusers import AutoencoderKL

from checkpoint import case_folder, normal, randomise, report, save_expected

SEED = 2


def levels(*widths: int) -> dict:
    return {
        "block_out_channels": widths,
        "down_block_types": ("DownEncoderBlock2D",) * len(widths),
        "up_block_types": ("UpDecoderBlock2D",) * len(widths),
        "norm_num_groups": 4,
    }


CASES = {
    "vae_sd": {**levels(8, 8, 12, 16), "latent_channels": 4, "layers_per_block": 1, "sample_size": 32},
    "vae_mini": {**levels(4, 8, 16), "latent_channels": 8, "layers_per_block": 1, "sample_size": 32,
                 "mid_block_add_attention": False, "use_quant_conv": False, "use_post_quant_conv": False,
                 "scaling_factor": 0.7},
}
PIXEL_SIZE = (32, 48)


def build(case: str) -> AutoencoderKL:
    model = randomise(AutoencoderKL(**CASES[case]), SEED)
    if case == "vae_mini":
        # Two log-variances beyond the limits of [-30, 20] show whether the clamp is there.
        channels = model.config.latent_channels
        with torch.no_grad():
            model.encoder.conv_out.bias[channels] = 30.0
            model.encoder.conv_out.bias[channels + 1] = -40.0
    return model


@torch.no_grad()
def run(model: AutoencoderKL, pixels: torch.Tensor, raw_latents: torch.Tensor) -> tuple:
    posterior = model.encode(pixels.to(model.dtype)).latent_dist
    decoded = model.decode(raw_latents.to(model.dtype)).sample
    return posterior.mean, posterior.logvar, decoded


def inputs(case: str) -> tuple:
    # Three halvings for vae_sd, two for vae_mini; two pictures, so that a batch is tested too.
    factor = 2 ** (len(CASES[case]["block_out_channels"]) - 1)
    size = [extent // factor for extent in PIXEL_SIZE]
    pixels = normal((2, 3, *PIXEL_SIZE), SEED, f"{case}.pixels").clamp(-1, 1).float()
    raw_latents = normal((2, CASES[case]["latent_channels"], *size), SEED, f"{case}.raw_latents").float()
    return pixels, raw_latents


def main() -> None:
    for case in CASES:
        folder = case_folder(case)
        build(case).save_pretrained(folder)
        pixels, raw_latents = inputs(case)
        mean, log_var, decoded = run(build(case).double(), pixels, raw_latents)
        save_expected(folder, {"pixels": pixels, "mean": mean, "log_var": log_var,
                               "raw_latents": raw_latents, "decoded": decoded})
        report(case, decoded, run(build(case), pixels, raw_latents)[2])


if __name__ == "__main__":
    main()
