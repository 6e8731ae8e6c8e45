"""Time of a training step on the CPU: channels first, last, last in bfloat16 (`--amp bf16`), network by network.

usage: training_step.py [NETWORK ...]      (no network: all below)

64 pictures a step, torch's own number of threads, all kinds in turns, least of the rounds.
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
    "imagesig-cnn1d": MODELS["imagesig-cnn1d"].input_shape,
    "tsak-student": MODELS["tsak-student"].input_shape,
    "tsak-teacher": MODELS["tsak-teacher"].input_shape,
}
KINDS = ((torch.contiguous_format, False), (torch.channels_last, False), (torch.channels_last, True))
ROUNDS = 5


def step_ms(name: str) -> list[float]:
    """Least milliseconds of a step in each of `KINDS`."""
    x, targets = torch.randn(64, *NETWORKS[name]), torch.randint(0, 10, (64,))
    modules = [create_model(name, classes=10, input_shape=NETWORKS[name]).to(memory_format=format_) for format_, _ in KINDS]
    optimizers = [torch.optim.AdamW(module.parameters()) for module in modules]
    least = [float("inf")] * len(KINDS)
    for _ in range(ROUNDS):
        for i, (module, optimizer) in enumerate(zip(modules, optimizers, strict=True)):
            start = time.perf_counter()
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=KINDS[i][1]):
                logits = module(x)
            functional.cross_entropy(logits.float(), targets).backward()
            optimizer.step()
            least[i] = min(least[i], 1e3 * (time.perf_counter() - start))
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    print(
        "| network | channels first, ms | last, ms | last, bf16, ms | last / first | bf16 / float32 |\n|---|---|---|---|---|---|"
    )
    for name in parser.parse_args().networks:
        first, last, bf16 = step_ms(name)
        print(
            f"| {name} at {NETWORKS[name][1]} | {first:.0f} | {last:.0f} | {bf16:.0f} | {last / first:.2f} | {bf16 / last:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
