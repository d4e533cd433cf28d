"""Compares a benchmark of ours with torch and diffusers, taking turns.

    python scripts/bench/compare.py unet --config sd15-inpaint --size 512 --batch 2
    python scripts/bench/compare.py --pairs 9 --out conv.json conv --config mini --only 3x3

What follows the options is given to `byteedit bench` as it is.
"""

import argparse
import json
import os
from pathlib import Path

import table
import turns

ROOT = Path(__file__).resolve().parents[2]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common(parser)
    parser.add_argument("--out", type=Path, help="write the measurements as JSON")
    parser.add_argument("benchmark", nargs=argparse.REMAINDER,
                        help="conv, attention, norm, unet, vae, reward, train-step, pefl or edit, and its options")
    return parser.parse_args()


def add_common(parser):
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/byteedit")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of both programs (default: all cores)")
    parser.add_argument("--pairs", type=int, default=5, help="timed runs of each program (default: 5)")
    parser.add_argument("--memory-format", choices=["faster", "contiguous", "channels_last"], default="faster",
                        help="of torch; by default both are tried and the faster is kept")


def main():
    options = arguments()
    result = turns.compare(options.binary, options.benchmark, options.threads, options.pairs, options.memory_format)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(table.of_comparison(result))


if __name__ == "__main__":
    main()
