"""Submissions to EPIC-KITCHENS' action recognition: scores of all verbs and nouns for each clip of the test lists.

As its challenges read them, in a zip archive: of -100 `test.json`, version 0.2, of -55 `seen.json` and `unseen.json`,
version 0.1. Both take a softmax of scores, so that logarithms of probabilities are written; actions they compute
themselves, as products of both.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np

from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.files import replacing
from whenabouts.core.progress import Progress
from whenabouts.core.timing import FloatArray
from whenabouts.data.annotations.clip_lists import ListedClip
from whenabouts.data.annotations.epic_kitchens import epic_kitchens_classes, is_epic_100, read_epic_kitchens
from whenabouts.data.exporters.protocol import EpicKitchensFile, Exported, ExportSettings
from whenabouts.data.named_files import NamedTable, named_path, read_named
from whenabouts.data.project import Project

# A probability below this counts as this: its logarithm must be finite.
_LEAST = 1e-30
# By how much a clip may end behind its video, as at import.
_SLACK_SECONDS = 2.0


def export_epic_kitchens(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write what `finetune` said of the test clips: verbs in this project, nouns in `export.epic_kitchens.nouns`.

    Clips that a classifier said nothing of get the same score for all classes, and are counted and told.
    """
    told = settings.epic_kitchens
    if not told.tables or not told.nouns:
        raise SettingsError(
            "EPIC-KITCHENS' submissions need its tables and a project of nouns: --set "
            "'export.epic_kitchens.tables=\"FOLDER\"' --set 'export.epic_kitchens.nouns=\"PROJECT\"'."
        )
    tables, wanted = Path(told.tables), "test" if settings.split == "all" else settings.split
    clips = [clip for clip in read_epic_kitchens(tables, "verb").clips if _of(clip.split, wanted)]
    if not clips:
        raise InvalidData(f"{tables} lists no clip of split {wanted}. Put the list with their times there.")
    head = _head(told, tables)
    homes = {"verb": project, "noun": Project.open(Path(told.nouns))}
    known = {kind: _Scores.of(home, kind, tables, clips) for kind, home in homes.items()}
    files: dict[str, dict[str, Any]] = {}
    for clip in clips:
        name = "test.json" if is_epic_100(tables) else f"{clip.split.removeprefix('test-')}.json"
        files.setdefault(name, {})[clip.names[0]] = {kind: scores.told(clip) for kind, scores in known.items()}
    _write(target, {name: {**head, "results": results} for name, results in files.items()})
    notes = tuple(note for kind, scores in known.items() for note in scores.notes(kind, clips))
    unnamed = {f"clips_without_{kind}s": len(scores.unnamed(clips)) for kind, scores in known.items()}
    return Exported({"clips": len(clips), "files": len(files), **unnamed}, notes)


def _of(split: str, wanted: str) -> bool:
    return split == wanted or split.startswith(f"{wanted}-")


def _head(told: EpicKitchensFile, tables: Path) -> dict[str, Any]:
    if not is_epic_100(tables):
        return {"version": "0.1", "challenge": "action_recognition"}
    levels = {"sls_pt": told.sls_pt, "sls_tl": told.sls_tl, "sls_td": told.sls_td}
    missing = [name for name, level in levels.items() if level is None]
    if missing:
        raise SettingsError(
            f"EPIC-KITCHENS-100 wants to know how much supervision there was, 0 to 5: set "
            f"{', '.join(f'export.epic_kitchens.{name}' for name in missing)}."
        )
    return {"version": "0.2", "challenge": "action_recognition", **levels}


@dataclass(frozen=True)
class _Scores:
    """Scores (C,) of clips by their first name, of all classes by number; `unknown` classes are the net's lack."""

    numbers: tuple[int, ...]
    of_clip: Mapping[str, FloatArray]
    unknown: int

    @classmethod
    def of(cls, home: Project, kind: str, tables: Path, clips: Sequence[ListedClip]) -> "_Scores":
        """What a project's classifier said of the splits that clips are in."""
        classes, found, lacking = epic_kitchens_classes(tables, kind), {}, 0
        for split in dict.fromkeys(clip.split for clip in clips):
            table = read_named(named_path(home.reports_folder, split))
            places = _places(table, classes, kind)
            lacking = max(lacking, len(classes) - len(table.names))
            by_file = _by_file(table)
            for clip in (clip for clip in clips if clip.split == split):
                row = _row(clip, by_file)
                if row is not None:
                    scores = np.full(len(classes), math.log(_LEAST))
                    scores[places] = np.log(np.maximum(table.rows[row].probabilities, _LEAST))
                    found[clip.names[0]] = scores
        return cls(tuple(sorted(classes)), found, lacking)

    def told(self, clip: ListedClip) -> dict[str, float]:
        """A clip's scores by the number of the class."""
        even = np.full(len(self.numbers), -math.log(len(self.numbers)))
        scores = self.of_clip.get(clip.names[0], even)
        return {str(number): float(f"{score:.9g}") for number, score in zip(self.numbers, scores, strict=True)}

    def unnamed(self, clips: Sequence[ListedClip]) -> list[str]:
        """The clips that nothing was said of."""
        return [clip.names[0] for clip in clips if clip.names[0] not in self.of_clip]

    def notes(self, kind: str, clips: Sequence[ListedClip]) -> list[str]:
        """What a reader should know."""
        said, unnamed = [], self.unnamed(clips)
        if unnamed:
            said.append(
                f"Of {len(unnamed)} of {len(clips)} clips no {kind} was said ({', '.join(unnamed[:3])}): all have the "
                "same score there."
            )
        if self.unknown:
            said.append(f"{self.unknown} {kind}s that the net does not know have the least score.")
        return said


def _places(table: NamedTable, classes: Mapping[int, str], kind: str) -> list[int]:
    """Where each of a table's labels stands among the classes in order of their numbers."""
    order = {classes[number]: place for place, number in enumerate(sorted(classes))}
    strangers = [name for name in table.names if name not in order]
    if strangers:
        raise InvalidData(
            f"EPIC-KITCHENS has no {kind} {strangers[0]!r} ({len(strangers)} of {len(table.names)} labels are not in "
            f"its table). Give the project of {kind}s, imported with --set import.epic_kitchens.task={kind}."
        )
    return [order[name] for name in table.names]


def _by_file(table: NamedTable) -> dict[str, list[tuple[int, tuple[float, float] | None]]]:
    """Rows and their spans by the name of the file, without folders and ending."""
    found: dict[str, list[tuple[int, tuple[float, float] | None]]] = {}
    for number, row in enumerate(table.rows):
        found.setdefault(row.video.rpartition("/")[2].partition(".")[0], []).append((number, row.span))
    return found


def _row(clip: ListedClip, by_file: Mapping[str, list[tuple[int, tuple[float, float] | None]]]) -> int | None:
    """The row of a clip: that of its own file, else the one in its video's file with its times."""
    for name in clip.names:
        for number, span in by_file.get(name, []):
            if span is None:
                return number
    if clip.span is None:
        return None
    start, end = clip.span
    within = [
        (abs(span[1] - end), number)
        for name in clip.whole
        for number, span in by_file.get(name, [])
        if span is not None and abs(span[0] - start) < 1e-6 and abs(span[1] - end) <= _SLACK_SECONDS
    ]
    return min(within)[1] if within else None


def _write(target: Path, files: Mapping[str, Any]) -> None:
    """A flat archive, the same bytes for the same content."""
    with replacing(target) as part, ZipFile(part, "w") as archive:
        for name, values in files.items():
            entry = ZipInfo(name)
            entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, json.dumps(values, allow_nan=False))
