"""diffusers' networks, of random weights, without gradients."""

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

TIMESTEP = 501


class Unet:
    has_pixels = True

    def __init__(self, shape):
        config, batch, side = shape["config"], shape["batch"], shape["latent_side"]
        self.unet = UNet2DConditionModel.from_config(config).eval()
        self.sample = torch.randn(batch, config["in_channels"], side, side)
        self.context = torch.randn(batch, shape["n_tokens"], config["cross_attention_dim"])

    def use(self, memory_format):
        self.unet.to(memory_format=memory_format)
        self.sample = self.sample.contiguous(memory_format=memory_format)

    @torch.inference_mode()
    def run(self):
        self.unet(self.sample, TIMESTEP, self.context)


class Vae:
    has_pixels = True

    def __init__(self, shape):
        config, batch, side = shape["config"], shape["batch"], shape["side"]
        self.vae = AutoencoderKL.from_config(config).eval()
        if shape["part"] == "encode":
            self.pass_through, self.input = self.vae.encode, torch.rand(batch, 3, side, side) * 2 - 1
        else:
            side //= 2 ** (len(config["block_out_channels"]) - 1)
            self.pass_through = self.vae.decode
            self.input = torch.randn(batch, config["latent_channels"], side, side)

    def use(self, memory_format):
        self.vae.to(memory_format=memory_format)
        self.input = self.input.contiguous(memory_format=memory_format)

    @torch.inference_mode()
    def run(self):
        self.pass_through(self.input)
