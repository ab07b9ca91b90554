"""Labels and rated segments from archives that yt-dlp fetched: `.info.json` beside each video."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData
from whenabouts.core.progress import Progress
from whenabouts.data.importers.chapters import as_segments, described_chapters, listed_chapters, number
from whenabouts.data.importers.media_files import catalogue, checked_root, files_below, media_among, readable
from whenabouts.data.importers.protocol import (
    NOTHING_KNOWN,
    SILENT,
    Imported,
    ImportSettings,
    Problem,
    YtdlpSettings,
)
from whenabouts.data.importers.tags import Tag, clean, hashtags_in, labels_from
from whenabouts.data.manifest import Entry, Manifest, RatedSegment

SOURCE = "ytdlp"
ENDING = ".info.json"
_LARGEST = 200_000_000


def import_ytdlp(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read videos below `root` with their sidecars: tags, categories and hashtags are labels, chapters are segments.

    Only the fields named here are read, so signed addresses and cookies in a sidecar never reach a project.
    """
    root = checked_root(root)
    problems: list[Problem] = []
    files = files_below(root, problems)
    media = media_among(files, root, settings)
    entries = catalogue(media, settings, known, progress)
    ends_like_video = {path.with_suffix("") for path in files if path.suffix.lower() in settings.endings}
    by_stem: dict[Path, list[Path]] = {}
    for file in media:
        by_stem.setdefault(file.path.with_suffix(""), []).append(file.path)
    reader = _Sidecars(root, settings, problems)
    for sidecar in (path for path in files if path.name.endswith(ENDING)):
        stem = sidecar.with_name(sidecar.name.removesuffix(ENDING))
        info = reader.read(sidecar)
        if info is None:
            continue
        if stem not in ends_like_video:
            reader.counts["sidecars_without_video"] += 1
            name = readable(sidecar.relative_to(root).as_posix())
            problems.append(Problem(name, "no video beside it", do="Fetch the video, or leave the sidecar."))
        for path in by_stem.get(stem, []):
            entries[path] = reader.applied(info, entries[path])
    return Imported(tuple(entries.values()), tuple(problems), root, SOURCE, dict(reader.counts))


class _Sidecars:
    """Reads sidecars one by one and keeps count of what could not be used."""

    def __init__(self, root: Path, settings: ImportSettings, problems: list[Problem]) -> None:
        self.root, self.settings, self.problems = root, settings, problems
        self.counts = Counter(
            dict.fromkeys(
                ("sidecars", "sidecars_read", "sidecars_rejected", "playlists_skipped", "sidecars_without_video",
                 "chapters_taken", "chapters_refused", "chapters_broken", "videos_with_chapters"), 0
            )
        )  # fmt: skip

    def read(self, path: Path) -> dict[str, Any] | None:
        """The sidecar of a video, None where it is broken (a problem) or that of a playlist (counted)."""
        self.counts["sidecars"] += 1
        name = readable(path.relative_to(self.root).as_posix())
        try:
            info = _parsed(path)
        except InvalidData as error:
            self.counts["sidecars_rejected"] += 1
            self.problems.append(Problem(name, "the sidecar can't be read", str(error), "Fetch it again with yt-dlp."))
            return None
        if info.get("_type", "video") not in ("video", None):
            self.counts["playlists_skipped"] += 1
            return None
        self.counts["sidecars_read"] += 1
        return info

    def applied(self, info: dict[str, Any], entry: Entry) -> Entry:
        """The entry with the sidecar's labels, segments, title and uploader."""
        found = list(_tags(info, self.settings.ytdlp))
        labels = labels_from(found, self.settings.tags)
        uploader = _text(info, "uploader") or _text(info, "channel")
        segments = self._segments(info, entry)
        strange = _misshapen(info)
        if strange:
            seen = ", ".join(f"{name} is {kind}" for name, kind in strange)
            self.problems.append(Problem(entry.id, "fields of the sidecar have the wrong kind and are left out", seen))
        return replace(entry, labels=labels, segments=segments, title=clean(_text(info, "title")),
                       uploader=clean(uploader, 100))  # fmt: skip

    def _segments(self, info: dict[str, Any], entry: Entry) -> tuple[RatedSegment, ...]:
        settings, seconds = self.settings.ytdlp, entry.video.duration_seconds
        listed = info.get("chapters")
        listed = listed if isinstance(listed, list) else []
        chapters, failed = listed_chapters(listed, seconds)
        source = f"{SOURCE}:chapters"
        if not listed and settings.description_chapters:
            chapters = described_chapters(_text(info, "description"), number(info.get("duration")) or seconds)
            source = f"{SOURCE}:description"
        if not settings.chapters or not (chapters or failed):
            return ()
        self.counts["chapters_broken"] += failed
        if failed:
            self.problems.append(Problem(entry.id, "chapters without proper times are left out", f"{failed} of them"))
        refusal = _refusal(info, entry, settings)
        if refusal:
            self.counts["chapters_refused"] += len(chapters)
            do = "Times in the sidecar do not hold for a cut video: fetch it whole, or leave its chapters."
            self.problems.append(Problem(entry.id, f"{len(chapters)} chapters are refused", refusal, do))
            return ()
        segments = as_segments(chapters, seconds, source)
        self.counts["chapters_taken"] += len(segments)
        self.counts["chapters_refused"] += len(chapters) - len(segments)
        self.counts["videos_with_chapters"] += bool(segments)
        return segments


def _parsed(path: Path) -> dict[str, Any]:
    """A JSON object; everything else raises InvalidData that says what was seen, never the content itself."""
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            raise InvalidData(f"{size} bytes, more than {_LARGEST}")
        info = json.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidData(f"not UTF-8 text at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise InvalidData(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except (RecursionError, ValueError, OSError) as error:
        told = str(error) if isinstance(error, InvalidData) else type(error).__name__
        raise InvalidData(told) from None
    if not isinstance(info, dict):
        raise InvalidData(f"a JSON {type(info).__name__}, not an object")
    return info


def _tags(info: dict[str, Any], settings: YtdlpSettings) -> Iterator[Tag]:
    for name in settings.fields:
        source, value = f"{SOURCE}:{name}", info.get(name)
        if name in ("tags", "categories"):
            texts = [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
            yield from (Tag(text, source, text) for text in texts)
        elif isinstance(value, str):
            yield from (Tag(tag, source, f"#{tag}") for tag in hashtags_in(value))


def _refusal(info: dict[str, Any], entry: Entry, settings: YtdlpSettings) -> str:
    """Why chapters can't be trusted to lie right in this file; empty where they can."""
    if entry.video.status == "unreadable":
        return "the video can't be read"
    told, measured = number(info.get("duration")), entry.video.duration_seconds
    if told is None:
        return "the sidecar tells no duration"
    if abs(told - measured) > settings.tolerance_seconds:
        return f"the sidecar tells {told:.1f} s, the file has {measured:.1f} s"
    return ""


def _misshapen(info: dict[str, Any]) -> list[tuple[str, str]]:
    kinds = {"tags": list, "categories": list, "chapters": list, "title": str, "description": str, "uploader": str}
    wrong = [(name, info[name]) for name, kind in kinds.items() if not isinstance(info.get(name), kind | None)]
    inner = [
        (name, next(item for item in info[name] if not isinstance(item, str)))
        for name in ("tags", "categories")
        if isinstance(info.get(name), list) and not all(isinstance(item, str) for item in info[name])
    ]
    return [(name, type(value).__name__) for name, value in wrong] + [
        (f"an item of {name}", type(value).__name__) for name, value in inner
    ]


def _text(info: dict[str, Any], name: str) -> str:
    value = info.get(name)
    return value if isinstance(value, str) else ""
