"""What the data doctor says."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["stop", "warning", "note"]
Verdict = Literal["works", "doubtful", "fails"]
_MARKS = {"stop": "STOP", "warning": "warn", "note": "note"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: what is wrong, with the figure behind it, and what to do; `names` are the ids or concepts."""

    severity: Severity
    topic: str
    text: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{_MARKS[self.severity]}  {self.topic}: {self.text}"


@dataclass(frozen=True, slots=True)
class ConceptVerdict:
    """Whether a concept can be learned from its `videos` training videos, and why not; `held_out` videos test it."""

    name: str
    videos: int
    held_out: int
    verdict: Verdict
    reasons: tuple[str, ...]


@dataclass
class CheckReport:
    """All findings, a verdict for each concept, figures by name, and the step to take next."""

    findings: list[Finding] = field(default_factory=list)
    concepts: list[ConceptVerdict] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    next_step: str = ""

    def add(self, severity: Severity, topic: str, text: str, names: Iterable[str] = ()) -> None:
        """Record a finding."""
        self.findings.append(Finding(severity, topic, text, tuple(names)))

    @property
    def trainable(self) -> bool:
        """True where nothing stops a training."""
        return not any(finding.severity == "stop" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "trainable": self.trainable,
            "next_step": self.next_step,
            "figures": self.figures,
            "findings": [asdict(finding) for finding in self.findings],
            "concepts": [asdict(verdict) for verdict in self.concepts],
        }

    def to_text(self, rows: int = 20) -> str:
        """Findings, the worst first, then the concepts that fail or are doubtful with their reasons."""
        order = list(_MARKS)
        lines = [str(finding) for finding in sorted(self.findings, key=lambda one: order.index(one.severity))]
        troubled = [verdict for verdict in self.concepts if verdict.verdict != "works"]
        troubled.sort(key=lambda verdict: (verdict.verdict != "fails", verdict.name))
        if troubled:
            width = max(7, *(min(len(verdict.name), 40) for verdict in troubled[:rows]))
            lines.append(f"\n{'concept':<{width}}  videos  verdict   why")
            lines += [
                f"{one.name[:40]:<{width}}  {one.videos:6d}  {one.verdict:<8}  {'; '.join(one.reasons)}"
                for one in troubled[:rows]
            ]
            lines += [f"... and {len(troubled) - rows} more"] if len(troubled) > rows else []
        return "\n".join(lines)


def some(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
