"""How fast a training goes, and how much of its time it waits for data."""

import contextlib
from collections.abc import Iterator
from time import monotonic


class Pace:
    """Counts time and examples from report to report, `examples` a step, behind the first step, which warms up."""

    def __init__(self, examples: int) -> None:
        self._examples, self._warm = examples, False
        self._restart()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """What is done within is waiting."""
        begun = monotonic()
        yield
        self._waited += monotonic() - begun

    def step(self) -> None:
        """A step is done."""
        self._steps += 1
        if not self._warm:
            self._warm = True
            self._restart()

    def told(self) -> dict[str, float]:
        """`waiting_share` and, where examples are counted, `examples_per_second` since the last call."""
        seconds = max(monotonic() - self._begun, 1e-9)
        told = {"waiting_share": self._waited / seconds}
        if self._examples and self._steps:
            told["examples_per_second"] = self._examples * self._steps / seconds
        self._restart()
        return told

    def _restart(self) -> None:
        self._begun, self._waited, self._steps = monotonic(), 0.0, 0
