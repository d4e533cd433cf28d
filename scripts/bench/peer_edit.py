"""A whole edit by diffusers' inpainting pipeline: text, encoder, guided steps, decoder, paste."""

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel


class Edit:
    has_pixels = True

    def __init__(self, shape):
        self.shape, self.side = shape, shape["side"]
        self.text = CLIPTextModel(CLIPTextConfig(**shape["text_encoder"])).eval()
        self.pipeline = StableDiffusionInpaintPipeline(
            vae=AutoencoderKL.from_config(shape["vae"]).eval(),
            unet=UNet2DConditionModel.from_config(shape["unet"]).eval(),
            scheduler=DDIMScheduler(
                beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1
            ),
            text_encoder=self.text,
            tokenizer=None,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        self.pipeline.set_progress_bar_config(disable=True)
        random = np.random.default_rng(0)
        self.image = random.integers(0, 256, (self.side, self.side, 3), dtype=np.uint8)
        self.mask = np.zeros((self.side, self.side), dtype=np.uint8)
        quarter = self.side // 4
        self.mask[quarter:-quarter, quarter:-quarter] = 255
        n_tokens = shape["text_encoder"]["max_position_embeddings"]
        # The prompt and the empty one, as a tokenizer would give them.
        self.ids = torch.randint(shape["text_encoder"]["vocab_size"], (2, n_tokens))

    def use(self, memory_format):
        self.pipeline.unet.to(memory_format=memory_format)
        self.pipeline.vae.to(memory_format=memory_format)

    @torch.inference_mode()
    def run(self):
        prompt, negative = self.text(self.ids).last_hidden_state.split(1)
        result = self.pipeline(
            prompt_embeds=prompt,
            negative_prompt_embeds=negative,
            image=Image.fromarray(self.image),
            mask_image=Image.fromarray(self.mask),
            height=self.side,
            width=self.side,
            num_inference_steps=self.shape["n_steps"],
            guidance_scale=self.shape["guidance_scale"],
        ).images[0]
        return np.where(self.mask[..., None] > 127, np.asarray(result), self.image)
