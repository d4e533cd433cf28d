"""Golden values of UNet2DConditionModel: `python scripts/golden/unet.py`."""

import torch
from diffusers import UNet2DConditionModel

from checkpoint import case_folder, normal, randomise, report, save_expected

SEED = 1
TOKENS = 7
THREE_LEVELS = {
    "block_out_channels": (8, 12, 16),
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "norm_num_groups": 4,
    "cross_attention_dim": 12,
    "layers_per_block": 1,
    "sample_size": 16,
}
# In the configurations of Stable Diffusion `attention_head_dim` is the number of heads.
CASES = {
    "unet_sd15_inpaint": {**THREE_LEVELS, "in_channels": 9, "attention_head_dim": 4},
    "unet_sd15_text2img": {**THREE_LEVELS, "in_channels": 4, "attention_head_dim": 4,
                           "block_out_channels": (8, 8, 16)},
    "unet_sd21": {**THREE_LEVELS, "in_channels": 4, "attention_head_dim": (2, 4, 8),
                  "use_linear_projection": True},
    "unet_mini": {
        "in_channels": 17,
        "out_channels": 8,
        "block_out_channels": (8, 16),
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "norm_num_groups": 4,
        "cross_attention_dim": 12,
        "attention_head_dim": (2, 4),
        "layers_per_block": 2,
        "sample_size": 16,
    },
    # What a configuration may say and no Stable Diffusion does.
    "unet_rare": {
        "in_channels": 4,
        "block_out_channels": (8, 12),
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "norm_num_groups": 4,
        "cross_attention_dim": 12,
        "attention_head_dim": 2,
        "layers_per_block": 1,
        "transformer_layers_per_block": (1, 2),
        "flip_sin_to_cos": False,
        "freq_shift": 1,
        "addition_embed_type": "text",
        "addition_embed_type_num_heads": 3,
        "resnet_time_scale_shift": "scale_shift",
        "sample_size": 16,
    },
}
# The mini model's files are f16, and half the size; the reference computes with the rounded weights.
FILE_DTYPE = {"unet_mini": torch.float16, "unet_rare": torch.float16}
# One batch each: name, timesteps, latent height and width.
CALLS = [
    ("ends", (0.0, 999.0), (8, 16)),
    ("middle", (261.0, 501.0), (16, 8)),
    ("fractional", (333.25,), (8, 8)),
    # 9 and 13 do not halve evenly: every upsampler must meet its skip's size.
    ("odd", (741.0,), (9, 13)),
]


def inputs(model: UNet2DConditionModel, case: str, call: str, timesteps, size) -> tuple:
    batch = len(timesteps)
    sample = normal((batch, model.config.in_channels, *size), SEED, f"{case}.{call}.sample")
    context = normal((batch, TOKENS, model.config.cross_attention_dim), SEED, f"{case}.{call}.context")
    return sample.float(), torch.tensor(timesteps), context.float()


@torch.no_grad()
def run(model: UNet2DConditionModel, sample, timesteps, context) -> torch.Tensor:
    dtype = model.dtype
    return model(sample.to(dtype), timesteps, encoder_hidden_states=context.to(dtype)).sample


def build(case: str) -> UNet2DConditionModel:
    return randomise(UNet2DConditionModel(**CASES[case]), SEED, FILE_DTYPE.get(case, torch.float32))


def main() -> None:
    for case in CASES:
        folder = case_folder(case)
        build(case).to(FILE_DTYPE.get(case, torch.float32)).save_pretrained(folder)
        single, double, tensors = build(case), build(case).double(), {}
        for call, timesteps, size in CALLS:
            sample, t, context = inputs(single, case, call, timesteps, size)
            output = run(double, sample, t, context)
            tensors |= {f"{call}.sample": sample, f"{call}.timesteps": t, f"{call}.context": context,
                        f"{call}.output": output}
        save_expected(folder, tensors)
        report(case, output, run(single, sample, t, context))


if __name__ == "__main__":
    main()
