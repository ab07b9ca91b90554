"""Trainings of a tiny net in several real processes; `start` begins them, each runs `work`."""

import dataclasses
import multiprocessing
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from whenabouts import cli
from whenabouts.core.errors import WhenaboutsError
from whenabouts.core.progress import Silent
from whenabouts.training.checkpoints import read_place
from whenabouts.training.devices import Compute
from whenabouts.training.loop import Measured, Plan, Trainee, fit
from whenabouts.training.processes import joined

CPU = Compute(torch.device("cpu"), torch.float32)
PLAN = Plan(steps=24, learning_rate=0.05, optimizer="sgd", warmup=3, seed=3, report_every=7, checkpoint_every=5)


@dataclasses.dataclass(frozen=True)
class Job:
    """What each process does: `plain` nets have neither batch normalisation nor dropout.

    Process `where` ends at the draw of step `at` in the way that `how` says, or draws numbers that are none ("nan"), or
    can't write files of more than 1000 bytes from there on ("full").
    """

    folder: Path
    plan: Plan = PLAN
    plain: bool = False
    patience: float = 30.0
    how: str = ""
    where: int = 1
    at: int = 12


def net(*, plain: bool) -> nn.Module:
    torch.manual_seed(1)
    if plain:
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))


def batch_of(number: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(number))
    return x, (x[:, 0] * x[:, 1] > 0).long()


def measure(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Measured:
    scores = model(batch[0])
    return Measured(nn.functional.cross_entropy(scores, batch[1]))


class Diary(Silent):
    """Keeps what is said."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def say(self, text: str) -> None:
        with self.path.open("a") as file:
            file.write(text + "\n")


def work(job: Job, rank: int, size: int, port: int) -> None:
    """One process: writes its net and its history, or why it ended, below the job's folder."""
    _enter(rank, size, port)

    def draw(number: int) -> tuple[Tensor, Tensor]:
        if job.how == "nan" and (rank, number // size) == (job.where, job.at):
            return batch_of(number)[0] * torch.nan, batch_of(number)[1]
        if job.how == "full" and (rank, number // size) == (job.where, job.at):
            limit_files(1000)
        if job.how in ("error", "kill", "stop") and rank == job.where and number >= job.at * size:
            if job.how == "error":
                raise WhenaboutsError("the disk is full")
            while not (job.folder / "run.safetensors").exists():
                time.sleep(0.01)
            os.kill(os.getpid(), {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[job.how])
        return batch_of(number)

    plan = dataclasses.replace(job.plan, learning_rate=0.1) if job.how == "other" and rank == job.where else job.plan
    model = net(plain=job.plain)
    try:
        with joined(CPU.device, patience_seconds=job.patience) as world:
            fitted = fit(
                Trainee(model, draw, measure),
                plan,
                CPU,
                checkpoint=job.folder / "run.safetensors",
                world=world,
                progress=Diary(job.folder / f"said{rank}.txt"),
            )
    except WhenaboutsError as error:
        (job.folder / f"error{rank}.txt").write_text(f"{type(error).__name__}: {error}")
        raise SystemExit(1) from None
    safetensors.torch.save_file(model.state_dict(), job.folder / f"net{rank}.safetensors")
    (job.folder / f"history{rank}.txt").write_text(repr((fitted.history, fitted.resumed_at)))


def limit_files(most: int) -> None:
    """From now on this process can't write files of more bytes, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def limited_verb(words: Sequence[str], rank: int, size: int, port: int) -> None:
    """`verb`, where files of the first word's number of bytes at most can be written."""
    limit_files(int(words[0]))
    verb(words[1:], rank, size, port)


def torchrun(words: Sequence[str], folder: Path) -> list[str]:
    """What each process says that `torchrun WORDS` starts, but as forks of a server that knows torch already."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
    from torch.distributed.launcher.api import elastic_launch
    from torch.distributed.run import config_from_args, parse_args

    config, command, given = config_from_args(parse_args(words))
    module = given.index("-m")
    if command != sys.executable or given[module + 1] != "whenabouts":
        raise ValueError(f"{words} starts {command} {given}.")
    config.start_method, config.logs_specs = "forkserver", DefaultLogsSpecs(str(folder), redirects=Std.ALL)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        preload()
        elastic_launch(config, entrypoint=launched)(given[module + 2 :])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return [path.read_text() for path in sorted(folder.rglob("stdout.log"))]


def launched(words: Sequence[str]) -> None:
    """A verb in a process whose world the launcher's variables describe."""
    torch.set_num_threads(1)
    sys.argv = ["whenabouts", *words]
    cli.main()


def verb(words: Sequence[str], rank: int, size: int, port: int) -> None:
    """One process that runs a verb of the command line, what it says going to a file in the current folder."""
    _enter(rank, size, port)
    said = os.open(f"said{rank}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.argv = ["whenabouts", *words]
    cli.main()


def _enter(rank: int, size: int, port: int) -> None:
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)


def start(job: Job, size: int) -> list[BaseProcess]:
    job.folder.mkdir(exist_ok=True)
    for path in job.folder.glob("error*.txt"):
        path.unlink()
    return begun(work, job, size)


def begun(target: Callable[..., None], given: object, size: int) -> list[BaseProcess]:
    """Start `target(given, rank, size, port)` in so many processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = preload()
    processes = [context.Process(target=target, args=(given, rank, size, port), daemon=True) for rank in range(size)]
    for process in processes:
        process.start()
    return list(processes)


def preload() -> multiprocessing.context.ForkServerContext:
    """Processes are forks of one that has read torch, so that not each reads it again."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo", "whenabouts.training.loop"])
    return context


def ended(processes: list[BaseProcess]) -> list[int]:
    """Exit codes; what has not ended after two minutes is killed, and its code is that of a kill."""
    for process in processes:
        process.join(120)
        if process.is_alive():
            process.kill()
            process.join()
    return [int(process.exitcode or 0) for process in processes]


def run(job: Job, size: int = 2) -> list[int]:
    return ended(start(job, size))


def kill_at(processes: list[BaseProcess], checkpoint: Path, step: int) -> None:
    while not (checkpoint.exists() and read_place(checkpoint).step >= step) and all(
        one.is_alive() for one in processes
    ):
        time.sleep(0.005)
    for process in processes:
        process.kill()
    ended(processes)


def nets(folder: Path) -> list[dict[str, Tensor]]:
    return [safetensors.torch.load_file(path) for path in sorted(folder.glob("net*.safetensors"))]


if __name__ == "__main__":
    sys.exit("It is imported by test_processes.py.")
