"""Two programs on one machine that take turns: ours, theirs, ours, theirs.

Whatever else slows the machine down for a while then slows both, and a ratio is taken for each pair.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
# A pool of threads spins for some milliseconds after its last work, which would take time from the other.
REST_SEC = 0.1


class Process:
    """A program that answers each line on its standard input by a line of JSON."""

    def __init__(self, command):
        self.command = [str(part) for part in command]
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def receive(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{' '.join(self.command)} ended with {self.process.wait()}")
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Ours(Process):
    """`byteedit bench VERB ... --paced`, which announces its cases one by one."""

    def __init__(self, binary, arguments, threads, pairs):
        paced = ["--paced", "--runs", pairs, "--threads", threads]
        super().__init__([binary, "--quiet", "bench", *arguments, *paced])

    def cases(self):
        """The cases as `(name, shape)`; the report is there after the last."""
        while (event := self.receive())["event"] == "case":
            yield event["name"], event["shape"]
            self.send("")
        self.report = event["report"]
        self.end()

    def run(self):
        self.send("")
        return self.receive()["seconds"]


class Theirs(Process):
    """`peer.py`: the same work by torch."""

    def __init__(self, threads, memory_format):
        command = [sys.executable, HERE / "peer.py", "--threads", threads, "--memory-format", memory_format]
        super().__init__(command)
        self.parts = {}

    def ask(self, **request):
        self.send(json.dumps(request))
        return self.receive()

    def run(self):
        """Seconds; those of parts are kept."""
        answer = self.ask(do="run")
        for name, seconds in answer["parts"].items():
            self.parts.setdefault(name, []).append(seconds)
        return answer["seconds"]


def compare(binary, arguments, threads, pairs, memory_format="faster"):
    """Runs every case of a benchmark in turns; returns a dictionary for JSON.

    Each case of theirs has a process of its own, so that its memory is that case's alone.
    """
    ours = Ours(binary, arguments, threads, pairs)
    cases = []
    for name, shape in ours.cases():
        theirs = Theirs(threads, memory_format)
        prepared = theirs.ask(do="prepare", shape=shape)
        seconds = {"ours": [], "theirs": []}
        for _ in range(pairs):
            for who, program in (("ours", ours), ("theirs", theirs)):
                time.sleep(REST_SEC)
                seconds[who].append(program.run())
        memory = theirs.ask(do="memory")
        theirs.end()
        ratios = [a / b for a, b in zip(seconds["ours"], seconds["theirs"])]
        cases.append({
            "name": name,
            "shape": shape,
            "ours": {"seconds": seconds["ours"]},
            "theirs": {
                "seconds": seconds["theirs"],
                "parts": {name: spread(values) for name, values in theirs.parts.items()},
                **prepared,
                **memory,
            },
            "ratio": spread(ratios),
        })
    for case, measured in zip(cases, ours.report["cases"]):
        case["gflop"] = measured["gflop"]
        kept = ("before_bytes", "peak_bytes", "weights_bytes", "parts")
        case["ours"] |= {key: measured[key] for key in kept if key in measured}
    report = {key: ours.report[key] for key in ("benchmark", "config", "program", "machine")}
    return {**report, "arguments": arguments, "pairs": pairs, "versions": versions(), "cases": cases}


def spread(values):
    return {"median": median(values), "min": min(values), "max": max(values), "n": len(values)}


def versions():
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "diffusers", "transformers")}
