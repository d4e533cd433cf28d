"""The other side of a comparison: builds what it is told in torch and runs it when asked.

Reads requests, one JSON object on each line, and answers each with one line:

    {"do": "prepare", "shape": {...}}   builds and warms up; answers which memory format it took
    {"do": "run"}                       one run; answers its seconds, and those of its parts where it has some
    {"do": "memory"}                    resident bytes before the first run and at the peak since
"""

import argparse
import ctypes
import gc
import json
import sys
import time
from importlib import import_module

import torch

# Module and class; diffusers is imported only where it is needed, since that takes seconds and memory.
KINDS = {
    "conv": ("peer_kernels", "Conv"),
    "attention": ("peer_kernels", "Attention"),
    "group_norm": ("peer_kernels", "GroupNorm"),
    "layer_norm": ("peer_kernels", "LayerNorm"),
    "geglu": ("peer_kernels", "Geglu"),
    "unet": ("peer_networks", "Unet"),
    "vae": ("peer_networks", "Vae"),
    "image_reward": ("peer_rewards", "ImageReward"),
    "clip_reward": ("peer_rewards", "ClipReward"),
    "coherent_reward": ("peer_rewards", "CoherentReward"),
    "train_unet": ("peer_training", "TrainUnet"),
    "train_vae": ("peer_training", "TrainVae"),
    "pefl": ("peer_pefl", "Pefl"),
    "edit": ("peer_edit", "Edit"),
}
MIN_RUN_SEC = 0.1
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def status_bytes(key):
    """A size out of Linux's `/proc/self/status`."""
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(key))


def reset_peak():
    """Gives back what earlier runs left, then forgets the peak so far (proc(5), clear_refs)."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def timed(work):
    """Seconds of a run; a short one is repeated for a while, as on our side."""
    begin, repeats, elapsed = time.perf_counter(), 0, 0.0
    while repeats == 0 or elapsed < MIN_RUN_SEC:
        work.run()
        repeats += 1
        elapsed = time.perf_counter() - begin
    return elapsed / repeats


class Peer:
    def __init__(self, memory_format):
        self.choice = memory_format

    def prepare(self, shape):
        """Takes the faster of the memory formats, by one run each after one to warm up."""
        torch.manual_seed(0)
        module, kind = KINDS[shape["kind"]]
        self.work = getattr(import_module(module), kind)(shape)
        names = [name for name in FORMATS if self.choice in (name, "faster")]
        if not self.work.has_pixels:
            names = ["contiguous"]
        self.before = status_bytes("VmRSS:")
        tried = {}
        for name in names:
            self.work.use(FORMATS[name])
            if len(names) > 1:
                self.work.run()
                tried[name] = timed(self.work)
        best = min(tried, key=tried.get) if tried else names[0]
        if best != names[-1]:
            self.work.use(FORMATS[best])
        reset_peak()
        self.work.run()
        return {"memory_format": best, "tried": tried}

    def run(self):
        return {"seconds": timed(self.work), "parts": getattr(self.work, "parts", {})}

    def memory(self):
        return {"before_bytes": self.before, "peak_bytes": status_bytes("VmHWM:")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--memory-format", choices=[*FORMATS, "faster"], default="faster")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_num_interop_threads(1)
    # What libraries print must not get between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    peer = Peer(arguments.memory_format)
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(peer, request.pop("do"))(**request)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
