"""Training steps as `train base` and `train vae` make them, on one random batch."""

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel, logging
from transformers import CLIPTextConfig, CLIPTextModel

# Our schedule has a key for consistency models, which this one does not know.
logging.set_verbosity_error()


class Step:
    """Forward, backward, norm clipped, AdamW, moving average. Subclasses make `modules` and define `loss`."""

    has_pixels = True

    def start(self, modules, training):
        self.modules = torch.nn.ModuleList(modules).train()
        self.parameters = [p for p in self.modules.parameters() if p.requires_grad]
        self.max_norm, self.decay = training["max_grad_norm"], training["ema"]["decay"]
        numbers = training["optimizer"]
        decaying = [p for p in self.parameters if p.ndim > 1]
        others = [p for p in self.parameters if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decaying}, {"params": others, "weight_decay": 0.0}],
            lr=1e-4,
            betas=(numbers["beta_1"], numbers["beta_2"]),
            eps=numbers["epsilon"],
            weight_decay=numbers["weight_decay"],
            fused=True,  # the fastest of torch's three on a CPU
        )

    def use(self, memory_format):
        """What belongs to a weight has the weight's layout."""
        self.modules.to(memory_format=memory_format)
        self.averages = [p.detach().clone() for p in self.parameters]
        self.optimizer.state.clear()

    def run(self):
        loss = self.loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.max_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        torch._foreach_lerp_(self.averages, [p.detach() for p in self.parameters], 1 - self.decay)
        loss.item()


class TrainUnet(Step):
    def __init__(self, shape):
        config, batch, side = shape["unet"], shape["batch"], shape["latent_side"]
        self.unet = UNet2DConditionModel.from_config(config)
        self.text = CLIPTextModel(CLIPTextConfig(**shape["text_encoder"]))
        self.start([self.unet, self.text], shape["training"])
        self.schedule = DDPMScheduler.from_config(shape["schedule"])
        self.latents, self.noise, self.masked = (
            torch.randn(batch, config["out_channels"], side, side) for _ in range(3)
        )
        self.mask = torch.zeros(batch, 1, side, side)
        self.mask[..., : side // 2] = 1
        n_tokens = shape["text_encoder"]["max_position_embeddings"]
        self.ids = torch.randint(shape["text_encoder"]["vocab_size"], (batch, n_tokens))
        self.timesteps = torch.arange(batch) * self.schedule.config.num_train_timesteps // batch

    def loss(self):
        x_t = self.schedule.add_noise(self.latents, self.noise, self.timesteps)
        target = self.schedule.get_velocity(self.latents, self.noise, self.timesteps)
        context = self.text(self.ids).last_hidden_state
        output = self.unet(torch.cat([x_t, self.mask, self.masked], 1), self.timesteps, context).sample
        return F.mse_loss(output, target)


class TrainVae(Step):
    def __init__(self, shape):
        config, batch, side = shape["vae"], shape["batch"], shape["side"]
        self.vae = AutoencoderKL.from_config(config)
        self.start([self.vae], shape["training"])
        self.weights = shape["loss"]
        self.pixels = torch.randn(batch, 3, side, side).clamp(-1, 1)

    def use(self, memory_format):
        super().use(memory_format)
        self.pixels = self.pixels.contiguous(memory_format=memory_format)

    def loss(self):
        posterior = self.vae.encode(self.pixels).latent_dist
        error = self.vae.decode(posterior.sample()).sample - self.pixels
        red, green, blue = error.split(1, dim=1)
        terms = {
            "l1": error.abs().mean(),
            "mse": error.square().mean(),
            "gradient": error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean(),
            "chroma": (red - blue).abs().mean() + (red + blue - 2 * green).abs().mean(),
            "kl": posterior.kl().mean() / posterior.mean[0, 0].numel(),
        }
        return sum(self.weights[name] * term for name, term in terms.items())
