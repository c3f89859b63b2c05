"""Data parallelism: several processes under torchrun share each batch and take the same steps."""

import atexit
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn

from impasto.nn.losses import LossTerms
from impasto.training.device import choose_device


@dataclass(frozen=True)
class World:
    """The processes of a run: their number, this one's rank from 0, and its device. With one process, all is local."""

    size: int
    rank: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes the files and reports."""
        return self.rank == 0

    def share(self, batch: range) -> range:
        """The items of the batch that this process computes."""
        return batch[self.rank :: self.size]

    def agree(self, fraction: float, stop: bool) -> tuple[float, bool]:
        """The first process's ``fraction`` of the run, and whether any process was asked to stop: equal in all."""
        if self.size == 1:
            return fraction, stop
        clock = torch.tensor([fraction], dtype=torch.float64, device=self.device)
        dist.broadcast(clock, 0)
        stops = torch.tensor([float(stop)], device=self.device)
        dist.all_reduce(stops)
        return float(clock), bool(stops > 0)

    def average_gradients(self, generator: nn.Module) -> None:
        """Replace gradients by their mean over all processes: with equal weights, each then takes the same step.

        The running averages of batch normalization stay each process's own; the first one's are saved.
        """
        if self.size == 1:
            return
        gradients = [p.grad for p in generator.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def mean_terms(self, terms: LossTerms) -> tuple[float, float]:
        """The content and the style term, averaged over the whole batch."""
        both = torch.stack([terms.content.detach().mean(), terms.style.detach().mean()])
        if self.size > 1:
            dist.all_reduce(both)
            both /= self.size
        return float(both[0]), float(both[1])

    @contextmanager
    def leave_together(self) -> Iterator[None]:
        """At the end of the block, by an error or not, wait for all processes.

        torchrun ends all processes when one fails or aborts at exit, so the first one must have written its files.
        """
        try:
            yield
        finally:
            self.agree(1.0, False)


def join(device: str = "auto") -> World:
    """The processes that torchrun started, joined into a group; without torchrun, this process alone.

    Raises:
        UsageError: if torch does not have the device, see :func:`impasto.training.device.choose_device`.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    chosen = choose_device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if size > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
        atexit.register(_leave)
    return World(size, rank, chosen)


def _leave() -> None:
    """End the group's threads, which must not outlive the interpreter, and free what still refers to the group."""
    dist.destroy_process_group()
    gc.collect()
