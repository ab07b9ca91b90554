"""Which files hold features of which video, and on which clock."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from whenabouts.core.clock import FeatureClock
from whenabouts.data.feature_files.layouts import FLOW, JOINT, RGB, Layout, named
from whenabouts.data.manifest import Entry

Fault = tuple[str, str, str, str]


@dataclass(frozen=True)
class Planned:
    """Files of one video by modality (JOINT: both streams in one), its clock for each modality, and its duration."""

    video_id: str
    files: Mapping[str, Path]
    clocks: tuple[FeatureClock, ...]
    duration_seconds: float


@dataclass
class Plan:
    """What can be read; `faults` are (file or video, what is wrong, what was seen, what to do)."""

    videos: dict[str, Planned] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def planned(
    files: Iterable[tuple[Path, PurePosixPath]],
    entries: Iterable[Entry],
    layout: Layout,
    *,
    offset_frames: int = 0,
    covered: Mapping[str, float] | None = None,
) -> Plan:
    """Match files (path, path below the root) to entries by name; `covered` seconds stand in for durations.

    A name is the video's id, the last part of it, or v_ and the id. What does not match is told and counted.
    """
    plan, names = Plan(), _names(entries)
    found: dict[str, dict[str, Path]] = {}
    strangers = []
    for path, relative in files:
        modality, name = named(relative, pairs=layout.pairs)
        video_id = _matching(name, relative, names)
        if not modality:
            plan.counts["files_without_modality"] += 1
            do = "Put it below a folder rgb or flow, or name it VIDEO-rgb.npy or VIDEO-flow.npy."
            plan.faults.append((str(relative), "a file says neither rgb nor flow", "", do))
        elif video_id is None:
            strangers.append(str(relative))
        elif modality in found.setdefault(video_id, {}):
            plan.counts["files_repeated"] += 1
            plan.faults.append((str(relative), f"another file holds its {modality} features", video_id, "Remove one."))
        else:
            found[video_id][modality] = path
    if strangers:
        plan.counts["files_without_video"] = len(strangers)
        seen = f"{len(strangers)} files, such as {', '.join(strangers[:3])}"
        plan.faults.append((".", "features of videos that are not in the project", seen, "Import those videos first."))
    _settle(plan, found, {entry.id: entry for entry in names.values()}, layout, offset_frames, covered or {})
    return plan


def _settle(
    plan: Plan,
    found: Mapping[str, Mapping[str, Path]],
    entries: Mapping[str, Entry],
    layout: Layout,
    offset_frames: int,
    covered: Mapping[str, float],
) -> None:
    """Give each video its clocks, or say what is missing for them."""
    plan.counts["videos_without_features"] = len(entries.keys() - found.keys())
    for video_id, files in sorted(found.items()):
        video = entries[video_id].video
        rate = layout.fps or float(video.fps or 0)
        parts = covered.get(video_id) or video.duration_seconds if not layout.hop_frames else 0.0
        if layout.hop_frames and not rate:
            plan.counts["videos_without_fps"] += 1
            do = "Give annotations that say it, or one for all with --set import.features.fps=25."
            plan.faults.append((video_id, "its frame rate is unknown, so nothing says when its steps are", "", do))
            continue
        if not layout.hop_frames and not parts:
            plan.counts["videos_without_duration"] += 1
            do = "Give annotations that say it: steps are equal parts of it."
            plan.faults.append((video_id, "its duration is unknown, so nothing says when its steps are", "", do))
            continue
        modalities = files if JOINT not in files else (RGB, FLOW) if layout.split else (layout.whole,)
        clocks = tuple(
            FeatureClock(name, parts_seconds=parts)
            if parts
            else FeatureClock(name, rate, layout.hop_frames, layout.window_frames, offset_frames)
            for name in sorted(modalities)
        )
        plan.videos[video_id] = Planned(video_id, files, clocks, video.duration_seconds)
    plan.counts["videos_with_features"] = len(plan.videos)


def _names(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Entries by id, and by the last part of their id where that is one video's alone."""
    by_id = {entry.id: entry for entry in entries}
    lasts = Counter(video_id.rpartition("/")[2] for video_id in by_id)
    short = {last: entry for name, entry in by_id.items() if lasts[last := name.rpartition("/")[2]] == 1}
    return {**short, **by_id}


def _matching(name: str, relative: PurePosixPath, names: Mapping[str, Entry]) -> str | None:
    longer = str(relative.with_name(name))
    for wanted in (longer, name, name.removeprefix("v_")):
        if wanted in names:
            return names[wanted].id
    return None
