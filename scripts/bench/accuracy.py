"""How far the U-Net's answer is from one computed in f64: ours in f32, and torch's in f32.

    python scripts/bench/accuracy.py --out accuracy.json

diffusers draws the weights from a seed and saves them; both programs read the same files. For Stable Diffusion 1.5 at
512 px the f64 network needs 7 GB and some minutes.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

import compare
import turns

SEED = 0
TIMESTEPS = (981.0, 261.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=compare.ROOT / "target/release/byteedit")
    parser.add_argument("--config", type=Path, default=compare.ROOT / "crates/models/presets/sd15-inpaint/unet",
                        help="folder with the U-Net's config.json")
    parser.add_argument("--latents", type=int, default=64, help="side of the latents (default: 64, 512 px)")
    parser.add_argument("--tokens", type=int, default=77)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, help="JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(options, Path(folder))
    text = json.dumps(result, indent=1)
    if options.out:
        options.out.write_text(text + "\n")
    print(text)


def measure(options, folder):
    torch.manual_seed(SEED)
    config = json.loads((options.config / "config.json").read_text())
    unet = UNet2DConditionModel.from_config(config).eval()
    unet.save_pretrained(folder / "unet", max_shard_size="100GB")
    batch = len(TIMESTEPS)
    inputs = {
        "sample": torch.randn(batch, config["in_channels"], options.latents, options.latents),
        "timestep": torch.tensor(TIMESTEPS),
        "context": torch.randn(batch, options.tokens, config["cross_attention_dim"]),
    }
    save_file(inputs, folder / "input.safetensors")
    ours = ask_binary(options, folder)
    theirs = {}
    with torch.inference_mode():
        for name, memory_format in (("contiguous", torch.contiguous_format), ("channels_last", torch.channels_last)):
            unet.to(memory_format=memory_format)
            sample = inputs["sample"].contiguous(memory_format=memory_format)
            theirs[name] = unet(sample, inputs["timestep"], inputs["context"]).sample
        unet.double()
        exact = unet(inputs["sample"].double(), inputs["timestep"].double(), inputs["context"].double()).sample
    errors = {"byteedit": error(ours, exact), **{f"torch, {name}": error(y, exact) for name, y in theirs.items()}}
    smallest = min(value["largest"] for name, value in errors.items() if name != "byteedit")
    return {
        "benchmark": "accuracy",
        "config": f"{options.config.parent.name}/{options.config.name}",
        "latents": options.latents,
        "versions": turns.versions(),
        "errors": errors,
        "ours_over_torch": errors["byteedit"]["largest"] / smallest,
    }


def ask_binary(options, folder):
    output = folder / "output.safetensors"
    files = ["--weights", folder / "unet", "--input", folder / "input.safetensors", "--output", output]
    once = ["--threads", options.threads, "--runs", 1, "--warmup", 0]
    command = [options.binary, "--quiet", "bench", "unet", *files, *once]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    return load_file(output)["sample"]


def error(y, exact):
    """Relative to the largest value, and relative in the Euclidean norm."""
    difference = y.double() - exact
    return {
        "largest": (difference.abs().max() / exact.abs().max()).item(),
        "euclidean": (difference.norm() / exact.norm()).item(),
    }


if __name__ == "__main__":
    main()
