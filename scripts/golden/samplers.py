"""Golden trajectories of diffusers' samplers, for crates/diffusion/tests/golden_samplers.rs.

Versions: torch 2.15.0, diffusers 0.42.1, safetensors 0.8.0, numpy 2.4.6 (CPU only).
Run from the repository root: `python scripts/golden/samplers.py`.

Every case runs one of diffusers' schedulers over a whole schedule with a network that both sides
compute exactly, `0.3 sin(x) + 0.1 sin(t / 100)`, and stores the final latents. The noise is given,
so that no random generator is compared. `cases.json` holds, for each case, the scheduler's own
configuration as diffusers writes it, which the test parses as it would a checkpoint's.
"""

import json
import math
import struct
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
)
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg
from safetensors.torch import save_file

GOLDEN = Path(__file__).resolve().parents[2] / "crates" / "diffusion" / "tests" / "golden"
SEED = 20240404
SHAPE = (2, 4, 3, 5)
N_NOISES = 20
GRID_STEPS = [*range(2, 13), 16, 20, 25, 30, 48, 50]

SD = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
V = {"prediction_type": "v_prediction"}
SAMPLE = {"prediction_type": "sample"}
ZERO_SNR = {"rescale_betas_zero_snr": True, **V}
DDIM = {"clip_sample": False}
CLASSES = {
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "euler-a": EulerAncestralDiscreteScheduler,
    "dpm++2m": DPMSolverMultistepScheduler,
    "dpm++2m-karras": DPMSolverMultistepScheduler,
    "lcm": LCMScheduler,
}


def spacing(name: str) -> dict:
    return {"timestep_spacing": name}


LEADING = {**spacing("leading"), "steps_offset": 1}
TRAILING, LINSPACE = spacing("trailing"), spacing("linspace")
KARRAS = {"use_karras_sigmas": True}
CLOSED = {"set_alpha_to_one": False}

# (sampler, steps, configuration on top of SD, options of the run)
CASES = [
    ("ddim", 7, {**LEADING, **CLOSED, **DDIM}, {}),
    ("ddim", 20, {**LEADING, **DDIM}, {}),
    ("ddim", 20, {**TRAILING, **DDIM}, {}),
    ("ddim", 8, {**TRAILING, **V, **DDIM}, {}),
    ("ddim", 20, {**TRAILING, **ZERO_SNR, **DDIM}, {}),
    ("ddim", 20, {**TRAILING, **SAMPLE, **DDIM}, {}),
    ("ddim", 7, {**LEADING, **DDIM}, {"eta": 1.0}),
    ("ddim", 20, {**TRAILING, **ZERO_SNR, **DDIM}, {"eta": 1.0}),
    ("ddim", 20, {**TRAILING, **V, **DDIM}, {"eta": 0.5}),
    ("ddim", 20, {**TRAILING, **DDIM, "beta_schedule": "linear"}, {}),
    ("ddim", 20, {**TRAILING, **V, **DDIM, "beta_schedule": "squaredcos_cap_v2"}, {}),
    ("ddim", 7, {**LINSPACE, **DDIM}, {"fixed_stride": True}),
    ("ddim", 7, {**TRAILING, **V, **DDIM}, {"fixed_stride": True}),
    ("euler", 7, LEADING, {}),
    ("euler", 7, TRAILING, {}),
    ("euler", 7, LINSPACE, {}),
    ("euler", 20, {**TRAILING, **V}, {}),
    ("euler", 20, {**TRAILING, **ZERO_SNR}, {}),
    ("euler", 7, {**LINSPACE, **KARRAS}, {}),
    ("euler", 20, {**LEADING, "final_sigmas_type": "sigma_min"}, {}),
    ("euler-a", 7, LEADING, {}),
    ("euler-a", 7, LINSPACE, {}),
    ("euler-a", 20, {**TRAILING, **V}, {}),
    ("euler-a", 20, {**TRAILING, **ZERO_SNR}, {}),
    ("dpm++2m", 7, LEADING, {}),
    ("dpm++2m", 7, TRAILING, {}),
    ("dpm++2m", 7, LINSPACE, {}),
    ("dpm++2m", 20, {**LINSPACE, **V}, {}),
    ("dpm++2m", 20, {**TRAILING, **ZERO_SNR}, {}),
    ("dpm++2m", 20, {**TRAILING, **SAMPLE}, {}),
    ("dpm++2m", 20, {**TRAILING, "final_sigmas_type": "sigma_min"}, {}),
    ("dpm++2m", 7, {**TRAILING, "final_sigmas_type": "sigma_min"}, {}),
    ("dpm++2m-karras", 7, {**LEADING, **KARRAS}, {}),
    ("dpm++2m-karras", 20, {**LINSPACE, **KARRAS, **V}, {}),
    ("dpm++2m-karras", 20, {**LINSPACE, **KARRAS, **V, "beta_schedule": "squaredcos_cap_v2"}, {}),
    ("lcm", 4, {}, {}),
    ("lcm", 8, V, {}),
    # A scaling at which the boundary conditions show; the usual one leaves 1e-7 of them.
    ("lcm", 5, {"timestep_scaling": 0.01, "original_inference_steps": 40}, {}),
    # Latent blending as the inpaint pipeline does it for networks of four channels.
    ("ddim", 20, {**LEADING, **DDIM}, {"strength": 0.6}),
    ("ddim", 20, {**LEADING, **DDIM}, {"strength": 0.6, "blend": True}),
    ("euler", 20, TRAILING, {"strength": 0.6, "blend": True}),
    ("dpm++2m", 20, {**TRAILING, **V}, {"strength": 0.75, "blend": True}),
]


def network(x: torch.Tensor, t: float) -> torch.Tensor:
    return 0.3 * torch.sin(x) + 0.1 * math.sin(float(t) / 100)


class Recorded:
    """Hands out the given noises in order, in place of diffusers' random draws."""

    def __init__(self, noises: torch.Tensor):
        self.noises, self.n_draws = noises, 0

    def __call__(self, *_args, **_kwargs) -> torch.Tensor:
        self.n_draws += 1
        return self.noises[self.n_draws - 1].clone()


def trajectory(scheduler, steps: int, given: dict, options: dict) -> torch.Tensor:
    """A whole schedule, with the recorded noise wherever diffusers would draw some."""
    draw = Recorded(given["noise"])
    with mock.patch.object(sys.modules[type(scheduler).__module__], "randn_tensor", draw):
        return denoised(scheduler, steps, given, options, draw)


def denoised(scheduler, steps: int, given: dict, options: dict, draw: Recorded) -> torch.Tensor:
    """The inference loop of the inpaint pipeline, with the network's answers instead of a U-Net's."""
    scheduler.set_timesteps(steps)
    t_start = steps - min(int(steps * options.get("strength", 1.0)), steps)
    timesteps = scheduler.timesteps[t_start:]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(t_start)
    if t_start == 0:
        x = given["x_T"] * scheduler.init_noise_sigma
    else:
        x = scheduler.add_noise(given["clean"], given["x_T"], timesteps[:1])

    for i, t in enumerate(timesteps):
        output = network(scheduler.scale_model_input(x, t), t)
        more = {"eta": options["eta"], "variance_noise": draw()} if "eta" in options else {}
        x = scheduler.step(output, t, x, return_dict=False, **more)[0]
        if options.get("blend"):
            kept = given["clean"]
            if i + 1 < len(timesteps):
                kept = scheduler.add_noise(kept, given["x_T"], timesteps[i + 1 : i + 2])
            x = (1 - given["edit_mask"]) * kept + given["edit_mask"] * x
    return x


def grids() -> dict[str, torch.Tensor]:
    """Timesteps (and sigmas) for all of GRID_STEPS, one after the other."""
    tensors = {}
    classes = {**CLASSES, "euler-karras": EulerDiscreteScheduler}
    for sampler, scheduler_class in classes.items():
        more = KARRAS if sampler.endswith("-karras") else {}
        for name, place in [("leading", LEADING), ("trailing", TRAILING), ("linspace", LINSPACE)]:
            scheduler = scheduler_class.from_config({**SD, **place, **more})
            timesteps, sigmas = [], []
            for steps in GRID_STEPS:
                scheduler.set_timesteps(steps)
                timesteps.append(scheduler.timesteps.float())
                if hasattr(scheduler, "sigmas"):
                    sigmas.append(scheduler.sigmas[:-1].float())
            key = f"grid/{sampler}/{name}"
            tensors[f"{key}/timesteps"] = torch.cat(timesteps)
            if sigmas:
                tensors[f"{key}/sigmas"] = torch.cat(sigmas)
    return tensors


def chacha8_words(key: bytes, stream: int, n_words: int) -> list[int]:
    """ChaCha with 8 rounds, from its definition (Bernstein 2008; RFC 8439 with a 64-bit counter)."""

    def rotate(x: int, by: int) -> int:
        return ((x << by) | (x >> (32 - by))) & 0xFFFFFFFF

    words: list[int] = []
    for counter in range(-(-n_words // 16)):
        start = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key)]
        start += struct.unpack("<4I", struct.pack("<QQ", counter, stream))
        x = list(start)

        def quarter(a, b, c, d):
            for into, other, target, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                x[into] = (x[into] + x[other]) & 0xFFFFFFFF
                x[target] = rotate(x[target] ^ x[into], by)

        for _ in range(4):
            for i in range(4):
                quarter(i, 4 + i, 8 + i, 12 + i)
            for i in range(4):
                quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
        words += [(a + b) & 0xFFFFFFFF for a, b in zip(x, start)]
    return words[:n_words]


def seeded_noise(seed: int, draw: int, n: int) -> torch.Tensor:
    """The noise that crates/diffusion/src/noise.rs defines in words."""
    key = struct.pack("<Q", seed) + b"byteedit latent noise v1"
    words = chacha8_words(key, draw, 2 * (n + n % 2))
    uniform = [(((high << 32 | low) >> 12) + 0.5) * 2.0**-52 for low, high in zip(words[::2], words[1::2])]
    values = []
    for u1, u2 in zip(uniform[::2], uniform[1::2]):
        radius = math.sqrt(-2 * math.log(u1))
        values += [radius * math.cos(2 * math.pi * u2), radius * math.sin(2 * math.pi * u2)]
    return torch.from_numpy(np.array(values[:n]).astype(np.float32))


def main() -> None:
    torch.manual_seed(SEED)
    given = {
        "x_T": torch.randn(SHAPE),
        "clean": torch.randn(SHAPE),
        "noise": torch.randn(N_NOISES, *SHAPE),
        "edit_mask": (torch.rand(SHAPE[0], 1, *SHAPE[2:]) > 0.5).float(),
    }
    tensors, cases = dict(given), []
    for index, (sampler, steps, config, options) in enumerate(CASES):
        scheduler = CLASSES[sampler].from_config({**SD, **config})
        name = f"case/{index:02d}"
        tensors[name] = trajectory(scheduler, steps, given, options)
        config = scheduler.to_json_string()  # the text that save_pretrained writes
        cases.append({"tensor": name, "sampler": sampler, "steps": steps, "config": config, **options})

    negative, positive = torch.randn(SHAPE), torch.randn(SHAPE)
    guided = negative + 7.5 * (positive - negative)
    tensors |= {
        "guidance/negative": negative,
        "guidance/positive": positive,
        "guidance/rescaled": rescale_noise_cfg(guided, positive, guidance_rescale=0.7),
    }
    timesteps = torch.tensor([10, 900])
    ddim = DDIMScheduler.from_config(SD)
    tensors |= {
        "forward/x_t": ddim.add_noise(given["clean"], given["x_T"], timesteps),
        "forward/velocity": ddim.get_velocity(given["clean"], given["x_T"], timesteps),
    }
    for seed, draw in [(0, 0), (17, 3), (2**64 - 1, 2**40)]:
        tensors[f"seeded/{seed}/{draw}"] = seeded_noise(seed, draw, 99)
    tensors |= grids()

    GOLDEN.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, GOLDEN / "samplers.safetensors")
    text = json.dumps({"grid_steps": GRID_STEPS, "cases": cases}, indent=1)
    (GOLDEN / "cases.json").write_text(text + "\n")
    for case in cases:
        final = tensors[case["tensor"]]
        print(case["tensor"], case["sampler"], case["steps"], f"std {final.std():.3f} max {final.abs().max():.2f}")


if __name__ == "__main__":
    main()
