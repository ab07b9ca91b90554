"""The job behind the button "learn again": training and finding in child processes, told as they go."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whenabouts.core.errors import WhenaboutsError
from whenabouts.core.files import read_json
from whenabouts.core.moments import Moments
from whenabouts.data.project import Project
from whenabouts.evaluation.changes import changes_between

LOG_LINES = 50
END_SECONDS = 10.0


@dataclass
class Job:
    """One learning: where it is and what came of it."""

    state: str = "idle"
    step: str = ""
    begun: float | None = None
    ended: float | None = None
    log: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    error: str = ""
    result: dict[str, Any] | None = None


class Learning:
    """At most one job at a time; it goes on when nobody looks, and ends with the server."""

    def __init__(self, project: Project, *, truth: Path | None = None, device: str = "auto") -> None:
        self.project, self.truth, self.device = project, truth, device
        self._lock = threading.Lock()
        self._job = Job()
        self._process: subprocess.Popen[str] | None = None
        self._stopping = False

    def state(self) -> str:
        """idle, running, done, failed or stopped."""
        return self._job.state

    def to_json(self) -> dict[str, Any]:
        """All that is known of the last job."""
        job = self._job
        return {"state": job.state, "step": job.step, "begun": job.begun, "ended": job.ended, "log": list(job.log),
                "error": job.error, "result": job.result}  # fmt: skip

    def begin(self, localizer: str | None, *, even_if_worse: bool = False) -> bool:
        """Begin a job; False where one runs. A worse model is taken only with `even_if_worse`."""
        with self._lock:
            if self._job.state == "running":
                return False
            self._job, self._stopping = Job("running", "starting", time.time()), False
            chosen = ["--localizer", localizer] if localizer else []
            chosen += ["--even-if-worse"] if even_if_worse else []
            threading.Thread(target=self._run, args=(self._job, chosen), daemon=True).start()
            return True

    def stop(self) -> bool:
        """End the job; False where none runs. What it had written whole stays."""
        with self._lock:
            process, running = self._process, self._job.state == "running"
            self._stopping = running
        if process is not None:
            _end(process)
        return running

    def _run(self, job: Job, chosen: list[str]) -> None:
        try:
            before = self._moments()
            measured = ["--truth", str(self.truth)] if self.truth else []
            self._child(job, "training", ["train", "--with-reviews", *chosen, *measured])
            self._child(job, "finding", ["find", "--top", "0"])
            report = read_json(self.project.reports_folder / "learning.json")
            job.result = {**report, **changes_between(before, self._moments())}
            job.state, job.step = "done", ""
        except WhenaboutsError as error:
            job.state = "stopped" if self._stopping else "failed"
            job.error = "" if self._stopping else str(error)
        except Exception as error:  # The page waits for an end, whatever it is.
            job.state, job.error = "failed", f"{type(error).__name__}: {error}"
        finally:
            job.ended = time.time()

    def _moments(self) -> Moments | None:
        try:
            return Moments.from_json(read_json(self.project.moments_folder / "moments.json"))
        except (OSError, WhenaboutsError):
            return None

    def _child(self, job: Job, step: str, arguments: list[str]) -> None:
        """Run one verb; its remarks go to the log, and a bad end raises WhenaboutsError with its last words."""
        job.step = step
        command = [sys.executable, "-m", "whenabouts", *arguments, "--project", str(self.project.folder),
                   "--device", self.device, "--json"]  # fmt: skip
        with self._lock:
            if self._stopping:
                raise WhenaboutsError("stopped")
            process = self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                encoding="utf-8", errors="replace", env={**os.environ, "NO_COLOR": "1"},
            )  # fmt: skip
        assert process.stderr is not None
        for line in process.stderr:
            if line.strip():
                job.log.append(line.strip()[:500])
        code = process.wait()
        process.stderr.close()
        with self._lock:
            self._process = None
        if code:
            raise WhenaboutsError(job.log[-1] if job.log else f"whenabouts {arguments[0]} ended with {code}")


def _end(process: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(OSError):
        process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
        return
    process.kill()
