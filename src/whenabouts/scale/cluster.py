"""Where work is done: in this process, on Ray on this machine, or on a Ray cluster."""

import contextlib
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from whenabouts import __version__
from whenabouts.core.errors import ProjectError, SettingsError
from whenabouts.core.progress import Progress

Item = TypeVar("Item")

LOCAL = "local"
_ADDRESS = re.compile(r"ray://[^\s/:]+:\d{1,5}")
# What Ray on this machine keeps for objects under way; results are taken in as they come.
_STORE_BYTES = 200_000_000
_TRIES = 3


def check_place(where: str) -> bool:
    """Whether `where` is a cluster; what is none of `local`, `ray` and `ray://HOST:PORT` raises SettingsError."""
    if where in (LOCAL, "ray") or _ADDRESS.fullmatch(where):
        return where != LOCAL
    raise SettingsError(
        f"--on is {where!r}. Write local, ray (the cluster in RAY_ADDRESS, else Ray on this machine), or "
        "ray://HOST:PORT (10001 is the usual port)."
    )


@contextlib.contextmanager
def connected(where: str, *, cpus: int | None = None) -> Iterator[Any]:
    """Ray's module, connected to `where` within the block.

    `ray` is the cluster that RAY_ADDRESS names, else a Ray of its own on this machine, of `cpus` processors, which ends
    with the block. SettingsError where Ray is not installed, ProjectError where no cluster answers.
    """
    check_place(where)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # A worker without GPUs is to see none, as it is today; Ray tells at every start that this will change.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    try:
        import ray
    except ImportError:
        raise SettingsError(f"--on {where} needs Ray: pip install 'whenabouts[cluster]'.") from None
    with contextlib.ExitStack() as stack:
        if not ray.is_initialized():
            with _own_signals():
                _connect(ray, where, cpus)
            stack.callback(ray.shutdown)
        # Ray tells of lost nodes where results are written: these are not for programs that read them.
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        yield ray


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what a program does on SIGTERM: Ray would end it with its own exit code, and without a word."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as ending:
        if ending.code == signal.SIGTERM and callable(before):  # What Ray makes of the signal while it starts.
            before(signal.SIGTERM, None)
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _connect(ray: Any, where: str, cpus: int | None) -> None:
    address = os.environ.get("RAY_ADDRESS") if where == "ray" else where
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    try:
        if address and address != LOCAL:
            _reach(ray, address, quiet)
        else:
            ray.init(LOCAL, num_cpus=cpus, object_store_memory=_STORE_BYTES, include_dashboard=False, **quiet)
    except Exception as error:  # Ray raises it, and no class of its own, where a node takes too long to start.
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = lines[0] if len(lines) == 1 or not lines[0].endswith(":") else f"{lines[0]} {lines[-1].strip()}"
        if not address or address == LOCAL:
            raise ProjectError(
                f"Ray did not start on this machine ({reason[:300]}). Try again when the machine is less busy and has "
                "memory left, or work without Ray: --on local."
            ) from None
        raise ProjectError(
            f"No Ray cluster answers at {address} ({reason[:300]}). "
            "Start one (`ray start --head`), or name another with --on ray://HOST:PORT or RAY_ADDRESS."
        ) from None


def _reach(ray: Any, address: str, quiet: dict[str, Any]) -> None:
    """Connect to a cluster; where it could not start its server for this program (seen on a busy head), ask again."""
    for left in reversed(range(_TRIES)):
        try:
            ray.init(address, **quiet)
            return
        except ConnectionError as error:
            if not left or "Initialization failure from server" not in str(error):
                raise
            ray.shutdown()


def processors(ray: Any) -> tuple[int, int]:
    """How many CPUs and GPUs the cluster has now."""
    there = ray.cluster_resources()
    return int(there.get("CPU", 0)), int(there.get("GPU", 0))


def wants_gpu(ray: Any, device: str) -> bool:
    """Whether work on `device` needs a GPU there: "auto" does where the cluster has any."""
    return device.startswith("cuda") or (device == "auto" and processors(ray)[1] >= 1)


def greeting(version: str) -> str:
    """Within a worker: who this is, NODE/PROCESS; SettingsError where the caller's `version` is another."""
    if version != __version__:
        raise SettingsError(
            f"A worker on {socket.gethostname()} has whenabouts {__version__}, but was called by {version}. "
            "Install the same version on all nodes."
        )
    return here()


def here() -> str:
    """Who this is: NODE/PROCESS."""
    return f"{socket.gethostname()}/{os.getpid()}"


@dataclass(frozen=True)
class Quoted:
    """Progress whose lines name who has said them."""

    progress: Progress
    who: str

    def say(self, text: str) -> None:
        """One line, with a name in front."""
        self.progress.say(f"{self.who}: {text}")

    def track(self, items: Iterable[Item], *, total: int | None, title: str) -> Iterator[Item]:
        """Yield `items` under the bar."""
        return self.progress.track(items, total=total, title=title)


def cause_of(error: Any) -> BaseException:
    """What a job raised, if that is what Ray tells of; else Ray's own error, such as that of a worker's end."""
    inner = getattr(error, "cause", None)
    return inner if isinstance(inner, BaseException) else error


def of_ray(error: BaseException) -> bool:
    """Whether an error tells of the cluster, and not of the work."""
    return type(error).__module__.startswith("ray.exceptions") and type(error).__name__ != "RayTaskError"


def told(error: BaseException) -> str:
    """One line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
