"""How time grows with the size of the picture and falls with threads: ours alone.

    python scripts/bench/scaling.py --out scaling.json --plot scaling.svg

Each point is a process of its own. A plot of seconds over counted operations, both logarithmic: a straight line
at 45 degrees means that the cost grows as the operations do.
"""

import argparse
import json
import subprocess
from pathlib import Path

import compare
import plot
import table

NETWORKS = {"U-Net, batch 2": ["unet", "--batch", "2"], "VAE decoder": ["vae", "--part", "decode"]}


def measure(binary, arguments, threads, runs):
    command = [binary, "--quiet", "bench", *arguments, "--threads", threads, "--runs", runs, "--json"]
    output = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE).stdout
    return json.loads(output)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=compare.ROOT / "target/release/byteedit")
    parser.add_argument("--config", default="sd15-inpaint")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 768, 1024], help="in pixels")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True, help="JSON; points that it holds are not measured again")
    parser.add_argument("--plot", type=Path, help="SVG")
    options = parser.parse_args()

    result = json.loads(options.out.read_text()) if options.out.exists() else {"benchmark": "scaling", "cases": []}
    done = {(case["network"], case["threads"], case["size"]) for case in result["cases"]}
    for name in options.networks:
        for threads in options.threads:
            for size in options.sizes:
                if (name, threads, size) in done:
                    continue
                arguments = [*NETWORKS[name], "--config", options.config, "--size", size]
                report = measure(options.binary, arguments, threads, options.runs)
                result["machine"], result["program"] = report["machine"], report["program"]
                point = {"network": name, "threads": threads, "size": size}
                result["cases"] += [{**point, **case} for case in report["cases"]]
                options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(table.of_scaling(result))
    if options.plot:
        options.plot.write_text(plot.lines(curves(result["cases"]), "counted operations, GFLOP", "seconds"))


def curves(cases):
    """One line for each network and number of threads, through points of operations and seconds."""
    lines = {}
    for case in sorted(cases, key=lambda case: case["gflop"]):
        threads = case["threads"]
        name = f"{case['network']}, {threads} thread{'s' if threads > 1 else ''}"
        lines.setdefault(name, []).append((case["gflop"], case["seconds"]["median"], f"{case['size']} px"))
    return lines


if __name__ == "__main__":
    main()
