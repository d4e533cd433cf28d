"""Rewards on transformers' networks, of random weights: the scores alone, or with the gradient of the pixels.

As on our side, weights have no gradient, and pictures are as large as the network sees them.
"""

import torch
import torch.nn.functional as F
from transformers import BlipConfig, BlipForImageTextRetrieval, CLIPConfig, CLIPModel, Dinov2Config, Dinov2Model

CLIP_CHANNELS = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_CHANNELS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def draw(module):
    """Weights as torch draws them, also where transformers starts at nearly zero: tiny numbers are slow."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                bound = parameter[0].numel() ** -0.5
                parameter.uniform_(-bound, bound)


class Reward:
    """Scores of pictures. Subclasses name `channels`, and define `build`, the networks, and `score`."""

    has_pixels = True

    def __init__(self, shape):
        self.trains = shape["pass"] == "training"
        self.side = shape["side"]
        self.pixels = torch.rand(shape["batch"], 3, self.side, self.side)
        self.mean, self.std = (torch.tensor(values)[:, None, None] for values in self.channels)
        modules = self.build(shape["config"], shape["batch"])
        self.modules = torch.nn.ModuleList(modules).eval().requires_grad_(False)
        draw(self.modules)

    def use(self, memory_format):
        self.modules.to(memory_format=memory_format)
        self.pixels = self.pixels.detach().contiguous(memory_format=memory_format).requires_grad_(self.trains)

    def run(self):
        if self.trains:
            torch.autograd.grad(self.forward().sum(), self.pixels)
        else:
            with torch.inference_mode():
                self.forward()

    def forward(self):
        return self.of(self.pixels)

    def of(self, pixels):
        """Of pictures from 0 to 1, as large as the network sees them."""
        return self.score((pixels - self.mean) / self.std)


class ImageReward(Reward):
    """BLIP whose text encoder sees the picture, its first token, five linears."""

    channels = CLIP_CHANNELS

    def build(self, config, batch):
        blip = config["blip_config"]
        self.blip = BlipForImageTextRetrieval(BlipConfig(**blip))
        sides = [blip["text_config"]["hidden_size"], *config["mlp_widths"], 1]
        self.mlp = torch.nn.Sequential(*(torch.nn.Linear(*pair) for pair in zip(sides, sides[1:])))
        self.ids = torch.randint(blip["text_config"]["vocab_size"], (batch, config["max_length"]))
        self.seen = torch.ones_like(self.ids)
        return [self.blip, self.mlp]

    def score(self, pixels):
        picture = self.blip.vision_model(pixel_values=pixels).last_hidden_state
        tokens = self.blip.text_encoder(
            input_ids=self.ids, attention_mask=self.seen, encoder_hidden_states=picture
        ).last_hidden_state
        return self.mlp(tokens[:, 0])[:, 0]


class ClipReward(Reward):
    """CLIP's cosine of picture and text, times its scale."""

    channels = CLIP_CHANNELS

    def build(self, config, batch):
        self.clip = CLIPModel(CLIPConfig(**config))
        text = config["text_config"]
        self.ids = torch.randint(text["vocab_size"], (batch, text["max_position_embeddings"]))
        return [self.clip]

    def score(self, pixels):
        pictures = self.clip.get_image_features(pixel_values=pixels).pooler_output
        texts = self.clip.get_text_features(input_ids=self.ids).pooler_output
        return F.cosine_similarity(pictures, texts) * self.clip.logit_scale.exp()


class CoherentReward(Reward):
    """DINOv2, two linears to a logit for each pixel, their mean."""

    channels = IMAGENET_CHANNELS

    def build(self, config, batch):
        dinov2 = config["dinov2_config"]
        width, self.patch = dinov2["hidden_size"], dinov2["patch_size"]
        self.grid = config["side"] // self.patch
        self.body = Dinov2Model(Dinov2Config(**dinov2))
        self.head = torch.nn.Sequential(
            torch.nn.Linear(width, width), torch.nn.GELU(), torch.nn.Linear(width, self.patch**2)
        )
        return [self.body, self.head]

    def score(self, pixels):
        patches = self.head(self.body(pixel_values=pixels).last_hidden_state[:, 1:])
        logits = F.pixel_shuffle(patches.transpose(1, 2).unflatten(2, (self.grid, self.grid)), self.patch)
        return logits.mean((1, 2, 3))
