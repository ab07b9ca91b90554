"""Which file does a text in a table mean?"""

import re
import unicodedata
from collections.abc import Callable, Sequence

from whenabouts.data.importers.media_files import MediaFile
from whenabouts.data.importers.protocol import VIDEO_ENDINGS

_SLASHES = re.compile(r"[\\/]+")
_FETCHED_ID = re.compile(r"\[([^\[\]]+)\]$")


class Matcher:
    """Finds media by path (with `/` or `\\`, relative or of another machine), name, stem, id, or `[id]` in the name."""

    def __init__(self, files: Sequence[MediaFile]) -> None:
        self._exact: dict[str, list[MediaFile]] = {}
        self._tails: list[dict[str, list[MediaFile]]] = [{}, {}, {}]
        for file in files:
            for key in {file.relative, file.video_id, str(file.path)}:
                self._exact.setdefault(key, []).append(file)
            name = file.relative.rpartition("/")[2]
            stem = _stem(name)
            fetched = _FETCHED_ID.search(stem)
            for table, key in zip(self._tails, (name, stem, fetched[1] if fetched else ""), strict=True):
                if key:
                    table.setdefault(key, []).append(file)
        self._folded = [_folded(table) for table in self._tails]

    def find(self, text: str) -> Sequence[MediaFile]:
        """The files that `text` can mean: one, none, or several where it is ambiguous."""
        text = unicodedata.normalize("NFC", text.strip())
        if not text:
            return ()
        parts = [part for part in _SLASHES.split(text) if part not in ("", ".")]
        for wanted in (text, "/".join(parts)):
            if wanted in self._exact:
                return self._exact[wanted]
        if not parts:
            return ()
        for tables, form in ((self._tails, str), (self._folded, str.casefold)):
            found = _in_tails(tables, parts[-1], form)
            if found:
                return _nearest(found, [form(part) for part in parts[:-1]], form)
        return ()


def _in_tails(
    tables: Sequence[dict[str, list[MediaFile]]], name: str, form: Callable[[str], str]
) -> list[MediaFile] | None:
    """By name, by stem (the text may itself be a stem, or end otherwise than the file does), by fetched id."""
    names, stems, fetched = tables
    key, stem = form(name), form(_stem(name))
    return names.get(key) or stems.get(key) or stems.get(stem) or fetched.get(key) or fetched.get(stem)


def _nearest(files: Sequence[MediaFile], folders: Sequence[str], form: Callable[[str], str]) -> Sequence[MediaFile]:
    """Of files with one name, those that share most folders with the text, counted from the name upwards."""

    def shared(file: MediaFile) -> int:
        own = [form(part) for part in file.relative.split("/")[:-1]]
        count = 0
        while count < min(len(own), len(folders)) and own[-1 - count] == folders[-1 - count]:
            count += 1
        return count

    most = max(shared(file) for file in files)
    return [file for file in files if shared(file) == most]


def _folded(table: dict[str, list[MediaFile]]) -> dict[str, list[MediaFile]]:
    folded: dict[str, list[MediaFile]] = {}
    for key, files in table.items():
        folded.setdefault(key.casefold(), []).extend(files)
    return folded


def _stem(name: str) -> str:
    """The name without a video's ending; other dots belong to the name."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending.lower()}" in VIDEO_ENDINGS else name
