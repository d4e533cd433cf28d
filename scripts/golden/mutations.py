"""How far each classic mistake moves the golden outputs: `python scripts/golden/mutations.py`.

A golden value is worth having only if a wrong detail shows in it. Every row is one mistake made on
purpose in the reference model; the figure is the relative L2 distance from the right output, to be
read beside the tolerance of the tests (1e-4) and PyTorch's own f32 rounding (1e-6). Of a step of
feedback learning it is the largest over all stored values, beside 1e-6 in f64 and 1e-3 in f32.
"""

import inspect
from unittest import mock

import torch
from torch.nn import GroupNorm, LayerNorm
from torch.nn import functional as F

import pefl
import text
import unet
import vae

GELU, INTERPOLATE, ATTENTION = F.gelu, F.interpolate, F.scaled_dot_product_attention


def set_eps(kind, old: float, new: float):
    """Replaces one epsilon by another in every norm of a kind that has it."""

    def mutate(model):
        norms = [m for m in model.modules() if isinstance(m, kind) and m.eps == old]
        assert norms, "the mutation found nothing to change"
        for norm in norms:
            norm.eps = new

    return mutate


def patch(target: str, replacement):
    """Replaces a function of PyTorch while the mutated model runs."""

    def mutate(_model):
        return mock.patch(target, replacement)

    return mutate


def heads_are_head_size(model):
    for module in model.modules():
        if hasattr(module, "to_q") and hasattr(module, "heads"):
            module.heads = module.to_q.out_features // module.heads
            module.scale = (module.to_q.out_features // module.heads) ** -0.5


def two_heads(model):
    """The VAE attends with a single head."""
    for module in model.modules():
        if hasattr(module, "to_q") and hasattr(module, "heads"):
            module.heads = 2


def swap_gate(model):
    for name, module in model.named_modules():
        if name.endswith("ff.net.0.proj"):
            for parameter in module.parameters():
                parameter.data = torch.cat(parameter.data.chunk(2)[::-1])


def swap_skips(model):
    """Takes the skip connections of an up block in the order in which they were made."""
    for block in model.up_blocks:
        right = block.forward

        def wrong(*args, right=right, **kwargs):
            skips = kwargs["res_hidden_states_tuple"]
            if len({skip.shape for skip in skips}) == 1:
                kwargs["res_hidden_states_tuple"] = skips[::-1]
            return right(*args, **kwargs)

        block.forward = wrong


def shift_padding(model):
    """Pads the U-Net's downsamplers as the VAE's, after and below only."""
    for name, module in model.named_modules():
        if name.endswith("downsamplers.0.conv"):
            module.register_forward_pre_hook(lambda _m, x: (F.pad(x[0], (0, 1, 0, 1)),))
            module.padding = (0, 0)


def centre_padding(model):
    """Pads the VAE's downsamplers as the U-Net's, on all four sides."""
    for name, module in model.named_modules():
        if name.endswith("downsamplers.0"):
            module.padding = 1
            module.conv.padding = (1, 1)


def swap_sine_and_cosine(model):
    model.time_proj.flip_sin_to_cos = not model.time_proj.flip_sin_to_cos


def other_freq_shift(model):
    """Frequencies over half - 1 for half, or the reverse."""
    model.time_proj.downscale_freq_shift = 1 - model.time_proj.downscale_freq_shift


def without(name: str):
    def mutate(model):
        setattr(model, name, torch.nn.Identity())

    return mutate


class Activation(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.forward = function


def activation(function):
    def mutate(model):
        for layer in model.encoder.layers:
            layer.mlp.activation_fn = Activation(function)

    return mutate


def bilinear(x, *args, **kwargs):
    return INTERPOLATE(x, scale_factor=2.0, mode="bilinear")


def unmasked_attention(query, key, value, **kwargs):
    return ATTENTION(query, key, value, scale=kwargs.get("scale"))


def tanh_gelu(x, approximate="none"):
    return GELU(x, approximate="tanh")


UNET = {
    "attention_head_dim read as the size of a head": heads_are_head_size,
    "GELU by its tanh approximation": patch("torch.nn.functional.gelu", tanh_gelu),
    "GEGLU: gate and value swapped": swap_gate,
    "residual norms: eps 1e-6 for 1e-5": set_eps(GroupNorm, 1e-5, 1e-6),
    "transformer group norm: eps 1e-5 for 1e-6": set_eps(GroupNorm, 1e-6, 1e-5),
    "layer norms: eps 1e-6 for 1e-5": set_eps(LayerNorm, 1e-5, 1e-6),
    "time embedding: sine and cosine swapped": swap_sine_and_cosine,
    "time embedding: frequencies over half - 1 for half": other_freq_shift,
    "skips of a level in the wrong order": swap_skips,
    "downsampler padded on one side": shift_padding,
    "upsampler bilinear": patch("torch.nn.functional.interpolate", bilinear),
}
VAE = {
    "norms: eps 1e-5 for 1e-6": set_eps(GroupNorm, 1e-6, 1e-5),
    "downsampler padded on all sides": centre_padding,
    "two heads in the middle": two_heads,
    "no quant_conv": without("quant_conv"),
    "no post_quant_conv": without("post_quant_conv"),
    "upsampler bilinear": patch("torch.nn.functional.interpolate", bilinear),
}
TEXT = {
    "no causal mask": patch("torch.nn.functional.scaled_dot_product_attention", unmasked_attention),
    "layer norms: eps 1e-6 for 1e-5": set_eps(LayerNorm, 1e-5, 1e-6),
    "GELU by its tanh approximation": activation(tanh_gelu),
    "GELU exact": activation(GELU),
    "GELU by x sigmoid(1.702 x)": activation(lambda x: x * torch.sigmoid(1.702 * x)),
}

# What `pefl.run` says, and what a mistake would say in its place.
STEP = {
    "noised from the whole picture": ("start.sqrt() * z_cond", "start.sqrt() * networks.latents(x)"),
    "one step too few without a gradient": ("range(first_step, t_prime, -1)", "range(first_step, t_prime + 1, -1)"),
    "a gradient through all steps": ("with torch.no_grad():", "if True:"),
    "timesteps of leading spacing": ("round(1000 * k / n_steps) - 1", "round(1000 * (k - 1) / n_steps) + 1"),
    "R_alpha shown numbers from -1 to 1": ('"aesthetic", prompts, unit(g)', '"aesthetic", prompts, g'),
    "R_alpha shown clamped pixels": ('"aesthetic", prompts, unit(g)', '"aesthetic", prompts, unit(g).clamp(0, 1)'),
    "max(0, 2 - R) for -log sigma(R)": (
        'softplus(-networks.score("aesthetic", prompts, unit(g)))',
        '(2 - networks.score("aesthetic", prompts, unit(g))).clamp(min=0)',
    ),
    "R_beta asked without a prompt": ("(prompted * softplus", "(softplus"),
    "four depths of VGG": ("torch.stack(distances)", "torch.stack(distances[:4])"),
    "-log sigma of the mean logit": (
        "softplus(-networks.coherent(unit(g))).mean()",
        "softplus(-networks.coherent(unit(g)).mean())",
    ),
    "the adversary inside w_pefl": ("(W_ADV, ", "(W_PEFL * W_ADV, "),
    "squared distance for |x - G|": ("(x - g).abs()", "(x - g).square()"),
    "labels of the adversary swapped": ("softplus(fake)", "softplus(-fake)"),
    "true pictures left out of the adversary": ("softplus(-networks.coherent(unit(x))).mean() + ", ""),
}


def distance(right, wrong) -> float:
    return max(((w - r).norm() / r.norm()).item() for r, w in zip(right, wrong))


def run_mutated(build, run, mutate):
    model = build().double()
    context = mutate(model)
    if context is None:
        return run(model)
    with context:
        return run(model)


def table(case: str, build, run, mutations: dict) -> None:
    right = run(build().double())
    for name, mutate in mutations.items():
        error = distance(right, run_mutated(build, run, mutate))
        # One of the activations is the right one, and vae_mini has no attention.
        print(f"| {case} | {name} | {f'{error:.0e}' if error > 0 else 'does not apply'} |")


def step_table() -> None:
    networks = pefl.Networks(pefl.case_folder(pefl.CASE, pefl.CRATE), torch.float64)
    source = inspect.getsource(pefl.run)
    for case in pefl.CASES:
        right = pefl.run(networks, case, torch.float64)
        for name, (today, mistaken) in STEP.items():
            assert source.count(today) == 1, today
            mutated = dict(vars(pefl))
            exec(source.replace(today, mistaken), mutated)
            error = distance(right.values(), mutated["run"](networks, case, torch.float64).values())
            print(f"| {case} | {name} | {f'{error:.0e}' if error > 0 else 'does not apply'} |")


def main() -> None:
    print("| case | mistake | relative L2 |\n|---|---|---|")
    for case in unet.CASES:
        model = unet.build(case)
        batch = unet.inputs(model, case, *unet.CALLS[0])
        table(case, lambda: unet.build(case), lambda m: [unet.run(m, *batch)], UNET)
    for case in vae.CASES:
        table(case, lambda: vae.build(case), lambda m: vae.run(m, *vae.inputs(case)), VAE)
    for case in text.CASES:
        ids = next(iter(text.calls(case).values()))
        table(case, lambda: text.build(case), lambda m: text.run(m, ids), TEXT)
    step_table()


if __name__ == "__main__":
    main()
