"""Measurements as Markdown tables: `python scripts/bench/table.py results/*.json`."""

import json
import sys
from pathlib import Path
from statistics import median


def of_comparison(result):
    rows = [["", "byteedit", "torch", "ratio", "GFLOP/s", "peak memory", "above the start"]]
    for case in result["cases"]:
        ours, theirs, ratio = case["ours"], case["theirs"], case["ratio"]
        rates = [case["gflop"] / median(side["seconds"]) for side in (ours, theirs)]
        rows.append([
            case["name"],
            times(ours["seconds"]),
            f"{times(theirs['seconds'])}, {theirs['memory_format'].replace('_', ' ')}",
            f"**{ratio['median']:.2f}** ({ratio['min']:.2f} to {ratio['max']:.2f})",
            " / ".join(f"{rate:.0f}" for rate in rates),
            " / ".join(megabytes(side["peak_bytes"]) for side in (ours, theirs)),
            " / ".join(megabytes(side["peak_bytes"], side["before_bytes"]) for side in (ours, theirs)),
        ])
        rows += of_parts(case)
    return markdown(rows)


def of_parts(case):
    """Rows for the parts that both programs time; ours tells of their spread alone, so they have no pairs."""
    ours, theirs = (case[who].get("parts", {}) for who in ("ours", "theirs"))
    for name in theirs:
        if name in ours:
            spreads = [[part[key] for key in ("min", "median", "max")] for part in (ours[name], theirs[name])]
            ratio = ours[name]["median"] / theirs[name]["median"]
            yield [f"of which {name}", *map(times, spreads), f"**{ratio:.2f}**", "", "", ""]


def of_scaling(result):
    rows = [["", "threads", "GFLOP", "seconds", "GFLOP/s", "peak memory"]]
    for case in result["cases"]:
        rows.append([
            case["name"],
            str(case["threads"]),
            f"{case['gflop']:.0f}",
            f"{case['seconds']['median']:.2f} ({case['seconds']['min']:.2f} to {case['seconds']['max']:.2f})",
            f"{case['gflop_per_second']:.0f}",
            megabytes(case["peak_bytes"]),
        ])
    return markdown(rows)


def markdown(rows):
    head, *body = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def times(seconds):
    """The median with its spread, in a unit that suits."""
    unit, factor = ("s", 1) if median(seconds) >= 1 else ("ms", 1000)
    low, middle, high = (f"{factor * value:.3g}" for value in (min(seconds), median(seconds), max(seconds)))
    return f"{middle} {unit} ({low} to {high})"


def megabytes(peak, before=0):
    return "?" if peak is None or before is None else f"{(peak - before) / 1e6:.0f} MB"


def main():
    for path in map(Path, sys.argv[1:]):
        result = json.loads(path.read_text())
        write = of_scaling if result["benchmark"] == "scaling" else of_comparison
        print(f"\n{path.stem}\n\n{write(result)}")


if __name__ == "__main__":
    main()
