"""A step of feedback learning as `train pefl` makes it: rollout, one call with a gradient, decoder, rewards, branches.

Checkpointing is diffusers' own, which keeps the inputs of residual blocks and transformers of the U-Net, and those of
whole levels of the decoder. The text is encoded once, since nothing of its encoder learns.
"""

import time

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from peer_rewards import ClipReward, CoherentReward, ImageReward
from peer_training import Step

REWARDS = {"image_reward": ImageReward, "clip_reward": ClipReward, "coherent_reward": CoherentReward}


class Branched(torch.nn.Module):
    """A linear map and beside it a low-rank branch that learns (Hu et al. 2022, arXiv 2106.09685); it starts at 0."""

    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear, self.scale = linear, alpha / rank
        self.down = torch.nn.Linear(linear.in_features, rank, bias=False)
        self.up = torch.nn.Linear(rank, linear.out_features, bias=False)
        torch.nn.init.zeros_(self.up.weight)

    def forward(self, x):
        return torch.add(self.linear(x), self.up(self.down(x)), alpha=self.scale)


def attach(network, rank, alpha, target_modules):
    """Puts branches beside the layers whose names end so."""
    ends = tuple("." + target for target in target_modules)
    for name in [name for name, _ in network.named_modules() if name.endswith(ends)]:
        parent, _, key = name.rpartition(".")
        linear = network.get_submodule(name)
        setattr(network.get_submodule(parent), key, Branched(linear, rank, alpha))


class Pefl(Step):
    def __init__(self, shape):
        # The rest of the method, which `bench pefl` leaves out.
        rollout, loss = shape["rollout"], shape["loss"]
        assert rollout["start"] == "masked_input" and not rollout["full_range"], rollout
        assert rollout["guidance_scale"] <= 1 and rollout["temperature"] == 1, rollout
        assert not loss["pastes"] and loss["reward_noise"] == loss["w_diffusion"] == 0, loss

        batch, side, channels = shape["batch"], shape["side"], shape["unet"]["out_channels"]
        self.unet = UNet2DConditionModel.from_config(shape["unet"]).requires_grad_(False)
        self.vae = AutoencoderKL.from_config(shape["vae"]).requires_grad_(False)
        self.text = CLIPTextModel(CLIPTextConfig(**shape["text_encoder"])).requires_grad_(False).eval()
        attach(self.unet, **shape["lora"])
        if shape["tape"] == "inputs":
            self.unet.enable_gradient_checkpointing()
            self.vae.enable_gradient_checkpointing()
        self.start([self.unet, self.vae], shape["training"])
        self.rewards = [self.reward(reward, batch) for reward in shape["rewards"]]

        self.t, self.t_1, self.t_prime = shape["phase"]["T"], shape["phase"]["T1"], shape["t_prime"]
        self.schedule = DDIMScheduler.from_config({**shape["schedule"], "clip_sample": False})
        self.schedule.set_timesteps(self.t)

        latent_side = side // 2 ** (len(shape["vae"]["block_out_channels"]) - 1)
        self.known, self.noise = (torch.randn(batch, channels, latent_side, latent_side) for _ in range(2))
        self.mask, pixel_mask = (torch.zeros(batch, 1, n, n) for n in (latent_side, side))
        for mask in (self.mask, pixel_mask):
            mask[..., : mask.shape[-1] // 2] = 1
        self.truth = (torch.randn(batch, 3, side, side) * 0.5).clamp(-1, 1)
        self.places = pixel_mask * (loss["w_inside"] - 1) + 1
        self.ids = torch.randint(
            shape["text_encoder"]["vocab_size"], (batch, shape["text_encoder"]["max_position_embeddings"])
        )
        self.of_rewards = [loss["w_pefl"] * loss[key] for key in ("w_aesthetic", "w_alignment")]
        self.of_distance = loss["w_pefl"] * loss["eta"]

    @staticmethod
    def reward(announced, batch):
        return REWARDS[announced["kind"]]({**announced, "batch": batch, "pass": "forward"})

    def use(self, memory_format):
        super().use(memory_format)
        for reward in self.rewards:
            reward.use(memory_format)
        for name in ("known", "noise", "truth"):
            setattr(self, name, getattr(self, name).contiguous(memory_format=memory_format))

    def run(self):
        begin = time.perf_counter()
        self.x_t = self.rollout()
        between = time.perf_counter()
        super().run()
        self.parts = {"rollout": between - begin, "gradient": time.perf_counter() - between}

    @torch.no_grad()
    def rollout(self):
        """Stages 1 and 2, from the picture to step `t'`."""
        self.context = self.text(self.ids).last_hidden_state
        x = self.schedule.add_noise(self.known, self.noise, self.timestep(self.t_1)[None])
        for step in range(self.t_1, self.t_prime, -1):
            x = self.denoised(x, step).prev_sample
        return x

    def loss(self):
        """Stage 3."""
        latents = self.denoised(self.x_t, self.t_prime).pred_original_sample
        pixels = self.vae.decode(latents / self.vae.config.scaling_factor).sample
        seen = pixels * 0.5 + 0.5
        total = self.of_distance * ((pixels - self.truth).abs() * self.places).mean()
        for weight, reward in zip(self.of_rewards, self.rewards):
            shown = F.interpolate(seen, (reward.side, reward.side), mode="bicubic", antialias=True)
            total = total - weight * F.logsigmoid(reward.of(shown)).mean()
        return total

    def timestep(self, step):
        """Steps count down, from `T`."""
        return self.schedule.timesteps[self.t - step]

    def denoised(self, x, step):
        timestep = self.timestep(step)
        noise = self.unet(torch.cat([x, self.mask, self.known], 1), timestep, self.context).sample
        return self.schedule.step(noise, timestep, x)
