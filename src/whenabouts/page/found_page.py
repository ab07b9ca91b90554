"""What `find` found as one page: the best moments in a table, and a timeline for each video that holds them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from whenabouts.core.errors import FeatureMismatch, InvalidData, MediaError
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Progress
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import clock
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry, file_of
from whenabouts.localizers.protocol import Localizer
from whenabouts.page.choosing import features_of
from whenabouts.page.filmstrip import filmstrip
from whenabouts.page.report import Cell, ReportVideo, Table, write_report

LISTED, SHOWN_VIDEOS = 12, 100


def write_found_page(
    path: Path,
    entries: Sequence[Entry],
    found: Moments,
    store: FeatureStore,
    localizer: Localizer,
    *,
    progress: Progress,
    most: int = SHOWN_VIDEOS,
) -> int:
    """Write the page with the `most` videos that hold the best moments, and return how many others have some.

    A video whose file can't be decoded has no pictures, one whose features can't be scored no curve; both are told.
    """
    ranked = found.ranked()
    order = list(dict.fromkeys(ranked.video_ids.tolist()))
    by_id = {entry.id: entry for entry in entries}
    shown = [by_id[video_id] for video_id in order[:most] if video_id in by_id]
    videos = [_video(entry, store, localizer, progress)
              for entry in progress.track(shown, total=len(shown), title="Drawing videos")]  # fmt: skip
    left = len(order) - len(shown)
    told = f"{len(found)} moments of {len(set(found.classes.tolist()))} concepts in {len(order)} videos."
    write_report(
        path,
        title="Moments found",
        introduction=told + (f" Shown are the {len(shown)} videos with the best of them." if left else ""),
        videos=videos,
        found=found,
        tables=[_best(ranked, by_id), _concepts(ranked)],
    )
    return left


def _video(entry: Entry, store: FeatureStore, localizer: Localizer, progress: Progress) -> ReportVideo:
    labels = tuple(dict.fromkeys(label.name for label in entry.labels))
    return ReportVideo(entry.id, entry.video.duration_seconds, entry.title, labels, _strip(entry, progress),
                       _scores(entry, store, localizer, progress))  # fmt: skip


def _strip(entry: Entry, progress: Progress) -> str:
    try:
        return filmstrip(file_of(entry.video.path), duration_seconds=entry.video.duration_seconds)
    except (MediaError, InvalidData, OSError) as error:
        progress.say(f"No pictures of {entry.id}: {error}")
        return ""


def _scores(entry: Entry, store: FeatureStore, localizer: Localizer, progress: Progress) -> ScoreSequence | None:
    try:
        return localizer.score(features_of(localizer, entry, store))
    except (InvalidData, FeatureMismatch) as error:
        progress.say(f"No curves of {entry.id}: {error}")
        return None


def _best(ranked: Moments, by_id: dict[str, Entry]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for moment in ranked[:LISTED]:
        entry = by_id.get(moment.video_id)
        title = entry.title if entry is not None and entry.title else moment.video_id
        span = f"{clock(moment.start_seconds)} – {clock(moment.end_seconds)}"
        rows.append((moment.concept, title, span, float(moment.score)))
    columns = ("concept", "video", "when", "score")
    return Table("The best moments", columns, tuple(rows), decimals=3)


def _concepts(ranked: Moments) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for index in np.unique(ranked.classes).tolist():
        mine = ranked[ranked.classes == index]
        videos = len(set(mine.video_ids.tolist()))
        rows.append((ranked.vocabulary.names[index], len(mine), videos, float(mine.scores.max())))
    columns = ("concept", "moments", "videos", "best score")
    return Table("What was found", columns, tuple(sorted(rows, key=lambda row: str(row[0]))), decimals=3)
