"""Labels from hashtags in file names and in captions beside the files."""

from dataclasses import replace
from pathlib import Path

from whenabouts.core.progress import Progress
from whenabouts.data.importers.media_files import catalogue, checked_root, files_below, media_among, readable
from whenabouts.data.importers.protocol import NOTHING_KNOWN, SILENT, Imported, ImportSettings, Problem
from whenabouts.data.importers.tags import Tag, bracket_tags, hashtags_in, labels_from
from whenabouts.data.manifest import Manifest

SOURCE = "hashtags"
_LONGEST_CAPTION = 1_000_000


def import_hashtags(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read videos below `root`; `#words` in their names and captions, and `[a b]` in their names, are their labels."""
    root = checked_root(root)
    problems: list[Problem] = []
    files = files_below(root, problems)
    present = set(files)
    media = media_among(files, root, settings)
    unlabelled = catalogue(media, settings, known, progress)
    entries, captions = [], 0
    for file in media:
        stem = readable(file.path.stem)
        tags = [Tag(tag, f"{SOURCE}:name", f"#{tag}") for tag in hashtags_in(stem)]
        if settings.tags.brackets:
            tags += [Tag(tag, f"{SOURCE}:name", f"[{tag}]") for tag in bracket_tags(stem)]
        for ending in settings.tags.captions:
            caption = file.path.with_name(file.path.stem + ending)
            if caption in present:
                captions += 1
                text = _caption(caption, file.relative, problems)
                tags += [Tag(tag, f"{SOURCE}:caption", f"#{tag}") for tag in hashtags_in(text)]
        entries.append(replace(unlabelled[file.path], labels=labels_from(tags, settings.tags)))
    return Imported(tuple(entries), tuple(problems), root, SOURCE, {"captions": captions})


def _caption(path: Path, video: str, problems: list[Problem]) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_CAPTION).decode("utf-8-sig", "replace")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        problems.append(Problem(video, f"its caption {path.suffix} can't be read", reason, "Check its permissions."))
        return ""
