"""Files of what a classifier said of each example of a split: a probability for every label."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.files import read_json, write_json
from whenabouts.core.texts import file_name_of
from whenabouts.core.timing import FloatArray


@dataclass(frozen=True)
class NamedExample:
    """Probabilities (L,) of a video, or of its `span` [start, end) in seconds."""

    video: str
    probabilities: FloatArray
    span: tuple[float, float] | None = None


@dataclass(frozen=True)
class NamedTable:
    """Names of labels (L), and examples in the order of the file."""

    names: tuple[str, ...]
    rows: tuple[NamedExample, ...]


def named_path(reports: Path, split: str) -> Path:
    """Where a project's reports keep them: probabilities-test.json."""
    return reports / f"probabilities-{file_name_of(split)}.json"


def write_named(path: Path, names: Sequence[str], rows: Sequence[NamedExample]) -> None:
    """Write examples, whole or not at all; numbers have six digits."""
    written = [
        {
            "video": row.video,
            **({} if row.span is None else {"start": row.span[0], "end": row.span[1]}),
            "probabilities": [float(f"{value:.6g}") for value in row.probabilities.tolist()],
        }
        for row in rows
    ]
    write_json(path, {"labels": list(names), "rows": written}, indent=None)


def read_named(path: Path) -> NamedTable:
    """Read what `write_named` wrote; ProjectError where nothing is, InvalidData for anything unlike it."""
    try:
        told = read_json(path)
    except FileNotFoundError:
        raise ProjectError(f"There is no {path}. Run `whenabouts finetune` first.") from None
    try:
        names = tuple(str(name) for name in told["labels"])
        rows = []
        for row in told["rows"]:
            span = (float(row["start"]), float(row["end"])) if "start" in row else None
            rows.append(NamedExample(str(row["video"]), np.asarray(row["probabilities"], np.float64), span))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidData(f"{path} is not what `finetune` writes: {error!r}. Run it again.") from None
    for number, example in enumerate(rows):
        if example.probabilities.shape != (len(names),) or not np.isfinite(example.probabilities).all():
            raise InvalidData(f"{path}, row {number}: it needs {len(names)} finite numbers. Run `finetune` again.")
    return NamedTable(names, tuple(rows))
