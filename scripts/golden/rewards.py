"""Golden values of the networks that rewards stand on: `python scripts/golden/rewards.py`."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    BlipConfig,
    BlipForImageTextRetrieval,
    CLIPConfig,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
)

from checkpoint import case_folder, normal, randomise, report, save_expected

SEED = 5
VOCAB, POSITIONS = 60, 12
START, END = VOCAB - 2, VOCAB - 1

CLIP = {
    "text_config": {
        "vocab_size": VOCAB,
        "max_position_embeddings": POSITIONS,
        "hidden_size": 16,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "bos_token_id": START,
        "eos_token_id": END,
        "pad_token_id": 0,
    },
    "vision_config": {
        "hidden_size": 24,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "image_size": 20,
        "patch_size": 5,
    },
    "projection_dim": 10,
}
# OpenAI's networks (B/32, L/14) have QuickGELU, OpenCLIP's H/14 the exact one.
CLIP_CASES = {"clip_openai": "quick_gelu", "clip_open_clip": "gelu"}

BLIP = {
    "text_config": {
        "vocab_size": VOCAB,
        "max_position_embeddings": POSITIONS,
        "hidden_size": 16,
        "encoder_hidden_size": 24,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    },
    "vision_config": {
        "hidden_size": 24,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "image_size": 20,
        "patch_size": 5,
    },
    "image_text_hidden_size": 10,
}

DINO = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "image_size": 20,
    "patch_size": 5,
}

# Names of transformers, and those in the authors' files.
ORIGINAL_BLIP = {
    "vision_model.embeddings.class_embedding": "visual_encoder.cls_token",
    "vision_model.embeddings.position_embedding": "visual_encoder.pos_embed",
    "vision_model.embeddings.patch_embedding.": "visual_encoder.patch_embed.proj.",
    "vision_model.encoder.layers.": "visual_encoder.blocks.",
    "vision_model.post_layernorm.": "visual_encoder.norm.",
    ".layer_norm1.": ".norm1.",
    ".layer_norm2.": ".norm2.",
    ".self_attn.qkv.": ".attn.qkv.",
    ".self_attn.projection.": ".attn.proj.",
}

VGG_WIDTH = 4
VGG_PLAN = [1, 1, "M", 2, 2, "M", 4, 4, 4, "M", 8, 8, 8, "M", 8, 8, 8, "M"]
VGG_TAPS = (3, 8, 15, 22, 29)


def pictures(height: int, width: int) -> torch.Tensor:
    return normal((2, 3, height, width), SEED, f"pictures {height} {width}").to(torch.float32)


def texts(pad: int) -> torch.Tensor:
    rows = [[START, 5, 17, 17, END], [START, 30, 31, 32, 33, 34, 35, END]]
    return torch.tensor([row + [pad] * (POSITIONS - len(row)) for row in rows])


def renamed(state: dict[str, torch.Tensor], names: dict[str, str]) -> dict[str, torch.Tensor]:
    result = {}
    for key, tensor in state.items():
        for today, older in names.items():
            key = key.replace(today, older)
        result[key] = tensor
    return result


def clip_files(case: str) -> None:
    def build() -> CLIPModel:
        settings = json.loads(json.dumps(CLIP))
        for part in ("text_config", "vision_config"):
            settings[part]["hidden_act"] = CLIP_CASES[case]
        return randomise(CLIPModel(CLIPConfig(**settings)), SEED)

    @torch.no_grad()
    def run(model: CLIPModel, ids: torch.Tensor, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        output = model(input_ids=ids, pixel_values=pixels)
        return {
            "text_features": output.text_embeds,
            "image_features": output.image_embeds,
            "logits": output.logits_per_image,
        }

    folder, ids, pixels = case_folder(case), texts(0), pictures(20, 20)
    build().save_pretrained(folder)
    double = run(build().double(), ids, pixels.double())
    save_expected(folder, {"ids": ids, "pixels": pixels, **double})
    report(case, double["logits"], run(build(), ids, pixels)["logits"])


def blip_files(case: str) -> None:
    def build() -> BlipForImageTextRetrieval:
        return randomise(BlipForImageTextRetrieval(BlipConfig(**BLIP)), SEED)

    @torch.no_grad()
    def run(model: BlipForImageTextRetrieval, ids: torch.Tensor, seen: torch.Tensor, pixels: torch.Tensor):
        call = {"input_ids": ids, "attention_mask": seen, "pixel_values": pixels}
        itm, itc = model(**call), model(**call, use_itm_head=False)
        return {"picture": itm.last_hidden_state, "itm": itm.itm_score, "itc": itc.itm_score}

    folder, ids, pixels = case_folder(case), texts(0), pictures(20, 20)
    seen = (ids != 0).long()
    build().save_pretrained(folder)
    if case == "blip_original":
        weights = folder / "model.safetensors"
        save_file(renamed(load_file(weights), ORIGINAL_BLIP), weights, metadata={"format": "pt"})
    double = run(build().double(), ids, seen, pixels.double())
    save_expected(folder, {"ids": ids, "seen": seen, "pixels": pixels, **double})
    report(case, double["itm"], run(build(), ids, seen, pixels)["itm"])


def dino_files() -> None:
    """Pictures of the table's size, and others, for which the positions are interpolated."""

    def build() -> Dinov2Model:
        return randomise(Dinov2Model(Dinov2Config(**DINO)), SEED)

    @torch.no_grad()
    def run(model: Dinov2Model, pixels: torch.Tensor) -> torch.Tensor:
        return model(pixel_values=pixels).last_hidden_state

    case = "dinov2"
    folder, tensors = case_folder(case), {}
    build().save_pretrained(folder)
    for call, pixels in {"table": pictures(20, 20), "larger": pictures(35, 30)}.items():
        double = run(build().double(), pixels.double())
        tensors |= {f"{call}.pixels": pixels, f"{call}.tokens": double}
        report(case, double, run(build(), pixels))
    save_expected(folder, tensors)


def vgg_files() -> None:
    """torchvision's `vgg16().features` at a fraction of its width, with its keys."""

    def build() -> nn.Sequential:
        layers, width = [], 3
        for item in VGG_PLAN:
            if item == "M":
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(width, item * VGG_WIDTH, 3, padding=1), nn.ReLU()]
                width = item * VGG_WIDTH
        return randomise(nn.Sequential(*layers), SEED)

    @torch.no_grad()
    def run(features: nn.Sequential, x: torch.Tensor) -> list[torch.Tensor]:
        tapped = []
        for place, layer in enumerate(features):
            x = layer(x)
            if place in VGG_TAPS:
                tapped.append(x)
        return tapped

    case, pixels = "vgg16", pictures(34, 48)
    folder = case_folder(case)
    state = {f"features.{key}": value for key, value in build().state_dict().items()}
    state["classifier.6.bias"] = torch.zeros(3)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    Path(folder / "config.json").write_text(json.dumps({"base_width": VGG_WIDTH}) + "\n")
    double = run(build().double(), pixels.double())
    save_expected(folder, {"pixels": pixels} | {f"relu{i}": x for i, x in enumerate(double, start=1)})
    report(case, double[-1], run(build(), pixels)[-1])


def main() -> None:
    for case in CLIP_CASES:
        clip_files(case)
    for case in ("blip_itm", "blip_original"):
        blip_files(case)
    dino_files()
    vgg_files()


if __name__ == "__main__":
    main()
