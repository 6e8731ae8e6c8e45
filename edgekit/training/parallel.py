"""Where training runs: the device, and the other processes of `torchrun`, which share every step's batch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed

from edgekit.errors import UserError

__all__ = ["ALONE", "Processes", "processes"]

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """One process among all.

    Attributes:
        rank: 0 to count - 1; the first alone writes and tells.
        count: how many there are.
        device: of this one.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def share(self, examples: int) -> slice:
        """Which of a batch are this process's; never none where there is one for each."""
        return slice(self.rank, examples, self.count)

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Put the sum over all processes into every tensor, in place and in one message."""
        if self.count == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def firsts(self, value: T) -> T:
        """What the first process has, in all of them."""
        if self.count == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0, device=self.device)
        return box[0]


ALONE = Processes()


@contextmanager
def processes() -> Iterator[Processes]:
    """The device, CUDA where there is some, and the other processes where `torchrun` has started several.

    They talk by NCCL on GPUs, by gloo otherwise.

    Raises:
        UserError: when there are more processes than GPUs on this machine.
    """
    count, rank, local = (int(os.environ.get(name, default)) for name, default in _VARIABLES)
    gpus = torch.cuda.device_count()
    if gpus and local >= gpus:
        raise UserError(f"Expected at most one process a GPU, got process {local + 1} for {gpus}. Pass --nproc-per-node {gpus}.")
    device = torch.device("cuda", local) if gpus else torch.device("cpu")
    if gpus:
        torch.cuda.set_device(device)
    if count == 1:
        yield Processes(device=device)
        return
    distributed.init_process_group("nccl" if gpus else "gloo", timeout=_PATIENCE)
    try:
        yield Processes(rank, count, device)
    finally:
        distributed.destroy_process_group()


#: How long one waits for another: the first computes features alone, which may take hours. A dead one is torchrun's affair.
_PATIENCE = timedelta(days=7)

#: What torchrun sets, and what holds without it.
_VARIABLES = (("WORLD_SIZE", 1), ("RANK", 0), ("LOCAL_RANK", 0))
