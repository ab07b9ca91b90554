"""Several processes at one training: who is there, what they tell each other, and what is said when one is lost.

`torchrun` (or any launcher that sets the same variables) starts them; alone, a process talks to nobody. Words go over
the launcher's key-value store as JSON, numbers by gloo on CPUs and NCCL on GPUs: nothing is pickled.
"""

import contextlib
import hashlib
import itertools
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from whenabouts.core.errors import ProcessLost, SettingsError

_POLL_SECONDS = 0.02
_NAMES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_AGAIN = "Start all of them again with the same command: a training goes on from its last checkpoint."


@dataclass(frozen=True)
class World:
    """The processes of a run: this one is number `rank` of `size`. By itself it stands for one process alone."""

    rank: int = 0
    size: int = 1
    patience_seconds: float = 600.0
    store: Any = field(default=None, repr=False)
    _rounds: Iterator[int] = field(default_factory=itertools.count, repr=False)

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks and writes for all."""
        return self.rank == 0

    def gather(self, value: Any) -> list[Any]:
        """What every process has to say, as plain JSON, in their order; all must ask."""
        if self.size == 1:
            return [value]
        name = f"word/{next(self._rounds)}"
        self._tell(f"{name}/{self.rank}", json.dumps(value))
        return [json.loads(self._heard(f"{name}/{rank}", rank)) for rank in range(self.size)]

    def wait(self) -> None:
        """Go on once all processes are here, however long their work takes: only one that stands still ends it."""
        self.gather(None)

    def agree(self, value: str, what: str) -> None:
        """Raise ProcessLost unless all processes have the same `value`; `what` names it."""
        digests = self.gather(hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest())
        others = [rank for rank, digest in enumerate(digests) if digest != digests[0]]
        if others:
            raise ProcessLost(
                f"Processes 0 and {', '.join(map(str, others))} differ in {what}. All need the same settings, the same "
                "version, and the same project folder, such as one on a disk that they share."
            )

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Put the mean over all processes in the place of each tensor, which has the same shape in all of them."""
        if self.size == 1:
            return
        with self._telling():
            works = [dist.all_reduce(tensor, async_op=True) for tensor in tensors]
            for tensor, work in zip(tensors, works, strict=True):
                work.wait()
                tensor.div_(self.size)

    def collect(self, tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """The tensors of every process, of the same names, shapes and types in all of them, in their order."""
        if self.size == 1:
            return [dict(tensors)]
        laid = [tensor.detach().contiguous().flatten().view(torch.uint8) for tensor in tensors.values()]
        mine = torch.cat(laid) if laid else torch.zeros(0, dtype=torch.uint8)
        theirs = [torch.empty_like(mine) for _ in range(self.size)]
        with self._telling():
            dist.all_gather(theirs, mine)
        return [_named(tensors, flat) for flat in theirs]

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # As torch calls connections that broke, and time that ran out.
            raise self._lost(str(error).splitlines()[0]) from error

    def _lost(self, seen: str) -> ProcessLost:
        told = ""
        with contextlib.suppress(RuntimeError):
            told = str(self.store.get("failed").decode()) if self.store.check(["failed"]) else ""
        why = told or f"One has ended or stands still ({seen[:300]})"
        return ProcessLost(f"Process {self.rank} of {self.size} has lost the others. {why.removesuffix('.')}. {_AGAIN}")

    def _tell(self, name: str, text: str) -> None:
        with self._telling():
            self.store.set(name, text)

    def _heard(self, name: str, rank: int) -> str:
        """Wait for the word of another process as long as it gives signs of life."""
        seen, since = "", time.monotonic()
        with self._telling():
            while not self.store.check([name]):
                if self.store.check(["failed"]):
                    raise self._lost("")
                alive = f"alive/{rank}"
                sign = self.store.get(alive).decode() if self.store.check([alive]) else ""
                if sign != seen:
                    seen, since = sign, time.monotonic()
                if time.monotonic() - since > self.patience_seconds:
                    raise self._lost(f"process {rank} gave no sign of life for {self.patience_seconds:g} s")
                time.sleep(_POLL_SECONDS)
            return str(self.store.get(name).decode())


ALONE = World()
"""One process, which talks to nobody."""


def launched() -> bool:
    """Whether a launcher, such as torchrun, has started this process as one of several."""
    return os.environ.get("WORLD_SIZE", "1") != "1"


def local_rank() -> int:
    """The number of this process on its own machine, by which it takes its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


@contextlib.contextmanager
def joined(device: torch.device, *, patience_seconds: float = 600.0) -> Iterator[World]:
    """Meet the other processes of this run, if there are any, and part from them in the end.

    A process that is silent for `patience_seconds` counts as lost, and the others end with ProcessLost.
    """
    if not launched():
        yield ALONE
        return
    world = _met(device, patience_seconds)
    ended = threading.Event()
    pulse = threading.Thread(target=_beat, args=(world, ended), daemon=True)
    pulse.start()
    try:
        yield world
        _part(world)
    except BaseException as error:
        with contextlib.suppress(RuntimeError):
            world.store.compare_set(
                "failed", "", f"Process {world.rank} ended: {str(error) or type(error).__name__}"[:500]
            )
        raise
    finally:
        ended.set()
        pulse.join()
        with contextlib.suppress(RuntimeError):
            dist.destroy_process_group()


def _met(device: torch.device, patience_seconds: float) -> World:
    """Wait for all processes to be there."""
    missing = [name for name in _NAMES if name not in os.environ]
    if missing:
        raise SettingsError(
            f"WORLD_SIZE is set, but {', '.join(missing)} is not. Start with torchrun, or unset WORLD_SIZE."
        )
    patience = timedelta(seconds=patience_seconds)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        store, rank, size = next(rendezvous("env://", timeout=patience))
        store.set_timeout(patience)
        backend = "nccl" if device.type == "cuda" else "gloo"
        # torchrun may start all anew after a loss, before the same store: what the lost ones said must not be heard.
        store = PrefixStore(f"attempt{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        groups = PrefixStore("group", store)
        dist.init_process_group(backend, store=groups, rank=rank, world_size=size, timeout=patience)
    except (RuntimeError, ValueError) as error:
        raise ProcessLost(f"The processes have not met: {str(error).splitlines()[0]}. {_AGAIN}") from error
    return World(rank, size, patience_seconds, PrefixStore("whenabouts", store))


def _part(world: World) -> None:
    """The first process holds the store that the others speak through: it leaves last."""
    world._tell(f"end/{world.rank}", "")
    if world.first:
        for rank in range(world.size):
            world._heard(f"end/{rank}", rank)


def _beat(world: World, ended: threading.Event) -> None:
    """Give signs of life until the end."""
    for number in itertools.count():
        with contextlib.suppress(RuntimeError):
            world.store.set(f"alive/{world.rank}", str(number))
        if ended.wait(min(1.0, world.patience_seconds / 10)):
            return


def _named(like: Mapping[str, Tensor], flat: Tensor) -> dict[str, Tensor]:
    found, first = {}, 0
    for name, tensor in like.items():
        size = tensor.numel() * tensor.element_size()
        # A copy: a view of other numbers must begin at a place that fits them.
        found[name] = flat[first : first + size].clone().view(tensor.dtype).reshape(tensor.shape)
        first += size
    return found
