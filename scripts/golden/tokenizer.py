"""Golden ids of CLIP's tokenizer on a tiny vocabulary: `python scripts/golden/tokenizer.py`.

The vocabulary has the form of CLIP's (256 bytes, the same ending a word, one entry per merge, then
the start and end tokens) but is learnt here from a few sentences: byte-pair encoding as in Sennrich et
al. 2016 over the printable byte alphabet of GPT-2. The ids are those of transformers' CLIPTokenizer,
which in version 5 is the tokenizer of the Rust `tokenizers` library: no ftfy, no stripping of accents.
The strings <|startoftext|> and <|endoftext|> inside a text are left out: there the reference obeys
them, and a prompt should not be able to give commands.
"""

import json
import re
from collections import Counter
from pathlib import Path

from transformers import CLIPTokenizer

from checkpoint import case_folder

MERGES = 220
MAX_LENGTH = 77
START, END = "<|startoftext|>", "<|endoftext|>"
CORPUS = """
a red apple on a wooden table, a photo of a cat, a photo of a dog, the cat's whiskers and the dog's tail
the blue mug stands beside the green plant and the yellow lemon, they're painted by the window
a small bright kitchen with a large wooden table, a glass of water, a bowl of fruit and two red apples
an orange car on the road near the old bridge, high quality, detailed, soft shadow, natural light
it's a café near the façade of the old naïve museum, crème brûlée and piñata, Ångström, Übermut
красная чашка на столе рядом с красной книгой, 東京の赤い猫と東京の青い犬
"""
# Texts whose padded form is recorded too: none, short, just fitting, one too many, far too many.
PADDED = [
    "",
    "a photo of a cat",
    "a " * 74 + "cat",
    "a " * 75 + "cat",
    "a red apple on a wooden table, " * 40,
]
TEXTS = [
    " ",
    "A Photo OF A CAT",
    "  leading,\ttabs,\nnewlines \r\n and   spaces  ",
    "the cat's whiskers, they're here, it'll do, i'm, we've, he'd, don't",
    "'s 't're",
    "red/green-blue_yellow... (really?!) [x] {y} <z>",
    "12 apples, 3.14 and 2024-01-31, ½ ² Ⅷ ٣",
    "(((masterpiece:1.2))), best quality, 8k",
    "café and cafe\u0301 are one word after composition",
    "ÅNGSTRÖM straße İstanbul ΣΊΣΥΦΟΣ",
    "ﬁne ﬂour ﷺ",
    "красная чашка, 東京の赤い猫",
    "ไทย हिन्दी العربية עברית",
    "😀 a 🍎 red apple 👩‍👩‍👧 🇳🇿 ✅",
    "zero\u200bwidth soft\u00adhyphen nbsp\u00a0ideographic\u3000space bom\ufeff",
    "control\u0000null \u0007bell \u001besc \u007fdel \u0085next",
    "line\u2028separator",
    "supercalifragilisticexpialidocious",
    "\U0001d518\U0001d52b\U0001d526 \U00010348 \U000e0041",
    "<| endoftext |>",
    "apple</w> table</w>",
    "!",
    "x" * 300,
    *PADDED,
]


def byte_alphabet() -> dict[int, str]:
    """The printable stand-in of each byte: itself where printable, else the next free one from 256 on."""
    ranges = [("!", "~"), ("¡", "¬"), ("®", "ÿ")]
    printable = [byte for first, last in ranges for byte in range(ord(first), ord(last) + 1)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(rest)}


def merge(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    merged, i = [], 0
    while i < len(word):
        joined = word[i : i + 2] == pair
        merged.append(word[i] + word[i + 1] if joined else word[i])
        i += 2 if joined else 1
    return tuple(merged)


def learn_merges(alphabet: dict[int, str]) -> list[tuple[str, str]]:
    words = Counter()
    for word in re.findall(r"'(?:s|t|re|ve|m|ll|d)|[^\W\d_]+|[^\s\w]+", CORPUS.lower()):
        symbols = [alphabet[byte] for byte in word.encode()]
        words[(*symbols[:-1], symbols[-1] + "</w>")] += 1
    merges = []
    for _ in range(MERGES):
        pairs = Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        # The most frequent pair; the alphabetically first of equals, so that the files repeat.
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = Counter({merge(word, best): count for word, count in words.items()})
    return merges


def special(content: str) -> dict:
    return {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}


def write_json(path: Path, value, **layout) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, **layout) + "\n", encoding="utf-8")


def write_tokenizer(folder: Path, pad_token: str) -> None:
    """The four files that the published diffusers folders hold."""
    alphabet = byte_alphabet()
    merges = learn_merges(alphabet)
    symbols = list(alphabet.values())
    tokens = [*symbols, *(s + "</w>" for s in symbols), *("".join(pair) for pair in merges), START, END]
    write_json(folder / "vocab.json", {token: index for index, token in enumerate(tokens)})
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    specials = {"bos_token": special(START), "eos_token": special(END), "unk_token": special(END)}
    write_json(folder / "special_tokens_map.json", {**specials, "pad_token": pad_token}, indent=2)
    config = {name: {"__type": "AddedToken", **token} for name, token in specials.items()}
    config |= {
        "add_prefix_space": False,
        "do_lower_case": True,
        "errors": "replace",
        "model_max_length": MAX_LENGTH,
        "pad_token": END,
        "tokenizer_class": "CLIPTokenizer",
    }
    write_json(folder / "tokenizer_config.json", config, indent=2)


def expected(folder: Path) -> list[dict]:
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    rows = []
    for text in TEXTS:
        row = {"text": text, "ids": tokenizer(text).input_ids}
        if text in PADDED:
            row["padded"] = tokenizer(text, padding="max_length", truncation=True).input_ids
        rows.append(row)
    return rows


def main() -> None:
    # Stable Diffusion 1.x pads with the end token; 2.x names "!" in special_tokens_map.json.
    for case, pad_token in (("tokenizer_clip", END), ("tokenizer_clip_pad", "!")):
        folder = case_folder(case)
        write_tokenizer(folder, pad_token)
        rows = expected(folder)
        lines = ",\n".join(json.dumps(row) for row in rows)
        (folder / "expected.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        print(f"{case}: {len(rows)} texts, padded with id {rows[-len(PADDED)]['padded'][-1]}")


if __name__ == "__main__":
    main()
