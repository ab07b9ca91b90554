"""Moments as THUMOS14's kit takes them: lines `video start end class score`."""

from collections.abc import Mapping
from pathlib import Path

from whenabouts.core.errors import InvalidData
from whenabouts.core.files import replacing
from whenabouts.core.progress import Progress
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.exporters.protocol import Exported, ExportSettings, by_video, checked_name, moments_of
from whenabouts.data.project import Project
from whenabouts.evaluation.thumos_text import OFFICIAL_NUMBERS

_RENUMBERED = {name: place for place, name in enumerate(OFFICIAL_NUMBERS, start=1)}


def export_thumos(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write one text file, times and scores with all their digits, so that it measures as the moments do."""
    moments = moments_of(project, settings)
    numbers = _numbers(moments.vocabulary, settings.thumos.numbers)
    of_class = [numbers[name] for name in moments.vocabulary.names]
    spans, scores, classes = moments.spans.tolist(), moments.scores.tolist(), moments.classes.tolist()
    videos = by_video(moments)
    with replacing(target) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        for video_id, rows in videos.items():
            name = checked_name(video_id, "THUMOS14's text format")
            for row in rows:
                start, end = spans[row]
                file.write(f"{name} {start!r} {end!r} {of_class[classes[row]]} {scores[row]!r}\n")
    return Exported({"moments": len(moments), "videos": len(videos)})


def _numbers(vocabulary: Vocabulary, kind: str) -> Mapping[str, int]:
    if kind == "vocabulary":
        return {name: place for place, name in enumerate(vocabulary.names, start=1)}
    numbers = OFFICIAL_NUMBERS if kind == "official" else _RENUMBERED
    strangers = [name for name in vocabulary.names if name not in numbers]
    if strangers:
        raise InvalidData(
            f"THUMOS14 has no class {strangers[0]!r} ({len(strangers)} of {len(vocabulary)} concepts are not its own). "
            "Number classes by their place: --set export.thumos.numbers=vocabulary."
        )
    return numbers
