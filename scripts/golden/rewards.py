"""Golden values of rewards and of the networks that they stand on: `python scripts/golden/rewards.py`."""

import json
from pathlib import Path

import numpy
import torch
from PIL import Image
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

import tokenizer
import tokenizer_bert
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

# Names of transformers in a layer, and those of open_clip.
OPEN_CLIP = {
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.": "visual.conv1.",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.": "visual.ln_pre.",
    "vision_model.post_layernorm.": "visual.ln_post.",
    "vision_model.encoder.layers.": "visual.transformer.resblocks.",
    "text_model.embeddings.token_embedding.": "token_embedding.",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.": "ln_final.",
    "text_model.encoder.layers.": "transformer.resblocks.",
    ".layer_norm1.": ".ln_1.",
    ".layer_norm2.": ".ln_2.",
    ".self_attn.out_proj.": ".attn.out_proj.",
    ".mlp.fc1.": ".mlp.c_fc.",
    ".mlp.fc2.": ".mlp.c_proj.",
}

# ImageReward's own numbers, and BLIP's epsilon in the image encoder.
MEAN, STD, MAX_LENGTH, VISION_EPS = 0.16717362830052426, 1.0333394966054072, 12, 1e-6
CHANNEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
CHANNEL_STD = (0.26862954, 0.26130258, 0.27577711)
MLP_WIDTHS = (12, 8, 6, 4)
# One prompt that fits and one that does not.
PROMPTS = ["a red apple", "a photo of the cat on the table, unaffable; a cafe in istanbul"]

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
    sizes = {"table": (20, 20), "larger": (35, 30), "smaller": (10, 15)}
    for call, pixels in {call: pictures(*size) for call, size in sizes.items()}.items():
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


class ScoreMlp(nn.Module):
    """The head of ImageReward and of LAION's second predictor: dropouts count as layers, nothing is between."""

    def __init__(self, d_features: int):
        super().__init__()
        sides = [d_features, *MLP_WIDTHS, 1]
        linears = [nn.Linear(d_in, d_out) for d_in, d_out in zip(sides, sides[1:])]
        dropouts = [nn.Dropout(0.2), nn.Dropout(0.2), nn.Dropout(0.1)]
        self.layers = nn.Sequential(*(x for pair in zip(linears, dropouts) for x in pair), *linears[3:])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class ImageReward(nn.Module):
    """BLIP whose text encoder sees the picture, its first token, the head."""

    def __init__(self, config: BlipConfig):
        super().__init__()
        self.blip = BlipForImageTextRetrieval(config)
        # BLIP's projections stay in the authors' files, its matching head does not.
        del self.blip.itm_head
        self.mlp = ScoreMlp(config.text_config.hidden_size)

    def forward(self, ids: torch.Tensor, seen: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        picture = self.blip.vision_model(pixel_values=pixels).last_hidden_state
        tokens = self.blip.text_encoder(
            input_ids=ids,
            attention_mask=seen,
            encoder_hidden_states=picture,
            encoder_attention_mask=torch.ones(picture.shape[:-1], dtype=torch.long),
        ).last_hidden_state
        return self.mlp(tokens[:, 0])[:, 0]


def unit_pictures(height: int, width: int) -> torch.Tensor:
    return torch.sigmoid(pictures(height, width))


def preprocessed(pixels: torch.Tensor, side: int) -> torch.Tensor:
    """Stretched to a square as Pillow stretches floats, and normalised."""

    def stretched(channel: torch.Tensor) -> torch.Tensor:
        image = Image.fromarray(channel.numpy()).resize((side, side), Image.Resampling.BICUBIC)
        return torch.from_numpy(numpy.asarray(image).copy())

    square = torch.stack([torch.stack([stretched(channel) for channel in picture]) for picture in pixels])
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (CHANNEL_MEAN, CHANNEL_STD))
    return (square.double() - mean) / std


def image_reward_files() -> None:
    """The authors' file, which `torch.save` wrote, beside the configuration that they have in their code."""
    case, crate = "image_reward", "reward"
    folder = case_folder(case, crate)
    tokenizer_bert.write_vocabulary(folder)
    words = tokenizer_bert.load(folder)
    settings = json.loads(json.dumps(BLIP))
    settings["text_config"] |= {"vocab_size": len(words), "max_position_embeddings": MAX_LENGTH}
    settings["vision_config"]["layer_norm_eps"] = VISION_EPS

    def build() -> ImageReward:
        return randomise(ImageReward(BlipConfig(**settings)), SEED)

    # Numbers that bfloat16 holds, as all here.
    state = {key: tensor.bfloat16() for key, tensor in renamed(build().state_dict(), ORIGINAL_BLIP).items()}
    state["blip.text_encoder.embeddings.position_ids"] = torch.arange(MAX_LENGTH)[None]
    torch.save(state, folder / "ImageReward.pt")
    config = {
        "blip_config": settings,
        "mlp_widths": MLP_WIDTHS,
        "max_length": MAX_LENGTH,
        "standardisation": {"mean": MEAN, "std": STD},
    }
    Path(folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    texts = words(PROMPTS, padding="max_length", truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
    pixels = unit_pictures(26, 34)
    call = (texts.input_ids, texts.attention_mask, preprocessed(pixels, 20))
    with torch.no_grad():
        raw = build().double()(*call)
        in_f32 = build()(*call[:2], call[2].float())
    save_expected(folder, {"pixels": pixels, "raw": raw, "score": (raw - MEAN) / STD})
    report(case, raw, in_f32, crate)


def in_open_clip(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """CLIP's tensors as open_clip names and shapes them."""
    result, state = {}, renamed(state, OPEN_CLIP)
    for key, tensor in state.items():
        if ".self_attn.q_proj." in key:
            rows = [state[key.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")]
            result[key.replace(".self_attn.q_proj.", ".attn.in_proj_")] = torch.cat(rows)
        elif key == "visual_projection.weight":
            result["visual.proj"] = tensor.T.contiguous()
        elif key == "text_projection.weight":
            result["text_projection"] = tensor.T.contiguous()
        elif ".self_attn." not in key:
            result[key] = tensor
    return result


def clip_reward_files() -> None:
    """One CLIP as PickScore is published (transformers) and as HPS is (open_clip, in f16, inside a run's checkpoint), and
    LAION's heads on its picture features."""
    case, crate = "clip_rewards", "reward"
    folder = case_folder(case, crate)
    words = tokenizer.CLIPTokenizer.from_pretrained(case_folder("tokenizer_clip"))
    settings = json.loads(json.dumps(CLIP))
    settings["text_config"] |= {
        "vocab_size": len(words),
        "max_position_embeddings": tokenizer.MAX_LENGTH,
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
    }
    for part in ("text_config", "vision_config"):
        settings[part]["hidden_act"] = "gelu"

    def build(module: nn.Module) -> nn.Module:
        # Numbers that f16 holds, so that all files hold the same.
        return randomise(module, SEED, torch.float16)

    def network() -> CLIPModel:
        return build(CLIPModel(CLIPConfig(**settings)))

    network().half().save_pretrained(folder)
    half = {key: tensor.half() for key, tensor in in_open_clip(network().state_dict()).items()}
    torch.save({"epoch": 3, "name": "tiny", "optimizer": {"lr": 1e-5}, "state_dict": half}, folder / "HPS.pt")
    linear, mlp = build(nn.Sequential(nn.Linear(10, 1)))[0], build(ScoreMlp(10))
    torch.save(linear.state_dict(), folder / "aesthetic_v1.pth")
    torch.save(mlp.state_dict(), folder / "aesthetic_v2.pth")

    @torch.no_grad()
    def run(dtype: torch.dtype, ids: torch.Tensor, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        output = network().to(dtype)(input_ids=ids, pixel_values=preprocessed(pixels, 20).to(dtype))
        cosine = (output.image_embeds * output.text_embeds).sum(1)
        features = output.image_embeds
        return {
            "pick_score": cosine * network().logit_scale.to(dtype).exp(),
            "hps": cosine,
            "laion_aesthetic_v1": linear.to(dtype)(features)[:, 0],
            "laion_aesthetic_v2": mlp.to(dtype)(features)[:, 0],
        }

    ids = words(PROMPTS, padding="max_length", truncation=True, return_tensors="pt").input_ids
    pixels = unit_pictures(26, 34)
    double, single = run(torch.float64, ids, pixels), run(torch.float32, ids, pixels)
    save_expected(folder, {"pixels": pixels, **double})
    for name in double:
        report(case, double[name], single[name], crate)


def main() -> None:
    for case in CLIP_CASES:
        clip_files(case)
    for case in ("blip_itm", "blip_original"):
        blip_files(case)
    dino_files()
    vgg_files()
    image_reward_files()
    clip_reward_files()


if __name__ == "__main__":
    main()
