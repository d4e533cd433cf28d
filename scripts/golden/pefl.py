"""Golden values of a step of feedback learning and of its adversary: `python scripts/golden/pefl.py`.

Written from the equations of the method (ByteEdit, arXiv 2404.04860), not from our code: tiny networks of diffusers
and transformers, everything else by hand in f64. Where the paper is silent, as our preset of its numbers says:

    z_T1     = sqrt(abar) E(x (1 - m)) + sqrt(1 - abar) noise                      stage 1
    z_k-1    = DDIM(z_k, eps(z_k)), eta = 0, for k = T1 .. t' + 1                  stage 2, without a gradient
    G        = D((z_t' - sqrt(1 - abar) eps(z_t')) / sqrt(abar))                   stage 3, the one call with a gradient
    feedback = w_pefl (mean softplus(-R_alpha(c, G)) + mean softplus(-R_beta(c, G)) + eta (|x - G|_1 + |V(x) - V(G)|_1))
             + w_adv mean softplus(-R_gamma(G))                                    over pixels
    L_G      = w_diffusion |eps(noised x) - noise|^2 + feedback
    L_D      = mean softplus(-R_gamma(x)) + mean softplus(R_gamma(G)),             G without a gradient
"""

import json
from pathlib import Path

import numpy
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import mse_loss, softplus
from transformers import BlipConfig, Dinov2Config, Dinov2Model

import rewards
import text
import tokenizer_bert
from checkpoint import case_folder, normal, randomise, save_expected

SEED = 7
CRATE, CASE = "train", "pefl"
# Pixels and latents of a side.
SIDE, LATENT_SIDE = 32, 8
LATENTS = (2, 4, LATENT_SIDE, LATENT_SIDE)

# The paper's numbers (Section 4.1), with a diffusion loss beside them, and eta, which it does not print.
W_DIFFUSION, W_PEFL, W_ADV, ETA = 1.0, 0.01, 0.05, 1.0

# T, T1 and t' by case, and what was asked for; without a prompt R_beta has no say.
CASES = {
    "quality": (20, 15, 9, ["a red apple on the table", "a photo of the cat"]),
    "speed": (8, 6, 2, ["a red apple on the table", ""]),
}
# Of the text encoder, whose vocabulary is numbers.
WORDS = {"a red apple on the table": [5, 17, 17, 90], "a photo of the cat": list(range(30, 36)), "": []}
# Timesteps of the diffusion loss.
DIFFUSION_TIMESTEPS = (261, 812)

UNET = {
    "in_channels": 9,
    "out_channels": 4,
    "block_out_channels": (8, 12),
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "norm_num_groups": 4,
    "cross_attention_dim": text.BASE["hidden_size"],
    "attention_head_dim": 2,
    "layers_per_block": 1,
    "sample_size": LATENT_SIDE,
}
VAE = {
    "block_out_channels": (4, 8, 8),
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "norm_num_groups": 4,
    "latent_channels": 4,
    "layers_per_block": 1,
    "sample_size": SIDE,
    # So that the latents of a picture have a deviation near 1.
    "scaling_factor": 0.5,
}
REWARD_SIDE, MAX_LENGTH = 20, 12
BLIP = {
    "text_config": {
        "max_position_embeddings": MAX_LENGTH,
        "hidden_size": 12,
        "encoder_hidden_size": 12,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    },
    "vision_config": {
        "hidden_size": 12,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 3,
        "image_size": REWARD_SIDE,
        "patch_size": 5,
        "layer_norm_eps": rewards.VISION_EPS,
    },
    "image_text_hidden_size": 4,
}
# Raw scores are brought near 0 by these, which the configuration holds.
STANDARDISATION = {"aesthetic": {"mean": -0.75, "std": 0.25}, "alignment": {"mean": -9.0, "std": 0.125}}
COHERENT_SIDE, PATCH = 24, 4
DINO = {
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "image_size": COHERENT_SIDE,
    "patch_size": PATCH,
}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = (rewards.CHANNEL_MEAN, rewards.CHANNEL_STD)

UNET_PARAMETERS = (
    "conv_in.weight",
    "time_embedding.linear_1.weight",
    "down_blocks.0.resnets.0.conv1.weight",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight",
    "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight",
    "mid_block.resnets.1.norm2.weight",
    "up_blocks.1.resnets.0.time_emb_proj.weight",
    "conv_out.weight",
    "conv_out.bias",
)
COHERENT_PARAMETERS = (
    "body.embeddings.patch_embeddings.projection.weight",
    "body.encoder.layer.0.mlp.fc1.weight",
    "body.layernorm.weight",
    "head.fc1.weight",
    "head.fc2.bias",
)


class TimeFeatures(nn.Module):
    """Ho et al. 2020, Appendix B. diffusers computes them in f32, which is too coarse for a comparison in f64."""

    def __init__(self, channels: int):
        super().__init__()
        self.half = channels // 2

    def forward(self, timesteps: torch.Tensor) -> torch.Tensor:
        frequencies = 10_000.0 ** (-torch.arange(self.half, dtype=torch.float64) / self.half)
        angles = timesteps.double()[:, None] * frequencies
        return torch.cat([angles.cos(), angles.sin()], 1)


class Coherent(nn.Module):
    """DINOv2's patches, a perceptron for each, its numbers laid out as the patch's pixels."""

    def __init__(self):
        super().__init__()
        self.body = Dinov2Model(Dinov2Config(**DINO))
        width = DINO["hidden_size"]
        self.head = nn.ModuleDict({"fc1": nn.Linear(width, width), "fc2": nn.Linear(width, PATCH * PATCH)})

    def forward(self, unit: torch.Tensor) -> torch.Tensor:
        patches = self.body(pixel_values=seen_by(unit, COHERENT_SIDE, IMAGENET)).last_hidden_state[:, 1:]
        numbers = self.head["fc2"](nn.functional.gelu(self.head["fc1"](patches)))
        grid = COHERENT_SIDE // PATCH
        maps = nn.functional.pixel_shuffle(numbers.mT.reshape(-1, PATCH * PATCH, grid, grid), PATCH)
        return resized(maps, SIDE, "bilinear")


def keys(value: torch.Tensor) -> torch.Tensor:
    """Keys' cubic with a = -0.5, Pillow's bicubic."""
    d = value.abs()
    near, far = (1.5 * d - 2.5) * d * d + 1.0, ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
    return torch.where(d < 1.0, near, torch.where(d < 2.0, far, 0.0))


def triangle(value: torch.Tensor) -> torch.Tensor:
    return (1.0 - value.abs()).clamp(min=0.0)


FILTERS = {"bicubic": (keys, 2.0), "bilinear": (triangle, 1.0)}


def resize_matrix(n: int, to: int, name: str) -> torch.Tensor:
    """`[to, n]`: Pillow's antialiased resize, the filter stretched by the reduction, rows that sum to 1."""
    kernel, support = FILTERS[name]
    scale = n / to
    stretch = max(scale, 1.0)
    matrix = torch.zeros(to, n, dtype=torch.float64)
    for i in range(to):
        center = (i + 0.5) * scale
        first = max(int(center - support * stretch + 0.5), 0)
        last = min(int(center + support * stretch + 0.5), n)
        weights = kernel((torch.arange(first, last, dtype=torch.float64) + 0.5 - center) / stretch)
        matrix[i, first:last] = weights / weights.sum()
    return matrix if n != to else torch.eye(n, dtype=torch.float64)


def resized(pictures: torch.Tensor, side: int, name: str) -> torch.Tensor:
    matrix = resize_matrix(pictures.shape[-1], side, name).to(pictures.dtype)
    return matrix @ pictures @ matrix.T


def check_resize() -> None:
    """Our matrices against Pillow's own f32."""
    for n, to, name in (
        (SIDE, REWARD_SIDE, "bicubic"),
        (SIDE, COHERENT_SIDE, "bicubic"),
        (COHERENT_SIDE, SIDE, "bilinear"),
    ):
        picture = normal((n, n), SEED, "resize")
        image = Image.fromarray(picture.float().numpy()).resize((to, to), Image.Resampling[name.upper()])
        error = (torch.from_numpy(numpy.asarray(image).copy()).double() - resized(picture, to, name)).abs().max()
        assert error < 1e-6, f"{name} from {n} to {to}: {error}"


def seen_by(unit: torch.Tensor, side: int, channels: tuple) -> torch.Tensor:
    """What a network is shown of pictures from 0 to 1."""
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None].to(unit.dtype) for values in channels)
    return (resized(unit, side, "bicubic") - mean) / std


class Networks:
    """All of them, from their files."""

    def __init__(self, folder: Path, dtype: torch.dtype):
        def frozen(module: nn.Module) -> nn.Module:
            return module.to(dtype).eval().requires_grad_(False)

        self.unet = UNet2DConditionModel.from_pretrained(folder / "unet").to(dtype).eval()
        self.unet.time_proj = TimeFeatures(UNET["block_out_channels"][0])
        self.vae = frozen(AutoencoderKL.from_pretrained(folder / "vae"))
        self.text = frozen(text.build("clip_text_sd15"))
        self.words = tokenizer_bert.load(folder / "aesthetic")
        self.rewards = {name: frozen(reward_from(folder / name, len(self.words))) for name in STANDARDISATION}
        self.coherent = Coherent()
        self.coherent.load_state_dict(renamed_back(load_file(folder / "coherent" / "model.safetensors")))
        self.coherent = self.coherent.to(dtype).eval()
        self.vgg = frozen(vgg())

    def latents(self, pixels: torch.Tensor) -> torch.Tensor:
        """The posterior's mean, scaled."""
        return self.vae.encode(pixels).latent_dist.mean * VAE["scaling_factor"]

    def pixels(self, latents: torch.Tensor) -> torch.Tensor:
        return self.vae.decode(latents / VAE["scaling_factor"]).sample

    def score(self, name: str, prompts: list[str], unit: torch.Tensor) -> torch.Tensor:
        call = {"padding": "max_length", "truncation": True, "max_length": MAX_LENGTH, "return_tensors": "pt"}
        words = self.words(prompts, **call)
        raw = self.rewards[name](words.input_ids, words.attention_mask, seen_by(unit, REWARD_SIDE, CLIP))
        return (raw - STANDARDISATION[name]["mean"]) / STANDARDISATION[name]["std"]

    def features(self, unit: torch.Tensor) -> list[torch.Tensor]:
        x, tapped = seen_by(unit, SIDE, IMAGENET), []
        for place, layer in enumerate(self.vgg):
            x = layer(x)
            if place in rewards.VGG_TAPS:
                tapped.append(x)
        return tapped


def reward_from(folder: Path, n_words: int) -> rewards.ImageReward:
    reward = rewards.ImageReward(BlipConfig(**blip_settings(n_words)))
    missing, unused = reward.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    assert not unused and all("position_ids" in name for name in missing), (missing, unused)
    return reward


def blip_settings(n_words: int) -> dict:
    settings = json.loads(json.dumps(BLIP))
    settings["text_config"]["vocab_size"] = n_words
    return settings


def vgg() -> nn.Sequential:
    """The one of `rewards.py`, from its file."""
    layers, width = [], 3
    for item in rewards.VGG_PLAN:
        if item == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(width, item * rewards.VGG_WIDTH, 3, padding=1), nn.ReLU()]
            width = item * rewards.VGG_WIDTH
    network, stored = nn.Sequential(*layers), load_file(case_folder("vgg16") / "model.safetensors")
    prefix = "features."
    network.load_state_dict({key[len(prefix):]: value for key, value in stored.items() if key.startswith(prefix)})
    return network


# Names of transformers 5 in a layer of DINOv2, and those that files have.
DINO_NAMES = {
    ".attention.q_proj.": ".attention.attention.query.",
    ".attention.k_proj.": ".attention.attention.key.",
    ".attention.v_proj.": ".attention.attention.value.",
    ".attention.o_proj.": ".attention.output.dense.",
}


def renamed_back(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    names = set(Coherent().state_dict())
    back = rewards.renamed(state, {file: today for today, file in DINO_NAMES.items()})
    return back if set(back) == names else state


def write_networks(folder: Path) -> None:
    """Weights that f16 holds, in half the bytes."""
    half = torch.float16
    randomise(UNet2DConditionModel(**UNET), SEED, half).half().save_pretrained(folder / "unet")
    randomise(AutoencoderKL(**VAE), SEED, half).half().save_pretrained(folder / "vae")

    def save(name: str, module: nn.Module, names: dict[str, str], config: dict) -> None:
        (folder / name).mkdir(exist_ok=True)
        state = rewards.renamed(module.half().state_dict(), names)
        save_file({key: value.contiguous() for key, value in state.items()}, folder / name / "model.safetensors",
                  metadata={"format": "pt"})
        (folder / name / "config.json").write_text(json.dumps(config, indent=2) + "\n")

    for name, standardisation in STANDARDISATION.items():
        (folder / name).mkdir(exist_ok=True)
        tokenizer_bert.write_vocabulary(folder / name)
        settings = blip_settings(len(tokenizer_bert.load(folder / name)))
        config = {
            "blip_config": settings,
            "mlp_widths": rewards.MLP_WIDTHS,
            "max_length": MAX_LENGTH,
            "standardisation": standardisation,
        }
        reward = rewards.ImageReward(BlipConfig(**settings))
        # Weights are drawn by their names, which so begin with the reward's.
        randomise(nn.ModuleDict({name: reward}), SEED, half)
        save(name, reward, {}, config)
    coherent = randomise(Coherent(), SEED, half)
    save("coherent", coherent, DINO_NAMES, {"dinov2_config": DINO, "side": COHERENT_SIDE})


def masks() -> torch.Tensor:
    """A box, and all but a window; whole latents, so that there is one way to make them smaller."""
    edit_mask = torch.zeros(2, 1, LATENT_SIDE, LATENT_SIDE, dtype=torch.float64)
    edit_mask[0, :, 2:6, 3:7] = 1.0
    edit_mask[1] = 1.0
    edit_mask[1, :, 1:6, 2:8] = 0.0
    return edit_mask


def truth() -> torch.Tensor:
    """Waves in three colours with a little noise, in steps of 1 / 256."""
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    phases = normal((2, 3, 2, 1, 1), SEED, "truth")
    waves = torch.sin(rows / 5 + 3 * phases[:, :, 0]) * torch.cos(columns / 7 + 3 * phases[:, :, 1])
    noisy = 0.7 * waves + 0.1 * normal((2, 3, SIDE, SIDE), SEED, "grain")
    return (256 * noisy.clamp(-1, 1)).round() / 256


def ids(prompts: list[str]) -> torch.Tensor:
    return torch.tensor([text.padded(WORDS[prompt], text.END) for prompt in prompts])


def noise(name: str) -> torch.Tensor:
    """Numbers that f32 holds."""
    return normal(LATENTS, SEED, name).float().double()


def unit(pixels: torch.Tensor) -> torch.Tensor:
    """From [-1, 1] to [0, 1]."""
    return (pixels + 1) / 2


def alpha_bars() -> torch.Tensor:
    """Scaled linear, 1000 steps."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1.0 - betas, 0)


def run(networks: Networks, case: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Everything of one step, by name."""
    n_steps, first_step, t_prime, prompts = CASES[case]
    x, mask = truth().to(dtype), masks().to(dtype)
    pixel_mask = mask.repeat_interleave(4, 2).repeat_interleave(4, 3)
    abar = alpha_bars()
    context = networks.text(input_ids=ids(prompts)).last_hidden_state
    z_cond = networks.latents(x * (1 - pixel_mask))

    def timestep(k: int) -> int:
        return round(1000 * k / n_steps) - 1

    def eps(z: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        return networks.unet(torch.cat([z, mask, z_cond], 1), timesteps, encoder_hidden_states=context).sample

    def at(k: int) -> torch.Tensor:
        return torch.full((2,), timestep(k))

    start = abar[timestep(first_step)]
    z = start.sqrt() * z_cond + (1 - start).sqrt() * noise(f"{case} rollout").to(dtype)
    with torch.no_grad():
        for k in range(first_step, t_prime, -1):
            here, there, e = abar[timestep(k)], abar[timestep(k - 1)], eps(z, at(k))
            z_0 = (z - (1 - here).sqrt() * e) / here.sqrt()
            z = there.sqrt() * z_0 + (1 - there).sqrt() * e
    here = abar[timestep(t_prime)]
    z_0 = (z - (1 - here).sqrt() * eps(z, at(t_prime))) / here.sqrt()
    g = networks.pixels(z_0)

    prompted = torch.tensor([float(prompt != "") for prompt in prompts], dtype=dtype)
    features = zip(networks.features(unit(g)), networks.features(unit(x)))
    distances = [(seen - wanted).abs().mean() for seen, wanted in features]
    terms = {
        "aesthetic": (W_PEFL, softplus(-networks.score("aesthetic", prompts, unit(g))).mean()),
        "alignment": (W_PEFL, (prompted * softplus(-networks.score("alignment", prompts, unit(g)))).mean()),
        "l1": (W_PEFL * ETA, (x - g).abs().mean()),
        "vgg": (W_PEFL * ETA, torch.stack(distances).mean()),
        "coherent": (W_ADV, softplus(-networks.coherent(unit(g))).mean()),
    }
    feedback = sum(weight * term for weight, term in terms.values())

    clean, clean_noise = networks.latents(x), noise(f"{case} diffusion").to(dtype)
    levels = abar[list(DIFFUSION_TIMESTEPS)][:, None, None, None]
    noised = (levels.sqrt() * clean + (1 - levels).sqrt() * clean_noise).to(dtype)
    diffusion = mse_loss(eps(noised, torch.tensor(DIFFUSION_TIMESTEPS)), clean_noise)
    editor = W_DIFFUSION * diffusion + feedback

    fake = networks.coherent(unit(g.detach()))
    adversary = softplus(-networks.coherent(unit(x))).mean() + softplus(fake).mean()

    found = {"pixels": g, "x_t": z, "z_0": z_0, "diffusion": diffusion, "feedback": feedback, "editor": editor,
             "adversary": adversary}
    for name, (weight, term) in terms.items():
        (slope,) = torch.autograd.grad(weight * term, g, retain_graph=True)
        found |= {f"term.{name}": term, f"slope.{name}": slope.norm() / len(prompts) ** 0.5}
    ours, theirs = dict(networks.unet.named_parameters()), dict(networks.coherent.named_parameters())
    for loss, of, parameters, names in (
        ("feedback", feedback, ours, UNET_PARAMETERS),
        ("diffusion", diffusion, ours, UNET_PARAMETERS),
        ("adversary", adversary, theirs, COHERENT_PARAMETERS),
    ):
        gradients = torch.autograd.grad(of, [parameters[name] for name in names], retain_graph=True)
        found |= {f"{loss}.{name}": gradient.flatten() for name, gradient in zip(names, gradients)}
    return {f"{case}.{name}": (x if x.dim() else x[None]).detach() for name, x in found.items()}


def inputs() -> dict[str, torch.Tensor]:
    tensors = {"truth": truth(), "edit_mask": masks(), "timesteps": torch.tensor(DIFFUSION_TIMESTEPS)}
    for case, (_, _, _, prompts) in CASES.items():
        tensors |= {f"{case}.ids": ids(prompts)}
        tensors |= {f"{case}.{name}_noise": noise(f"{case} {name}") for name in ("rollout", "diffusion")}
    return tensors


def main() -> None:
    check_resize()
    folder = case_folder(CASE, CRATE)
    write_networks(folder)
    tensors = inputs()
    double, single = Networks(folder, torch.float64), Networks(folder, torch.float32)
    for case in CASES:
        exact, rounded = run(double, case, torch.float64), run(single, case, torch.float32)
        tensors |= exact
        for name, value in exact.items():
            error = (rounded[name].double() - value).norm() / value.norm()
            size = value.norm() / value.numel() ** 0.5
            print(f"{name}: {size:.4g}, f32 error {error:.1e}")
    save_expected(folder, tensors)
    print(f"{sum(f.stat().st_size for f in folder.rglob('*') if f.is_file()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
