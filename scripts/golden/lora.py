"""Golden values of low-rank adaptation: `python scripts/golden/lora.py`.

LoRA files as diffusers and PEFT save them for the tiny U-Nets of `unet.py`, and what these U-Nets answer with them. Also
asks diffusers to load every file again, and one with the keys and the header that `byteedit_models::lora` writes: nothing
may be unexpected or missing, and the answer is to be the same.
"""

import json
import logging
import math
import tempfile
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils.state_dict_utils import convert_state_dict_to_diffusers, convert_state_dict_to_kohya
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

import unet as unets
from checkpoint import case_folder, normal, report, save_expected

SEED = 11
NAME = "pytorch_lora_weights.safetensors"
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
# 1x1 convolutions of all kinds (`proj_in`, `proj_out`, `conv_shortcut`), and a weight of 2 for each branch.
EVERYTHING = ["to_q", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", "conv_shortcut"]
# By case: the U-Net, the configuration, and whether it is saved as diffusers' training scripts do it, which name the
# layers of attention in an older way and say nothing of alpha.
CASES = {
    "lora_mini": ("unet_mini", {"r": 2, "lora_alpha": 4, "target_modules": EVERYTHING}, False),
    "lora_sd21": ("unet_sd21", {"r": 3, "lora_alpha": 3, "target_modules": ATTENTION}, True),
}
CALLS = ("middle", "odd")


class Complaints(logging.Handler):
    """Everything that diffusers warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@torch.no_grad()
def adapted(case: str) -> UNet2DConditionModel:
    base, config, _ = CASES[case]
    model = unets.build(base)
    model.add_adapter(LoraConfig(**config))
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            draw = normal(parameter.shape, SEED, f"{case}.{name}")
            gain = 0.1 if "lora_B" in name else 1 / math.sqrt(parameter[0].numel())
            parameter.copy_((gain * draw).to(torch.bfloat16))
    return model.eval()


def answers(model: UNet2DConditionModel, case: str) -> dict[str, torch.Tensor]:
    base = CASES[case][0]
    calls = {call: (timesteps, size) for call, timesteps, size in unets.CALLS}
    return {call: unets.run(model, *unets.inputs(model, base, call, *calls[call])) for call in CALLS}


def loaded(path: Path, case: str) -> UNet2DConditionModel:
    """The U-Net with a file as `load_lora_weights` of a pipeline loads it."""
    model, complaints = unets.build(CASES[case][0]), Complaints()
    logger = logging.getLogger("diffusers")
    logger.addHandler(complaints)
    state, alphas, metadata = StableDiffusionPipeline.lora_state_dict(str(path), return_lora_metadata=True)
    StableDiffusionPipeline.load_lora_into_unet(state, alphas, model, metadata=metadata)
    logger.removeHandler(complaints)
    assert not complaints.messages, complaints.messages
    return model.eval()


def check(path: Path, case: str, expected: dict[str, torch.Tensor]) -> None:
    found = answers(loaded(path, case).double(), case)
    for call in CALLS:
        error = (found[call] - expected[call]).norm() / expected[call].norm()
        assert error < 1e-12, f"{path.name}, {call}: {error:.1e}"


def our_header(case: str, state: dict[str, torch.Tensor]) -> str:
    config = CASES[case][1]
    layers = sorted({key.split(".lora_")[0] for key in state})
    ours = {"r": config["r"], "lora_alpha": config["lora_alpha"], "rank_pattern": {}, "alpha_pattern": {},
            "target_modules": layers}
    return json.dumps({f"unet.{key}": value for key, value in ours.items()}, indent=2, sort_keys=True)


def sorted_sets(config: dict) -> dict:
    """Sets in order: else every run would write another file."""
    return {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}


def kohya(case: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """diffusers' conversion, which takes the rank for alpha, with the alpha that it is."""
    alpha = float(CASES[case][1]["lora_alpha"])
    flat = convert_state_dict_to_kohya({f"unet.{key}": value for key, value in state.items()})
    return {key: torch.tensor(alpha) if key.endswith(".alpha") else value.contiguous() for key, value in flat.items()}


def main() -> None:
    for case, (base, _, is_as_in_scripts) in CASES.items():
        folder, model = case_folder(case), adapted(case)
        state = get_peft_model_state_dict(model)
        header = None if is_as_in_scripts else sorted_sets(model.peft_config["default"].to_dict())
        layers = convert_state_dict_to_diffusers(state) if is_as_in_scripts else state
        StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=layers, unet_lora_adapter_metadata=header)
        save_file(kohya(case, state), folder / "kohya.safetensors", metadata={"format": "pt"})
        (folder / "header.json").write_text(our_header(case, state))

        in_f32 = answers(model, case)
        expected = answers(adapted(case).double(), case)
        plain = answers(unets.build(base).double(), case)
        for file in (NAME, "kohya.safetensors"):
            check(folder / file, case, expected)
        with tempfile.TemporaryDirectory() as temporary:
            ours = Path(temporary) / NAME
            header = {"format": "pt", "lora_adapter_metadata": our_header(case, state)}
            save_file({f"unet.{key}": value for key, value in state.items()}, ours, metadata=header)
            check(ours, case, expected)
            assert set(load_file(ours)) == {f"unet.{key}" for key in state}
        save_expected(folder, {f"{call}.output": output for call, output in expected.items()})
        report(case, expected["odd"], in_f32["odd"])
        moved = (expected["odd"] - plain["odd"]).norm() / plain["odd"].norm()
        print(f"{case}: {len(state) // 2} layers move the answer by {moved:.1e}")


if __name__ == "__main__":
    main()
