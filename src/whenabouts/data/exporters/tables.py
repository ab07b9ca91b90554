"""Moments as a table, one row each: CSV for people and their programs, Parquet for other engines."""

import csv
from pathlib import Path
from typing import Any

from whenabouts.core.errors import ProjectError
from whenabouts.core.files import replacing
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Progress
from whenabouts.data.exporters.lines import whole
from whenabouts.data.exporters.marked import Marked, marked_videos
from whenabouts.data.exporters.protocol import Exported, ExportSettings, moments_of
from whenabouts.data.project import Project

COLUMNS = ("video", "path", "start", "end", "label", "score", "kind")
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def export_csv(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write a header and a row per moment; seconds and scores have all their digits."""
    moments = moments_of(project, settings)
    rows = _rows(marked_videos(project, moments))
    with replacing(target) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    risky = sum(row[4].startswith(FORMULAS) for row in rows)
    notes = (f"{risky} labels begin like a formula: import the file as text, where a spreadsheet asks.",) * bool(risky)
    return Exported({"moments": len(moments), "videos": len({row[0] for row in rows})}, notes)


def export_parquet(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write one Parquet file with zstd: strings as dictionaries, seconds and scores as float64."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ProjectError("Parquet needs pyarrow: pip install 'whenabouts[parquet]'.") from None
    moments = moments_of(project, settings)
    columns = list(zip(*_rows(marked_videos(project, moments)), strict=True)) or [()] * len(COLUMNS)
    words = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    kinds = {"start": pyarrow.float64(), "end": pyarrow.float64(), "score": pyarrow.float64()}
    fields = [pyarrow.field(name, kinds.get(name, words)) for name in COLUMNS]
    arrays = [pyarrow.array(column, field.type) for column, field in zip(columns, fields, strict=True)]
    table = pyarrow.Table.from_arrays(arrays, schema=pyarrow.schema(fields, {"concepts": _concepts(moments)}))
    with replacing(target) as part:
        pyarrow.parquet.write_table(table, part, compression="zstd")
    return Exported({"moments": len(moments), "videos": len(set(moments.video_ids.tolist()))})


def _rows(videos: list[Marked]) -> list[tuple[Any, ...]]:
    return [
        (whole(row.video_id), whole(str(each.video.path)), row.start_seconds, row.end_seconds, whole(row.concept),
         row.score, row.kind)
        for each in videos
        for row in each.moments
    ]  # fmt: skip


def _concepts(moments: Moments) -> str:
    import json

    return json.dumps(list(moments.vocabulary.names))
