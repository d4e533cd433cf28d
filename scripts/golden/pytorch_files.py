"""One network in the forms in which torch.save leaves it: `python scripts/golden/pytorch_files.py`."""

import json
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

from checkpoint import case_folder, normal

SEED = 7
# Input and output channels of VGG16's convolutions at 1/64 of their width, and their places in torchvision.
WIDTHS = [3, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 8, 8, 8]
PLACES = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]


def weights() -> OrderedDict[str, torch.Tensor]:
    """Numbers that f16 and bfloat16 hold both, so that every file holds the same."""
    state = OrderedDict()
    for place, d_in, d_out in zip(PLACES, WIDTHS, WIDTHS[1:]):
        for key, shape in (("weight", (d_out, d_in, 3, 3)), ("bias", (d_out,))):
            name = f"features.{place}.{key}"
            state[name] = normal(shape, SEED, name).clamp(-4, 4).mul(16).round().div(16).float()
    return state


def as_views(state: OrderedDict[str, torch.Tensor]) -> OrderedDict[str, torch.Tensor]:
    """All in one storage, and weights with their axes turned: what a fused or tied module leaves."""
    turned = [tensor.permute(*reversed(range(tensor.dim()))).contiguous() for tensor in state.values()]
    flat, start, views = torch.cat([tensor.flatten() for tensor in turned]), 0, OrderedDict()
    for name, tensor in zip(state, turned):
        part = flat[start : start + tensor.numel()].view(tensor.shape)
        views[name] = part.permute(*reversed(range(tensor.dim())))
        start += tensor.numel()
    return views


def main() -> None:
    folder, state = case_folder("pytorch_files"), weights()
    Path(folder / "config.json").write_text(json.dumps({"base_width": 1}) + "\n")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    torch.save(state, folder / "plain.pt")
    torch.save(as_views({key: tensor.half() for key, tensor in state.items()}), folder / "views.bin")
    run = {
        "epoch": 3,
        "hyper_parameters": Namespace(lr=1e-5, name="tiny"),
        "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}},
        "state_dict": {key: torch.nn.Parameter(tensor.bfloat16()) for key, tensor in state.items()},
    }
    torch.save(run, folder / "run.ckpt")
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    print(f"pytorch_files: {sizes}")


if __name__ == "__main__":
    main()
