"""Every comparison of docs/benchmarks.md, one file of measurements for each.

    python scripts/bench/shows.py --out results            # what is not there yet
    python scripts/bench/shows.py --out results unet vae   # these again
    python scripts/bench/table.py results/*.json
"""

import argparse
import json
from pathlib import Path

import compare
import table
import turns

MINI, SD15 = ["--config", "mini"], ["--config", "sd15-inpaint"]
COMPARISONS = {
    "train-unet": ["train-step", *MINI, "--part", "unet", "--batch", "16"],
    "train-unet-32": ["train-step", *MINI, "--part", "unet", "--batch", "32"],
    "train-vae": ["train-step", *MINI, "--part", "vae", "--batch", "16"],
    "train-vae-32": ["train-step", *MINI, "--part", "vae", "--batch", "32"],
    "attention": ["attention", *SD15, "--batch", "1"],
    "conv": ["conv", *SD15],
    "conv-mini": ["conv", *MINI],
    "norm": ["norm", *SD15],
    "unet": ["unet", *SD15, "--size", "512", "--batch", "2"],
    "vae-decode": ["vae", *SD15, "--size", "512", "--part", "decode"],
    "vae-encode": ["vae", *SD15, "--size", "512", "--part", "encode"],
    "reward-blip": ["reward", "--network", "blip-l", "--batch", "4"],
    "reward-clip": ["reward", "--network", "clip-l", "--batch", "4"],
    "pefl": ["pefl", *SD15, "--batch", "1"],
    "edit": ["edit", *SD15, "--size", "512", "--steps", "8"],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    compare.add_common(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for the measurements")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(COMPARISONS)} (default: all that are missing)")
    options = parser.parse_args()
    if unknown := set(options.names) - set(COMPARISONS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(COMPARISONS)}")
    options.out.mkdir(parents=True, exist_ok=True)
    missing = [name for name in COMPARISONS if not (options.out / f"{name}.json").exists()]
    for name in options.names or missing:
        result = turns.compare(
            options.binary, COMPARISONS[name], options.threads, options.pairs, options.memory_format
        )
        (options.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        print(f"\n{name}: byteedit bench {' '.join(COMPARISONS[name])}\n\n{table.of_comparison(result)}", flush=True)


if __name__ == "__main__":
    main()
