"""Files of what a net for activities says: a probability for each activity, of videos or of moments of them."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.files import write_text
from whenabouts.core.texts import csv_rows, file_name_of
from whenabouts.core.timing import FloatArray

_VIDEO, _MOMENT = ("video",), ("video", "moment", "seconds")


@dataclass(frozen=True)
class ActivityRow:
    """Probabilities (A,) of a video, or of its moment `moment` (from 1 on) at `seconds`."""

    video: str
    probabilities: FloatArray
    moment: int = 0
    seconds: float = math.nan


@dataclass(frozen=True)
class ActivityTable:
    """Names of activities (A), and rows in the order of the file."""

    names: tuple[str, ...]
    rows: tuple[ActivityRow, ...]


def activities_path(folder: Path, split: str, *, moments: bool = False) -> Path:
    """Where a project keeps them: activities/test.csv of videos, activities/test-moments.csv of moments."""
    return folder / "activities" / f"{file_name_of(split)}{'-moments' if moments else ''}.csv"


def write_activities(path: Path, names: Sequence[str], rows: Iterable[ActivityRow], *, moments: bool = False) -> None:
    """Write rows, whole or not at all, with digits enough that no two scores that differ become tied."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(_MOMENT if moments else _VIDEO), *names])
    for row in rows:
        place = [str(row.moment), repr(float(row.seconds))] if moments else []
        writer.writerow([row.video, *place, *(f"{value:.9g}" for value in row.probabilities.tolist())])
    write_text(path, text.getvalue())


def read_activities(path: Path, *, moments: bool = False) -> ActivityTable:
    """Read what `write_activities` wrote; ProjectError where nothing is, InvalidData for a row unlike it."""
    if not path.is_file():
        more = " --set activities.testing.moments=25" if moments else ""
        raise ProjectError(f"There is no {path}. Run `whenabouts evaluate activities{more}` first.")
    lead = _MOMENT if moments else _VIDEO
    names: tuple[str, ...] = ()
    rows = []
    for line, row in csv_rows(path):
        if not names:
            names = tuple(row[len(lead) :])
            if tuple(row[: len(lead)]) != lead or not names:
                raise InvalidData(
                    f"{path} begins with the columns {', '.join(lead)} and activities, but has {row[:4]}."
                )
            continue
        try:
            values = np.asarray(row[len(lead) :], np.float64)
            place = (int(row[1]), float(row[2])) if moments else (0, math.nan)
        except (ValueError, IndexError):
            values, place = np.zeros(0), (0, math.nan)
        if values.shape != (len(names),) or not np.isfinite(values).all():
            raise InvalidData(f"{path} line {line}: a row needs {', '.join(lead)} and {len(names)} probabilities.")
        rows.append(ActivityRow(row[0], values, *place))
    if not names:
        raise InvalidData(f"{path} is empty. Run `whenabouts evaluate activities` again.")
    return ActivityTable(names, tuple(rows))
