"""What importers take and give."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import Field

from whenabouts.config import settings
from whenabouts.core.features import FeatureSequence
from whenabouts.core.progress import Progress, Silent
from whenabouts.core.timing import TimeGrid
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.box_files import BoxRow
from whenabouts.data.hashtags import HashtagSettings
from whenabouts.data.importers.clip_list_settings import ClipListSettings, EpicKitchensSettings
from whenabouts.data.manifest import Entry, Manifest

VIDEO_ENDINGS = (
    ".3gp", ".asf", ".avi", ".divx", ".f4v", ".flv", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".mxf", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv",
)  # fmt: skip
SPAM = (
    "1080p", "4k", "60fps", "720p", "explore", "explorepage", "fhd", "follow", "followme", "foryou", "foryoupage",
    "foryourpage", "fy", "fyp", "fypage", "hd", "instagood", "instagram", "like", "like4like", "likes", "new", "reel",
    "reels", "share", "short", "shorts", "shortsfeed", "shortsvideo", "subscribe", "tiktok", "trend", "trending",
    "trendingshorts", "uhd", "video", "videos", "viral", "viralshorts", "viralvideo", "viralvideos", "xyzbca",
    "youtube", "youtubeshorts", "ytshorts", "zyxcba", "h264", "h265", "hevc", "x264", "x265",
)  # fmt: skip
PLAIN_FOLDERS = (
    "avchd", "camera", "clip", "clips", "data", "dcim", "dataset", "downloads", "footage", "media", "misc",
    "miscellaneous", "movies", "new folder", "other", "others", "private", "raw", "temp", "tmp", "unsorted", "untitled",
    "video", "videos",
)  # fmt: skip
TagField = Literal["tags", "categories", "title", "description"]


@settings
class FolderSettings:
    """How folder names become labels.

    `levels` chooses parts of the path below the root: 1 is the first, -1 the folder that holds the file; none chosen
    means all. A name is cut at each character of `separators`. Names in `ignored`, numbers and folders that cameras
    make are no labels. With `split_folders`, folders train / val / test directly below the root name the split.
    """

    levels: tuple[int, ...] = ()
    separators: str = "+,"
    ignored: tuple[str, ...] = PLAIN_FOLDERS
    split_folders: bool = True


@settings
class TableSettings:
    """How a table's columns are read: `columns` maps a role to a column's name (or number, without a header).

    Roles: video, label, start, end, present, weight, split, title, uploader. A label cell is cut at each character of
    `separators`. `media` is the folder of the videos; empty means the table's own.
    """

    columns: dict[str, str] = field(default_factory=dict)
    separators: str = "|;"
    header: bool = True
    media: str = ""


@settings
class TagSettings:
    """How hashtags and tags become labels.

    `split_camel_case` reads #CliffDiving as two words. `brackets` reads `[a b]` in file names as tags. Tags in `spam`
    are dropped. Where a video has more than `many_tags` (0: never), each of its n tags weighs many_tags / n. A video's
    weight in training is that of its heaviest label, so one tag more must not change much.
    """

    split_camel_case: bool = False
    brackets: bool = True
    captions: tuple[str, ...] = (".txt", ".caption", ".description")
    spam: tuple[str, ...] = SPAM
    many_tags: int = Field(default=15, ge=0)


@settings
class YtdlpSettings:
    """What is taken from `.info.json` files.

    `fields` name where labels come from. Chapters are taken where the sidecar's duration and the file's differ by at
    most `tolerance_seconds`; with `description_chapters`, time stamps in the description stand in for missing ones.
    """

    fields: tuple[TagField, ...] = ("tags", "categories", "title", "description")
    chapters: bool = True
    description_chapters: bool = True
    tolerance_seconds: float = Field(default=1.0, ge=0)


@settings
class YouTube8mSettings:
    """How YouTube-8M shards are read.

    `vocabulary` names the class table; empty means vocabulary.csv below the root. Widths are numbers per second (0:
    records are without it), `classes` how many there are (0: any); a `shards.json` beside the shards knows better.
    With `split_names`, files train*, validate* and test* name the split. `storage` float16 rounds values by less
    than a tenth of a byte's step.
    """

    vocabulary: str = ""
    rgb_width: int = Field(default=1024, ge=0)
    audio_width: int = Field(default=128, ge=0)
    classes: int = Field(default=3862, ge=0)
    split_names: bool = True
    storage: Literal["float16", "float32"] = "float16"


@settings
class Thumos14Settings:
    """How THUMOS14 is read: `ground_truth` chooses the test videos by their number, "" takes those that are there.

    213 are the official ones, 212 are without the one that has ambiguous spans alone, 211 without two whose annotations
    are wrong, 210 without all three. `media` names the folder of the videos, "" where there are features only.
    """

    ground_truth: Literal["", "213", "212", "211", "210"] = ""
    media: str = ""


@settings
class ActivityNetSettings:
    """How ActivityNet is read: the split that is `measured` on ("": validation where it has instances, else test).

    `media` names the folder of the videos, "" where there are features only.
    """

    measured: Literal["", "validation", "test"] = ""
    media: str = ""


@settings
class CharadesSettings:
    """How Charades is read: `media` names the folder of the videos, "" where there are features only.

    With `segments`, training videos say when their actions are; else only which they have.
    """

    media: str = ""
    segments: bool = True


@settings
class AvaSettings:
    """How AVA is read: `media` names the folder of the videos, "" where there are none.

    `start_seconds` is what annotations call the beginning of a file: 0 for whole films, 900 for the 15 minutes that
    are annotated. Proposed boxes below `least_score` are left out.
    """

    media: str = ""
    start_seconds: float = Field(default=0.0, ge=0)
    least_score: float = Field(default=0.8, ge=0, le=1)


@settings
class VolleyballSettings:
    """How the Volleyball data set is read: `task` "personal" labels clips with what any player does, "group" with what
    the team does. `media` names a folder of the clips' videos (GAME/CLIP.mkv); those that are missing are joined there,
    without loss, from the pictures below the root.
    """

    task: Literal["personal", "group"] = "personal"
    media: str = ""


@settings
class FeatureSettings:
    """How feature files of other programs are read; see `data/feature_files/layouts.py` for what each layout is.

    `annotations` names the data set's file or folder; "" takes the videos that the project knows. Of `fps`,
    `hop_frames` and `window_frames`, 0 is the layout's own; the first window begins at `offset_frames`. A file for both
    streams is cut in halves, rgb before flow, or kept as modality "joint" ("auto": as the layout says). With a
    `modality`, such as objects, each video has one file, of that alone. With `covered_frames`, equal parts are those
    of the frames that ActivityNet's features cover, not of the duration.
    `maker` names the backbone; `storage` float16 halves the store.
    """

    layout: Literal["i3d", "wtalc", "actionformer", "activitynet-csv"] = "i3d"
    annotations: str = ""
    fps: float = Field(default=0.0, ge=0)
    hop_frames: int = Field(default=0, ge=0)
    window_frames: int = Field(default=0, ge=0)
    offset_frames: int = 0
    joint: Literal["auto", "split", "whole"] = "auto"
    modality: str = ""
    covered_frames: bool = False
    maker: str = ""
    storage: Literal["float32", "float16"] = "float32"


@settings
class AnnotationSettings:
    """How files of labelling and coding programs, and what stands beside or in videos, are read.

    `media` is the folder of the videos; empty means the folder that is given. ELAN names a concept by an annotation's
    text ("value") or by its tier; Label Studio's `predictions` count where nobody annotated a task. Subtitles speak for
    a concept where one of `words` is said, from `margin_seconds` before to after; so do their [bracketed sounds].
    What a service says with less than `min_confidence` does not count; the rest weighs what it is sure of.
    """

    media: str = ""
    elan: Literal["value", "tier"] = "value"
    predictions: bool = False
    words: tuple[str, ...] = ()
    margin_seconds: float = Field(default=2.0, ge=0, allow_inf_nan=False)
    min_confidence: float = Field(default=0.5, ge=0, le=1)


@settings
class ImportSettings:
    """What all importers share, and a table for each.

    `include` and `exclude` are patterns (`*` matches `/` too) for paths below the root. Videos that stand in another
    split already stay there unless `move_splits`. Files whose size and time are those of an earlier import are not
    read again unless to `verify` that their content is the same to the bit. `seeds` names a file of seed labels, one a
    line: tags then count only where they are hashtags of a seed (made as `seed_tags` says), and become its label. With
    a file of `seed_nouns` the seeds are verbs, and labels are the products "verb noun" that tags speak of.
    """

    split: str = Field(default="train", min_length=1)
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    endings: tuple[str, ...] = VIDEO_ENDINGS
    move_splits: bool = False
    verify: bool = False
    seeds: str = ""
    seed_nouns: str = ""
    seed_tags: HashtagSettings = field(default_factory=HashtagSettings)
    folders: FolderSettings = field(default_factory=FolderSettings)
    csv: TableSettings = field(default_factory=TableSettings)
    tags: TagSettings = field(default_factory=TagSettings)
    ytdlp: YtdlpSettings = field(default_factory=YtdlpSettings)
    youtube8m: YouTube8mSettings = field(default_factory=YouTube8mSettings)
    thumos14: Thumos14Settings = field(default_factory=Thumos14Settings)
    activitynet: ActivityNetSettings = field(default_factory=ActivityNetSettings)
    charades: CharadesSettings = field(default_factory=CharadesSettings)
    ava: AvaSettings = field(default_factory=AvaSettings)
    volleyball: VolleyballSettings = field(default_factory=VolleyballSettings)
    kinetics: ClipListSettings = field(default_factory=ClipListSettings)
    something: ClipListSettings = field(default_factory=ClipListSettings)
    epic_kitchens: EpicKitchensSettings = field(default_factory=EpicKitchensSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    annotations: AnnotationSettings = field(default_factory=AnnotationSettings)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that an import could not use: where, what is wrong, what was seen, what to do."""

    file: str
    what: str
    seen: str = ""
    do: str = ""

    def __str__(self) -> str:
        parts = [f"{self.file}: {self.what}", f" (seen: {self.seen})" if self.seen else "", "."]
        return "".join(parts) + (f" {self.do}" if self.do else "")


@dataclass
class SupplyReport:
    """What was wrong with features, known once they are read."""

    problems: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class FeatureSupply:
    """Features that come with an import: the maker of each modality, and how to read those of some videos.

    `read` takes ids as the entries have them. `newest` says, by id, which modalities a video has, and when their files
    changed (nanoseconds since 1970); None: every video has all, and they change with the entry. `fits` says whether a
    grid that the store has of a video's modality is the one that would be written now. `report` fills as features are
    read.
    """

    sources: Mapping[str, str]
    read: Callable[[Collection[str]], Iterator[FeatureSequence]]
    newest: Mapping[str, Mapping[str, int]] | None = None
    fits: Callable[[str, str, TimeGrid], bool] = lambda video_id, modality, grid: True
    report: SupplyReport = field(default_factory=SupplyReport)


@dataclass(frozen=True)
class Imported:
    """What one import found: entries below `root` (in order of path), problems, and counts by name.

    Labels and segments carry `source`, or `source:` and a detail. A data set may bring a `vocabulary`, features, and
    the `truth` of its measured split (ActivityNet's JSON layout): its splits then hold, whatever was said before.
    `boxes` are those of persons by split and kind, ("train", "people") or ("test", "found"). `facts` are plain JSON
    values to report.
    """

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    root: Path
    source: str
    counts: Mapping[str, int] = field(default_factory=dict)
    vocabulary: Vocabulary | None = None
    supply: FeatureSupply | None = None
    truth: Mapping[str, Any] | None = None
    boxes: Mapping[tuple[str, str], Sequence[BoxRow]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


class Importer(Protocol):
    """Reads videos and their weak labels below a folder; files that `known` holds unchanged are not probed again."""

    def __call__(
        self, root: Path, settings: ImportSettings, *, known: Manifest = ..., progress: Progress = ...
    ) -> Imported:
        """Import; raises InvalidData where there is nothing to read at all, and records every lesser problem."""
        ...


NOTHING_KNOWN = Manifest()
SILENT = Silent()
