"""The demo's page: what was found in the held-out videos, beside the truth and beside simple rivals."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from whenabouts.core.moments import Moments
from whenabouts.core.scores import ScoreSequence
from whenabouts.data.demo.archive import DemoArchive
from whenabouts.data.project import Project
from whenabouts.evaluation.moments import MomentScores
from whenabouts.localizers.comparison import Compared
from whenabouts.page.filmstrip import filmstrip
from whenabouts.page.report import Cell, ReportVideo, Table, Tile, write_report

SHOWN = (0.3, 0.5)


def write_demo_page(
    path: Path,
    home: Project,
    archive: DemoArchive,
    compared: list[Compared],
    seconds: Mapping[str, float],
    *,
    found: Moments,
    truth: Moments,
    scores: dict[str, ScoreSequence],
) -> None:
    """Write the page: numbers and tables first, then a timeline with truth, moments and scores for each video.

    `compared` begins with the localizer, then come the whole video and the uniform windows; `seconds` by stage.
    """
    hours = archive.duration_seconds / 3600
    train = sum(plan.subset == "train" for plan in archive.plans)
    write_report(
        path,
        title="When things happen in the demo's held-out videos",
        introduction=(
            f"{len(archive.plans)} rendered videos ({hours:.1f} hours) with faulty tags were imported like an archive "
            "that yt-dlp fetched; which names are concepts was told (--concepts). A backbone and a localizer learned "
            f"from the tags of {train} of them; what you see was found in {len(scores)} others, whose tags say nothing."
        ),
        videos=_videos(home, scores),
        found=found,
        truth=truth,
        tiles=_tiles(compared),
        tables=[_map_table(compared), _time_table(seconds), _concept_table(compared)],
        tiou=0.3,
    )


def _videos(home: Project, scores: dict[str, ScoreSequence]) -> list[ReportVideo]:

    return [
        ReportVideo(
            id=entry.id,
            duration_seconds=entry.video.duration_seconds,
            title=entry.title,
            strip=filmstrip(entry.video.path, duration_seconds=entry.video.duration_seconds),
            scores=scores[entry.id],
        )
        for entry in home.manifest().of_split("test")
        if entry.id in scores
    ]


def _tiles(compared: list[Compared]) -> list[Tile]:

    ours, windows = compared[0].result, [each.result for each in compared[2:]]
    tiles = []
    for at in SHOWN:
        column = _column(ours, at)
        best = max(float(each.map[column]) for each in windows)
        value = float(ours.map[column])
        note = f"{value / best:.1f} times the best uniform windows" if best > 0 else "uniform windows: 0"
        tiles.append(Tile(f"mAP at tIoU {at}", f"{100 * value:.1f}", note))
    return tiles


def _map_table(compared: list[Compared]) -> Table:

    rows: list[tuple[Cell, ...]] = [
        (each.name, *(float(100 * value) for value in each.result.map), float(100 * each.result.average_map))
        for each in compared
    ]
    return Table(
        "Mean average precision at tIoU, % (ActivityNet protocol)",
        ("", *(f"{at:g}" for at in compared[0].result.tiou), "mean"),
        tuple(rows),
        note="The rivals use the same predicted classes and video scores, and know nothing about when.",
        highlighted=(compared[0].name,),
    )


def _concept_table(compared: list[Compared]) -> Table:

    ours = compared[0].result
    columns = [_column(ours, at) for at in SHOWN]
    rows: list[tuple[Cell, ...]] = [
        (label, *(float(100 * ours.average_precision[row, column]) for column in columns))
        for row, label in sorted(enumerate(ours.labels), key=lambda pair: pair[1])
    ]
    return Table("Average precision of each concept, %", ("", *(f"tIoU {at}" for at in SHOWN)), tuple(rows))


def _time_table(seconds: Mapping[str, float]) -> Table:

    rows: list[tuple[Cell, ...]] = [*seconds.items(), ("all", sum(seconds.values()))]
    return Table("Seconds of each stage", ("", "seconds"), tuple(rows), highlighted=("all",))


def _column(result: MomentScores, tiou: float) -> int:
    return int(np.argmin(np.abs(result.tiou - tiou)))
