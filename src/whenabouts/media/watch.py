"""A child process that decodes, and the watch over it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from io import BufferedReader
from time import monotonic
from typing import BinaryIO, Protocol, cast

from whenabouts.core.errors import InvalidData
from whenabouts.media.messages import Message, receive, send


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may use: seconds without a sign of life, seconds in all, and bytes of memory.

    Only time in which the parent waits for the child counts.
    """

    silence_seconds: float = 120.0
    total_seconds: float = 6 * 3600.0
    memory_bytes: int = 4 << 30

    def __post_init__(self) -> None:
        if min(self.silence_seconds, self.total_seconds, self.memory_bytes) <= 0:
            raise InvalidData(f"Limits are above 0, but got {self}.")


@dataclass(frozen=True, slots=True)
class _End:
    """How one try ended: why ("" if by itself), how many arrays were taken, and whether the file is not to blame.

    `innocent` ends are tried again at once, after `passing` ones another run may try again.
    """

    failure: str
    taken: int
    innocent: bool = False
    passing: bool = False


class Taker(Protocol):
    """Who takes what a child sends."""

    @property
    def dropped(self) -> bool:
        """Whether nobody wants the rest."""

    def take_in(self, message: Message) -> None:
        """Keep a message; may wait for room."""

    def end(self, failure: str, *, passing: bool = False) -> None:
        """No more will come; `failure` says why, if not by itself, `passing` that the file may not be the reason."""


class Child:
    """One child process, started when it is needed and again after it died, and the watch over it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._late = ""
        self._used = 0.0
        self._closed = False

    def run(self, request: Message, decoding: Taker) -> None:
        """Run one job to its end, whatever end that is.

        Where somebody else killed the child, such as a system short of memory, the file is not to blame: the job is
        begun again, twice at most, and its taker sees no part twice.
        """
        self._used, taken = 0.0, 0
        for last in (False, False, True):
            end = self._tried(request, decoding, taken)
            taken = end.taken
            if last or not end.innocent or self._closed:
                decoding.end(end.failure, passing=end.innocent or end.passing)
                return

    def _tried(self, request: Message, decoding: Taker, taken: int) -> "_End":
        """Run a job without the first `taken` of its arrays."""
        self._late, seen = "", 0
        try:
            process = self._started()
            send(cast(BinaryIO, process.stdin), request)
        except OSError as error:
            self._discard()
            return _End(f"no child process can be used: {error}", taken, innocent=True)
        while not decoding.dropped:
            begun = monotonic()
            message = self._received(process, self._used)
            self._used += monotonic() - begun
            if message is None:
                failure = self._late or _death(process)
                self._discard()
                return _End(failure, max(taken, seen), innocent=not self._late and process.returncode in _FROM_OUTSIDE)
            if message.kind in ("end", "error"):
                told = message.values
                return _End(str(told.get("reason", "")), seen, passing=bool(told.get("passing")))
            seen += message.kind == "arrays"
            if message.kind != "arrays" or seen > taken:
                decoding.take_in(message)
        self._discard()
        return _End("decoding was ended before its time", taken, passing=True)

    def interrupt(self) -> None:
        """End the process, from another thread; the job under way, if any, ends with it."""
        self._closed = True
        self._kill("decoding was ended before its time")

    def close(self) -> None:
        """End the process, from the thread that runs the jobs."""
        self._closed = True
        self._discard()

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._closed:
            raise OSError("decoding was ended")
        if self._process is not None and self._process.poll() is not None:
            self._discard()
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, json.dumps(sys.path), str(self._limits.memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            )
        return self._process

    def _received(self, process: "subprocess.Popen[bytes]", used: float) -> Message | None:
        """The next message; None when the child has died, or was killed for being late."""
        silence, left = self._limits.silence_seconds, self._limits.total_seconds - used
        late = (
            f"no sign of life for {silence:g} s" if silence < left else f"not done in {self._limits.total_seconds:g} s"
        )
        watch = threading.Timer(max(0.0, min(silence, left)), self._kill, (f"decoding was ended: {late}",))
        watch.daemon = True
        watch.start()
        try:
            return receive(cast(BufferedReader, process.stdout))
        except (OSError, ValueError):
            return None
        finally:
            watch.cancel()

    def _kill(self, late: str) -> None:
        self._late = late
        if self._process is not None:
            self._process.kill()

    def _discard(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError, ValueError):
                cast(BinaryIO, pipe).close()


# How a child ends that neither its file nor we have ended.
_FROM_OUTSIDE = [-number for number in (signal.SIGTERM, getattr(signal, "SIGKILL", 0), getattr(signal, "SIGHUP", 0))]

# The child finds the same modules as we do, but never our main program: that may import torch.
_START = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from whenabouts.media.child import serve; serve(int(sys.argv[2]))"
)


def _death(process: "subprocess.Popen[bytes]") -> str:
    """How a child ended that sent no last word."""
    code = process.wait()
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"decoding crashed ({signal.Signals(-code).name})"
    return f"decoding ended with exit status {code}"
