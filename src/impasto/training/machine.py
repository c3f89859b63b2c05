"""The machine a run is on: its processes, its arithmetic, and the person at the keyboard."""

import atexit
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import torch
import torch.distributed as dist
from torch import nn

from impasto.nn.losses import LossTerms
from impasto.processor import has_quick_bfloat16


def processes() -> tuple[int, int, torch.device]:
    """The number of processes under torchrun, this one's number, and its device."""
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if cuda else "gloo")
        atexit.register(_leave)
    return world, rank, device


def _leave() -> None:
    """End the group's threads, which must not outlive the interpreter, and whatever still holds the group."""
    dist.destroy_process_group()
    gc.collect()


def agree(fraction: float, stop: bool, world: int, device: torch.device) -> tuple[float, bool]:
    """The first process's clock, and whether any process was told to stop: the same for all."""
    if world == 1:
        return fraction, stop
    clock = torch.tensor([fraction], dtype=torch.float64, device=device)
    dist.broadcast(clock, 0)
    told = torch.tensor([float(stop)], device=device)
    dist.all_reduce(told)
    return float(clock), bool(told > 0)


def average_gradients(generator: nn.Module, world: int) -> None:
    """The mean over all processes, in place: each has the same weights, so each takes the same step.

    Running averages of batch norm stay each process's own; the first one's are saved.
    """
    if world == 1:
        return
    gradients = [p.grad for p in generator.parameters() if p.grad is not None]
    together = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(together)
    together /= world
    for gradient, mean in zip(gradients, torch.split(together, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def mean_terms(terms: LossTerms, world: int) -> tuple[float, float]:
    """Content and style terms, averaged over the whole batch."""
    both = torch.stack([terms.content.detach().mean(), terms.style.detach().mean()])
    if world > 1:
        dist.all_reduce(both)
        both /= world
    return float(both[0]), float(both[1])


def content_terms(terms: LossTerms, world: int) -> list[float]:
    """The content term of each picture of the batch, in the batch's order."""
    own = terms.content.detach()
    if world == 1:
        return own.tolist()
    everyone = [torch.empty_like(own) for _ in range(world)]
    dist.all_gather(everyone, own)
    return torch.stack(everyone, dim=1).flatten().tolist()  # process r has pictures r, r + world ...


@contextmanager
def together(world: int, device: torch.device) -> Iterator[None]:
    """Of several processes, none leaves before all would, by an error or not.

    Under torchrun one that fails takes all others along: as an interpreter ends (torch has aborted there), the one that
    writes the model must be done.
    """
    try:
        yield
    finally:
        agree(1.0, False, world, device)


def use_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16: with "auto", where that is quicker than float32."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return has_quick_bfloat16()


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C into a question asked once a step; a second Ctrl-C stops at once."""
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
