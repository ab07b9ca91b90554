"""The numbers of a training in TensorBoard's files: `tensorboard --logdir FOLDER` draws them."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from whenabouts.core.progress import Progress


class EventFiles:
    """A journal in event files below `folder`; without the package `tensorboard` it says so once and keeps nothing.

    A training that goes on from step N begins a file of its own, which takes back what was noted behind N before. Where
    a file can't be written, for want of room say, it says so once, and the training goes on without.
    """

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder, self._progress = folder, progress
        self._writer: Any = None

    def begin(self, step: int) -> None:
        """Open a file for what follows `step`."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self._progress.say("No TensorBoard files: pip install 'whenabouts[plots]' for them.")
            return
        try:
            self._writer = SummaryWriter(str(self._folder), purge_step=step + 1)
        except OSError as error:
            self._give_up(error)

    def note(self, step: int, values: Mapping[str, float]) -> None:
        """Write the numbers of one report to disk."""
        if self._writer is None:
            return
        try:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """No more will come."""
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()
            self._writer = None

    def _give_up(self, error: OSError) -> None:
        self._progress.say(
            f"TensorBoard files below {self._folder} can't be written: {error.strerror or error}. The training goes on "
            "without them."
        )
        self.close()
