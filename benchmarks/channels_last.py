"""Time of a training step with the channels last against the channels first, network by network, on the CPU.

usage: channels_last.py [NETWORK ...]      (no network: all below)

64 pictures a step, torch's own number of threads, both kinds in turns, least of the rounds.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch.nn import functional

from edgekit.models.registry import MODELS, create_model

NETWORKS: dict[str, tuple[int, ...]] = {
    "resnet8": (3, 64, 64),
    "mobilenetv2": (3, 64, 64),
    "resnet18": (3, 64, 64),
    "shnet-23-1": (3, 32, 32),
    "medianet-base-69": (3, 64, 64),
    "scatnet-edge": MODELS["scatnet-edge"].input_shape,
}
FORMATS = (torch.contiguous_format, torch.channels_last)
ROUNDS = 5


def step_ms(name: str) -> list[float]:
    """Least milliseconds of a step in each of `FORMATS`."""
    x, targets = torch.randn(64, *NETWORKS[name]), torch.randint(0, 10, (64,))
    modules = [create_model(name, classes=10, input_shape=NETWORKS[name]).to(memory_format=format_) for format_ in FORMATS]
    optimizers = [torch.optim.AdamW(module.parameters()) for module in modules]
    least = [float("inf")] * len(FORMATS)
    for _ in range(ROUNDS):
        for i, (module, optimizer) in enumerate(zip(modules, optimizers, strict=True)):
            start = time.perf_counter()
            optimizer.zero_grad()
            functional.cross_entropy(module(x), targets).backward()
            optimizer.step()
            least[i] = min(least[i], 1e3 * (time.perf_counter() - start))
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    print("| network | channels first, ms | last, ms | ratio |\n|---|---|---|---|")
    for name in parser.parse_args().networks:
        first, last = step_ms(name)
        print(f"| {name} at {NETWORKS[name][1]} | {first:.0f} | {last:.0f} | {last / first:.2f} |", flush=True)


if __name__ == "__main__":
    main()
