"""What is wrong in a data set's own files, line by line, before anything is imported."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData
from whenabouts.data.annotations.ava import is_ava, read_ava
from whenabouts.data.annotations.charades import is_charades, read_charades
from whenabouts.data.annotations.nouns import AnnotationSet, Fault
from whenabouts.data.annotations.reading import read_annotations
from whenabouts.data.annotations.volleyball import is_volleyball, read_volleyball


@dataclass(frozen=True)
class AnnotationCheck:
    """The kind of data set, counts of what is there, and all findings, each with its place."""

    kind: str
    counts: Mapping[str, int]
    faults: tuple[Fault, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        kinds = Counter(fault.what for fault in self.faults)
        findings = [asdict(fault) for fault in self.faults]
        return {"kind": self.kind, "counts": dict(self.counts), "finding_count": len(findings),
                "finding_kinds": dict(kinds), "findings": findings}  # fmt: skip

    def to_text(self, most: int = 5) -> str:
        """Counts, then the first findings of each kind."""
        lines = [", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in self.counts.items())]
        for what, count in Counter(fault.what for fault in self.faults).items():
            own = [fault for fault in self.faults if fault.what == what]
            lines += [f"{one.where}: {what}" + (f" (seen: {one.seen})" if one.seen else "") for one in own[:most]]
            lines += [f"... and {count - most} more: {what}"] if count > most else []
        return "\n".join(lines)


def check_annotations(path: Path) -> AnnotationCheck:
    """Read annotations of whatever data set a path holds; InvalidData where it is none that is known."""
    if not path.exists():
        raise InvalidData(f"There is no {path}. Give a data set's folder of annotations, or a file.")
    if is_charades(path):
        return _of("charades", read_charades(path))
    if is_ava(path):
        found = read_ava(path)
        boxes = {f"boxes_{split}": len(rows) for split, rows in found.boxes.items()}
        boxes |= {f"proposals_{split}": len(rows) for split, rows in found.found.items()}
        return _of("ava", found.annotations, boxes)
    if is_volleyball(path):
        clips, faults = read_volleyball(path)
        counts = {"clips": len(clips), "players": sum(len(clip.players) for clip in clips)}
        return AnnotationCheck("volleyball", counts, faults)
    kind, annotations = read_annotations(path)
    return _of(kind, annotations)


def _of(kind: str, found: AnnotationSet, more: Mapping[str, int] | None = None) -> AnnotationCheck:
    return AnnotationCheck(kind, {**found.counts(), **(more or {})}, (*found.faults, *found.instance_faults()))
