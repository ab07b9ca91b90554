"""What is said, and what sounds are written down, as weak labels of short spans of time."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whenabouts.core.errors import ProjectError, SettingsError
from whenabouts.core.progress import Progress
from whenabouts.data.importers.annotation_files import Mark, Unreadable, Videos, import_marks, text_of
from whenabouts.data.importers.protocol import NOTHING_KNOWN, SILENT, Imported, ImportSettings
from whenabouts.data.manifest import Manifest

ENDINGS = (".srt", ".vtt", ".ass", ".ssa", ".sub", ".ttml")
_SOUND = re.compile(r"[\[(♪]\s*([^\[\]()♪]{2,60}?)\s*[\])♪]")
_WEIGHT = 0.5
"""What is spoken of need not be seen: such a label weighs half."""


def import_subtitles(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read subtitles beside videos: each of `annotations.words` labels the time around it, and so does each [sound].

    What automatic captions repeat line by line counts once.
    """
    try:
        import pysubs2  # noqa: F401
    except ImportError:
        raise ProjectError("Reading subtitles needs pysubs2: pip install 'whenabouts[formats]'.") from None
    if any(not word.strip() for word in settings.annotations.words):
        raise SettingsError("import.annotations.words holds an empty word.")
    return import_marks(root, ENDINGS, "subtitles", _subtitles, settings=settings, known=known, progress=progress)


def _subtitles(path: Path, videos: Videos, settings: ImportSettings) -> Iterator[Mark]:
    video = videos.beside(path)
    margin = settings.annotations.margin_seconds
    found = videos.named(video) if video else None
    duration = found.duration_seconds if found is not None and found.duration_seconds > 0 else float("inf")
    spans: dict[str, list[list[float]]] = {}
    for start, end, text in _cues(path):
        for label in _labels(text, settings.annotations.words):
            first, last = max(0.0, start - margin), min(end + margin, duration)
            runs = spans.setdefault(label, [])
            if runs and first <= runs[-1][1]:
                runs[-1][1] = max(runs[-1][1], last)
            else:
                runs.append([first, last])
    for label, runs in spans.items():
        yield Mark(video, (label,), weight=_WEIGHT, where=f"{len(runs)} times {label!r}")
        for first, last in runs:
            yield Mark(video, (label,), (first, last), where=f"{first:.1f} s")


def _cues(path: Path) -> list[tuple[float, float, str]]:
    import pysubs2

    text = text_of(path)
    try:
        read: Any = pysubs2.SSAFile.from_string(text)
    except Exception as error:  # Readers of seven formats, each with its own errors.
        raise Unreadable("it is no subtitle file", f"{type(error).__name__}: {error}"[:100]) from None
    return sorted((each.start / 1000, each.end / 1000, each.plaintext) for each in read if not each.is_comment)


def _labels(text: str, words: tuple[str, ...]) -> list[str]:
    """Words said in a text, as whole words in any case, and sounds in brackets, in lower case."""
    said = [word for word in words if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)]
    return list(dict.fromkeys([*said, *(" ".join(sound.split()).casefold() for sound in _SOUND.findall(text))]))
