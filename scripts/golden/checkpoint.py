"""Random tiny checkpoints in the published layouts, and the file of expected tensors beside them."""

import math
import re
import zlib
from pathlib import Path

import torch
from safetensors.torch import save_file

CRATES = Path(__file__).resolve().parents[2] / "crates"

# Layers that write into a normalised stream get a small gain: with a stream of standard deviation
# about 0.05 the epsilon of the next norm moves the result by about 1e-3, so a wrong epsilon shows.
STREAM_GAIN = 0.05
# The rest keeps its input's size, so that softmax, GELU and SiLU work where they are not linear.
FULL_GAIN = 1.5
FULL_GAIN_LAYERS = re.compile(
    r"to_[qkv]\.|[qkv]_proj\.|fc1\.|ff\.net\.0\.|time_embedding\.|conv_out\.|conv_shortcut\."
    r"|samplers\.|quant_conv\."
    r"|\.(query|key|value|qkv)\.|intermediate\.|patch_embed|(vision|text)_proj\.|_projection\.|itm_head\."
    r"|^\d+\.|layers\.\d+\.(weight|bias)$"
)
# The feed-forward's way back weighs more than the rest of the stream, so that the 5e-4 between the
# exact GELU and its tanh approximation stays visible at the output.
FEED_FORWARD_GAIN = 1.0
FEED_FORWARD_LAYERS = re.compile(r"ff\.net\.2\.|fc2\.|proj_out\.")


def gain_of(name: str) -> float:
    if FULL_GAIN_LAYERS.search(name):
        return FULL_GAIN
    return FEED_FORWARD_GAIN if FEED_FORWARD_LAYERS.search(name) else STREAM_GAIN


def normal(shape, seed: int, name: str) -> torch.Tensor:
    """Standard normal draws that depend on the seed and the name alone, not on any order."""
    generator = torch.Generator().manual_seed(seed * 2**32 + zlib.crc32(name.encode()))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@torch.no_grad()
def randomise(model: torch.nn.Module, seed: int, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """Draws every parameter anew: norms and zero-initialised layers too, so that none hides an error.

    Weights are rounded to bfloat16 (to float16 where that is the file's type): the files then
    compress to half, which a clone of the repository pays for.
    """
    for name, parameter in model.named_parameters():
        draw = normal(parameter.shape, seed, name)
        gain = gain_of(name)
        if parameter.dim() > 1 and "embedding.weight" in name:
            value = STREAM_GAIN * draw
        elif parameter.dim() > 1:
            value = gain * draw / math.sqrt(parameter[0].numel())
        elif name.endswith("bias") and "norm" not in name:
            value = 0.3 * gain * draw
        else:
            value = 0.3 * draw + (1.0 if name.endswith("weight") else 0.0)
        rounded = value.to(torch.float16 if dtype == torch.float16 else torch.bfloat16)
        parameter.copy_(rounded.to(parameter.dtype))
    return model.eval()


def case_folder(case: str, crate: str = "models") -> Path:
    folder = CRATES / crate / "tests" / "golden" / case
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def save_expected(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Writes inputs and outputs: floats as f32, ids as i64."""
    stored = {
        name: (tensor.float() if tensor.is_floating_point() else tensor.long()).contiguous()
        for name, tensor in tensors.items()
    }
    save_file(stored, folder / "expected.safetensors")


def report(case: str, expected: torch.Tensor, in_f32: torch.Tensor, crate: str = "models") -> None:
    """Prints PyTorch's own f32 error against the f64 value: the floor of any tolerance."""
    error = (in_f32.double() - expected).norm() / expected.norm()
    files = sum(f.stat().st_size for f in case_folder(case, crate).iterdir())
    print(f"{case}: f32 error {error:.1e}, output std {expected.std():.3f}, {files / 1000:.0f} kB")
