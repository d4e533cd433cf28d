"""Golden values of CLIPTextModel: `python scripts/golden/text.py`."""

import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from checkpoint import case_folder, randomise, report, save_expected

SEED = 3
VOCAB = 120
POSITIONS = 20
START, END = VOCAB - 2, VOCAB - 1
BASE = {
    "vocab_size": VOCAB,
    "max_position_embeddings": POSITIONS,
    "hidden_size": 24,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "projection_dim": 24,
}
# Stable Diffusion 1.x and 2.x say `eos_token_id: 2` although their end token is the last of the
# vocabulary: the pooled row is then the one of the largest id. Newer files name the true id, and the
# pooled row is the first that holds it.
OLD_IDS = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
NEW_IDS = {"bos_token_id": START, "eos_token_id": 60, "pad_token_id": 60}
CASES = {
    "clip_text_sd15": {**BASE, **OLD_IDS, "hidden_act": "quick_gelu"},
    "clip_text_sd21": {**BASE, **OLD_IDS, "hidden_act": "gelu", "num_attention_heads": 4},
    "clip_text_position_ids": {**BASE, **OLD_IDS, "hidden_act": "quick_gelu", "num_hidden_layers": 1},
    "clip_text_unprefixed": {**BASE, **NEW_IDS, "hidden_act": "quick_gelu", "num_hidden_layers": 1},
}


def padded(words: list[int], pad: int) -> list[int]:
    ids = [START, *words, END]
    return ids + [pad] * (POSITIONS - len(ids))


def calls(case: str) -> dict[str, torch.Tensor]:
    """Ids by call: full length padded with the end token, padded with 0, shorter than the table."""
    if case == "clip_text_unprefixed":
        # 60 ends the text, and larger ids stand before and after it.
        return {"first_end": torch.tensor([[START, 99, 7, 60, 60, 111], [START, 60, 3, 60, 80, 60]])}
    return {
        "padded_with_end": torch.tensor([padded([5, 17, 17, 90], END), padded(list(range(30, 48)), END)]),
        "padded_with_zero": torch.tensor([padded([5, 17, 17, 90], 0), padded([], 0)]),
        "short": torch.tensor([[START, 44, 2, 1, END]]),
    }


def stored(case: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The keys as the published files have them; transformers 5 writes them without the prefix."""
    if case == "clip_text_unprefixed":
        return state
    keys = {f"text_model.{name}": tensor for name, tensor in state.items()}
    if case == "clip_text_position_ids":
        # A constant 0, 1, 2, ... that transformers before 4.31 stored with the weights.
        keys["text_model.embeddings.position_ids"] = torch.arange(POSITIONS)[None]
    return keys


@torch.no_grad()
def run(model: CLIPTextModel, ids: torch.Tensor) -> tuple:
    output = model(input_ids=ids)
    return output.last_hidden_state, output.pooler_output


def build(case: str) -> CLIPTextModel:
    return randomise(CLIPTextModel(CLIPTextConfig(**CASES[case])), SEED)


def main() -> None:
    for case in CASES:
        folder = case_folder(case)
        build(case).save_pretrained(folder)
        weights = folder / "model.safetensors"
        save_file(stored(case, load_file(weights)), weights, metadata={"format": "pt"})
        single, double, tensors = build(case), build(case).double(), {}
        for call, ids in calls(case).items():
            hidden, pooled = run(double, ids)
            tensors |= {f"{call}.ids": ids, f"{call}.last_hidden_state": hidden, f"{call}.pooled": pooled}
        save_expected(folder, tensors)
        report(case, hidden, run(single, ids)[0])


if __name__ == "__main__":
    main()
