"""Golden ids of BERT's tokenizer on a tiny vocabulary: `python scripts/golden/tokenizer_bert.py`.

The ids are those of transformers' BertTokenizer with the two tokens that BLIP adds. The names of special
tokens are left out of the texts: there the reference obeys them, and a prompt should not give commands.
"""

import json
import string
from pathlib import Path

from transformers import BertTokenizer

from checkpoint import case_folder
from tokenizer import write_json

# What ImageReward takes.
MAX_LENGTH = 35
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Letters are pieces already.
WORDS = (
    "the red green apple on table cat photo of cafe strasse it is naive ##le ##ing ##ed ##apple "
    "un ##aff ##able istanbul Apple Red 東 京 ½ 2024 ."
).split()
# Texts whose padded form is recorded too: none, short, just fitting, one too many, far too many.
PADDED = ["", "a photo of a cat", "cat " * 33, "cat " * 34, "unaffable red apples on a table. " * 40]
TEXTS = [
    " ",
    "A Photo OF A CAT",
    "  leading,\ttabs,\nnewlines \r\n and   spaces  ",
    "it's the cat's: they're, don't",
    "red/green-blue_yellow... (really?!) [x] {y} <z> $5 100% #1 @ ^ ~ `",
    "unaffable, unaffables, affable; reddle redapple",
    "café and cafe\u0301 are one word without accents",
    "ÅNGSTRÖM Straße İstanbul ΣΊΣΥΦΟΣ",
    "naïve ﬁne ﬂour ﷺ",
    "東京の赤い猫 東京red京apple",
    "красная чашка ไทย हिन्दी العربية עברית 한국어",
    "😀 a 🍎 red apple 👩‍👩‍👧 🇳🇿 ✅",
    "zero\u200bwidth soft\u00adhyphen nbsp\u00a0ideographic\u3000space bom\ufeff",
    "control\u0000null \u0007bell \u001besc \u007fdel \u0085next \ufffdreplaced",
    "line\u2028separator",
    "12 apples, 3.14 and 2024-01-31, ½ ² Ⅷ ٣",
    "x" * 100,
    "x" * 101,
    "cat" + "s" * 120 + " cat",
    *PADDED,
]


def vocabulary() -> list[str]:
    letters = string.ascii_lowercase + string.digits
    return [*SPECIALS, *letters, *("##" + letter for letter in letters), *",:;'()!?-", *WORDS]


def write_vocabulary(folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")


def load(folder: Path) -> BertTokenizer:
    """As BLIP's authors begin."""
    tokenizer = BertTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    tokenizer.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
    return tokenizer


def main() -> None:
    # Published files say nothing or what is the default; the other case keeps case and accents and pads otherwise.
    for case, config in (
        ("tokenizer_bert", None),
        ("tokenizer_bert_cased", {"do_lower_case": False, "pad_token": "[MASK]", "tokenizer_class": "BertTokenizer"}),
    ):
        folder = case_folder(case)
        write_vocabulary(folder)
        if config is not None:
            write_json(folder / "tokenizer_config.json", config, indent=2)
        tokenizer = load(folder)
        rows = []
        for text in TEXTS:
            row = {"text": text, "ids": tokenizer(text).input_ids}
            if text in PADDED:
                padded = tokenizer(text, padding="max_length", truncation=True, max_length=MAX_LENGTH)
                row |= {"padded": padded.input_ids, "seen": padded.attention_mask}
            rows.append(row)
        ids = {name: tokenizer.convert_tokens_to_ids(name) for name in ("[DEC]", "[ENC]")}
        lines = ",\n".join(json.dumps(row) for row in rows)
        added = json.dumps(ids | {"n_ids": len(tokenizer)})
        (folder / "expected.json").write_text(f'{{"added": {added}, "texts": [\n{lines}\n]}}\n', encoding="utf-8")
        print(f"{case}: {len(rows)} texts, {len(tokenizer)} ids, {ids}")


if __name__ == "__main__":
    main()
