"""What a net says of persons, as AVA's evaluation reads it: a row for each box and action, with its score."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.files import write_text
from whenabouts.core.progress import Progress
from whenabouts.core.texts import named_rows
from whenabouts.data.box_files import COLUMNS, boxes_path
from whenabouts.data.exporters.protocol import Exported, ExportSettings
from whenabouts.data.project import Project
from whenabouts.evaluation.ava_files import read_actions


def export_ava(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write what `evaluate activities` said of persons; actions that the list does not have are left out."""
    how = settings.ava
    if not how.actions:
        raise InvalidData(
            "AVA's actions are numbered. Name the list: --set "
            "export.ava.actions=ava_action_list_v2.1_for_activitynet_2018.pbtxt."
        )
    numbers = {name: number for number, name in read_actions(Path(how.actions)).items()}
    text, rows, videos, strangers = io.StringIO(), 0, set[str](), set[str]()
    writer = csv.writer(text, lineterminator="\n")
    for path in _judged(project, settings.split):
        for row in _rows(path):
            if row["label"] not in numbers:
                strangers.add(row["label"])
                continue
            when = _timestamp(float(row["seconds"]) + how.start_seconds)
            writer.writerow([row["video"], when, *(row[name] for name in ("x1", "y1", "x2", "y2")),
                             numbers[row["label"]], row["score"]])  # fmt: skip
            videos.add(row["video"])
            rows += 1
    if strangers and not rows:
        raise InvalidData(f"{how.actions} has no {min(strangers)!r}, nor any other action that the net knows.")
    write_text(target, text.getvalue())
    lacking = [f"Actions that are not in the list are left out: {len(strangers)}."] if strangers else []
    return Exported({"videos": len(videos), "lines": rows}, tuple(lacking))


def _judged(project: Project, wanted: str) -> list[Path]:
    """Files of the split that is asked for, or of all splits whose persons were judged."""
    splits = list(project.manifest().splits) if wanted == "all" else [wanted]
    paths = [boxes_path(project.folder, split, "judged") for split in splits]
    there = [path for path in paths if path.is_file()]
    if not there:
        raise ProjectError(
            f"There is no {paths[-1] if paths else boxes_path(project.folder, 'test', 'judged')}. Run `whenabouts "
            "evaluate activities` with a net that judges persons (activities.people=each) first."
        )
    return there


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a file that `evaluate activities` wrote; InvalidData for one unlike it."""
    for line, row in named_rows(path, frozenset(COLUMNS)):
        try:
            for name in COLUMNS[1:6]:
                float(row[name])
            float(row["score"])
        except (KeyError, ValueError):
            raise InvalidData(f"{path} line {line} is damaged. Run `whenabouts evaluate activities` again.") from None
        yield row


def _timestamp(seconds: float) -> str:
    """As AVA writes whole seconds, 0902; others with six digits, as its script compares them."""
    return f"{round(seconds):04d}" if abs(seconds - round(seconds)) < 5e-7 else f"{seconds:.6f}"
