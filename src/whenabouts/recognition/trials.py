"""What a search of settings has tried, kept on disk as it goes, so that a killed search goes on where it was."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData
from whenabouts.core.files import read_json, write_json
from whenabouts.recognition.finetune_settings import Choice, FinetuneSettings


@dataclass(frozen=True, slots=True)
class Trial:
    """One choice and what it reached on the held-out examples; None where it failed, and then why."""

    choice: Choice
    value: float | None
    measured: Mapping[str, Any]
    failure: str = ""

    def line(self, how: FinetuneSettings) -> str:
        """One line for people."""
        tried = ", ".join(f"{name} {value:g}" for name, value in self.choice.told(how.tune).items())
        if self.value is None:
            return f"{tried}: {self.failure or 'nothing measured'}"
        return f"{tried}: {how.measure} {self.value:.3f}"

    def to_json(self, how: FinetuneSettings) -> dict[str, Any]:
        """Plain JSON values."""
        tried = self.choice.told(how.tune)
        return {**tried, "value": self.value, "measured": dict(self.measured), "failure": self.failure}


class Trials:
    """The trials in a file that belongs to one search: one of another `identity` is begun anew."""

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self.identity = path, identity
        self.done: tuple[Trial, ...] = self._read()

    def add(self, trial: Trial) -> None:
        """Keep one more."""
        self.done = (*self.done, trial)
        write_json(self.path, {"identity": self.identity, "trials": [asdict(trial) for trial in self.done]})

    def _read(self) -> tuple[Trial, ...]:
        try:
            told = read_json(self.path)
            if told["identity"] != self.identity:
                return ()
            return tuple(
                Trial(Choice(**row["choice"]), row["value"], row["measured"], row["failure"]) for row in told["trials"]
            )
        except (FileNotFoundError, InvalidData, KeyError, TypeError):
            return ()


def best_of(trials: Sequence[Trial]) -> Choice:
    """The choice that reached most, the first of equals; where none reached anything, InvalidData says why."""
    reached = [trial for trial in trials if trial.value is not None]
    if not reached:
        why = trials[0].failure or "no held-out example has a label that could be measured"
        raise InvalidData(f"None of {len(trials)} trials can be measured: {why}")
    return max(reached, key=lambda trial: trial.value or 0.0).choice
