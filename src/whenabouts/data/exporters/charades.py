"""Submissions to Charades: a line of 157 scores for each video (classify), or for each of its 25 frames (localize).

As Charades' evaluation scripts read them: `id score score ...`, and `id frame score score ...` with frames from 1 on.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.files import write_text
from whenabouts.core.progress import Progress
from whenabouts.data.activity_files import ActivityTable, activities_path, read_activities
from whenabouts.data.exporters.protocol import Exported, ExportSettings, checked_name
from whenabouts.data.project import Project
from whenabouts.evaluation.charades import FRAMES
from whenabouts.evaluation.charades_files import CLASSES, read_classes

_NUMBERED = re.compile(r"c(\d{3})(?:\s.*)?")


def export_charades_classify(
    project: Project, target: Path, settings: ExportSettings, *, progress: Progress
) -> Exported:
    """Write what `evaluate activities` said of whole videos."""
    return _export(project, target, settings, moments=False)


def export_charades_localize(
    project: Project, target: Path, settings: ExportSettings, *, progress: Progress
) -> Exported:
    """Write what `evaluate activities --set activities.testing.moments=25` said of 25 moments of each video."""
    return _export(project, target, settings, moments=True)


def _export(project: Project, target: Path, settings: ExportSettings, *, moments: bool) -> Exported:
    listed = settings.charades.classes
    lines, notes, videos = [], [], set()
    for split in _splits(project, settings.split, moments=moments):
        table = read_activities(activities_path(project.folder, split, moments=moments), moments=moments)
        places, count, told = _places(table, read_classes(Path(listed)) if listed else None)
        notes += told
        for row in table.rows:
            if moments and not 1 <= row.moment <= FRAMES:
                raise InvalidData(
                    f"Charades looks at {FRAMES} frames of a video, but {row.video} has moment {row.moment}. Run "
                    f"`whenabouts evaluate activities --set activities.testing.moments={FRAMES}`."
                )
            scores = np.zeros(count)
            scores[places] = row.probabilities
            lead = [checked_name(row.video, "Charades' format"), *([str(row.moment)] if moments else [])]
            lines.append(" ".join([*lead, *(f"{value:.9g}" for value in scores.tolist())]))
            videos.add(row.video)
    write_text(target, "".join(f"{line}\n" for line in lines))
    return Exported({"videos": len(videos), "lines": len(lines)}, tuple(dict.fromkeys(notes)))


def _splits(project: Project, wanted: str, *, moments: bool) -> list[str]:
    """The split that is asked for, or all that something was said of; with none of them the first, which is missing."""
    if wanted != "all":
        return [wanted]
    splits = list(project.manifest().splits)
    there = [split for split in splits if activities_path(project.folder, split, moments=moments).is_file()]
    return there or ["test" if "test" in splits else splits[0] if splits else "test"]


def _places(table: ActivityTable, listed: Sequence[str] | None) -> tuple[list[int], int, list[str]]:
    """Class numbers (A,) of a table's activities, how many classes there are, and what should be known of it."""
    if listed is None:
        numbered = [match for match in map(_NUMBERED.fullmatch, table.names) if match]
        if len(numbered) != len(table.names):
            raise InvalidData(
                f"Charades' classes are numbered, and {table.names[0]!r} does not tell its number. Name the list: "
                "--set export.charades.classes=Charades_v1_classes.txt."
            )
        places, count = [int(match[1]) for match in numbered], CLASSES
    else:
        numbers = {alias: index for index, name in enumerate(listed) for alias in (name, *_parts(name))}
        strangers = [name for name in table.names if name not in numbers]
        if strangers:
            raise InvalidData(
                f"The list of classes has no {strangers[0]!r} ({len(strangers)} of {len(table.names)} activities are "
                "not in it)."
            )
        places, count = [numbers[name] for name in table.names], len(listed)
    if len(set(places)) != len(places) or max(places) >= count:
        raise InvalidData(f"{len(table.names)} activities need as many different classes, each below {count}.")
    lacking = count - len(places)
    return places, count, [f"Classes that the net does not know have the score 0: {lacking}."] if lacking else []


def _parts(name: str) -> tuple[str, ...]:
    """`c000 Holding some clothes` is known by its number and by its words, too."""
    number, _, words = name.partition(" ")
    return (number, words.strip()) if words.strip() else (number,)
