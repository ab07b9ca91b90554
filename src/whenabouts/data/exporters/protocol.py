"""What exporters take and give."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from pydantic import Field

from whenabouts.config import settings
from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.files import read_json
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Progress
from whenabouts.core.timing import BoolArray
from whenabouts.data.decisions import Review
from whenabouts.data.project import Project
from whenabouts.data.reviewed import judged_moments
from whenabouts.data.reviews import ReviewStore

Level = Annotated[int, Field(ge=0, le=5)]
NOT_FOUND = ("rejected", "truth", "ambiguous")


@settings
class ActivityNetFile:
    """`version` as the challenge wants it; `external_data` says what was used beyond the data set ("": nothing)."""

    version: str = "VERSION 1.3"
    external_data: str = ""


@settings
class ThumosFile:
    """How classes are numbered: as the kit does ("official", 7 to 97), 1 to 20, or by their place in the vocabulary."""

    numbers: Literal["official", "renumbered", "vocabulary"] = "official"


@settings
class SubmissionFile:
    """`class_table` is YouTube-8M's vocabulary.csv, "" for the project's own order; at most `top` segments a class."""

    class_table: str = ""
    top: int = Field(default=100_000, ge=1)


@settings
class CharadesFile:
    """`classes` is the data set's list, Charades_v1_classes.txt; "" where activities are named `c000` and so on."""

    classes: str = ""


@settings
class AvaFile:
    """`actions` is the list of numbered actions, AVA's .pbtxt of 60; `start_seconds` as in the import of the boxes."""

    actions: str = ""
    start_seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)


@settings
class EpicKitchensFile:
    """`tables` is the folder of the data set's tables, `nouns` a project of nouns beside this one of verbs.

    The challenge of -100 asks how much supervision was used, 0 to 5: in pre-training (`sls_pt`), in training labels
    (`sls_tl`), and in training data (`sls_td`).
    """

    tables: str = ""
    nouns: str = ""
    sls_pt: Level | None = None
    sls_tl: Level | None = None
    sls_td: Level | None = None


@settings
class ShardSettings:
    """What is written: modalities of the store as rgb and as audio (empty: none), and how numbers become bytes.

    Bytes stand for -2 to 2. `scale` "fit" moves each column by its mean and divides it by two standard deviations of
    the training videos, so that it looks like the dataset's; "none" takes numbers as they are; "auto" is "none" for
    features that came from YouTube-8M and "fit" for all others.
    """

    rgb: str = "rgb"
    audio: str = "audio"
    scale: Literal["auto", "fit", "none"] = "auto"
    videos_per_shard: int = Field(default=256, ge=1)


@settings
class SubtitleFile:
    """What a WebVTT cue holds: words to show ("captions"), a chapter's name, or all of the moment as JSON."""

    kind: Literal["captions", "chapters", "metadata"] = "captions"


@settings
class EditSettings:
    """For editors: `handles` seconds before and after each moment; `rate` for videos whose own rate is unknown.

    `order` puts moments by "time" (of each video) or by "score", best first.
    """

    handles: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    rate: float = Field(default=25.0, ge=1, le=240)
    order: Literal["time", "score"] = "time"


@settings
class ClipSettings:
    """How clips are cut out: streams copied from the key frame before ("copy"), or encoded anew to the frame ("exact").

    `handles` seconds are added before and after; at most so many of the best moments (`top`, 0: all).
    """

    how: Literal["copy", "exact"] = "copy"
    handles: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    top: int = Field(default=0, ge=0)


@settings
class ExportSettings:
    """What all exporters share, and a table for each.

    Videos of a `split` ("all"), moments of at least `min_score`. With `reviews`, what people decided on the page holds:
    rejected moments are left out, corrected ones have their new edges, and added ones join, whatever their score.
    """

    split: str = "all"
    min_score: float = Field(default=-1e300, allow_inf_nan=False)
    reviews: bool = True
    webvtt: SubtitleFile = field(default_factory=SubtitleFile)
    edit: EditSettings = field(default_factory=EditSettings)
    clips: ClipSettings = field(default_factory=ClipSettings)
    activitynet: ActivityNetFile = field(default_factory=ActivityNetFile)
    thumos: ThumosFile = field(default_factory=ThumosFile)
    youtube8m: ShardSettings = field(default_factory=ShardSettings)
    submission: SubmissionFile = field(default_factory=SubmissionFile)
    charades: CharadesFile = field(default_factory=CharadesFile)
    ava: AvaFile = field(default_factory=AvaFile)
    epic_kitchens: EpicKitchensFile = field(default_factory=EpicKitchensFile)


@dataclass(frozen=True)
class Exported:
    """What an export wrote, in figures, and what a reader of it should know."""

    figures: Mapping[str, Any]
    notes: tuple[str, ...] = ()


class Exporter(Protocol):
    """Writes what a project holds in the format of other programs, whole or not at all."""

    def __call__(self, project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
        """Export to a file or a folder; raises WhenaboutsError where there is nothing to write or no room for it."""
        ...


def moments_of(project: Project, settings: ExportSettings, *, judged: bool = True) -> Moments:
    """The moments that were found, of the split and score asked for, as people left them where they were `judged`."""
    path = project.moments_folder / "moments.json"
    try:
        moments = Moments.from_json(read_json(path))
    except FileNotFoundError:
        raise ProjectError(f"There is no {path}. Run `whenabouts find` first.") from None
    kept = moments[~_among(moments.kinds.tolist(), NOT_FOUND) & (moments.scores >= settings.min_score)]
    if judged and settings.reviews and project.reviews_path.exists():
        kept = judged_moments(kept, _standing(project))
    if settings.split == "all":
        return kept
    wanted = {entry.id for entry in project.manifest().within(settings.split)}
    return kept[_among(kept.video_ids.tolist(), wanted)]


def _standing(project: Project) -> list[Review]:
    store = ReviewStore(project.reviews_path)
    try:
        return store.standing()
    finally:
        store.close()


def by_video(moments: Moments) -> dict[str, list[int]]:
    """Rows of each video, videos and rows in their order."""
    rows: dict[str, list[int]] = {}
    for row, video_id in enumerate(moments.video_ids.tolist()):
        rows.setdefault(video_id, []).append(row)
    return rows


def free_folder(target: Path, ending: str) -> Path:
    """The folder, where it is new, empty, or holds nothing but files of an earlier export; else ProjectError."""
    if target.exists() and (not target.is_dir() or any(not path.name.endswith(ending) for path in target.iterdir())):
        raise ProjectError(f"{target} holds other things than {ending} files. Give an empty or new folder.")
    return target


def checked_name(video_id: str, what: str) -> str:
    """A video's id, where a format of blanks can hold it; else InvalidData."""
    if not video_id or any(sign.isspace() for sign in video_id):
        raise InvalidData(f"{what} can't name the video {video_id!r}: blanks part its columns. Rename the file.")
    return video_id


def _among(values: list[str], wanted: Collection[str]) -> BoolArray:
    return np.asarray([value in wanted for value in values], bool)
