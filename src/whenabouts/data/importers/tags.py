"""Hashtags and tags: finding them in text and giving them one form."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from whenabouts.data.importers.protocol import TagSettings
from whenabouts.data.manifest import WeakLabel

LONGEST = 100
_JOINERS = "\u200c\u200d"
_BRACKETS = re.compile(r"\[([^\[\]]+)\]")
_ADDRESS = re.compile(r"(?i)^(?:\w+://|www\.)|@|\.(?:com|net|org)\b")


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag as somebody wrote it, where it stood, and the text that shows it."""

    text: str
    source: str
    evidence: str


def clean(text: str, longest: int = 300) -> str:
    """Text that is safe to store and show: no control characters, single spaces, whole characters, cut at `longest`."""
    whole = text.encode("utf-8", "replace").decode()
    shown = "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in whole)
    return " ".join(unicodedata.normalize("NFC", shown).split())[:longest].strip()


def hashtags_in(text: str) -> list[str]:
    """Tags after `#` in order, without it, each once; letters and marks of every script, digits and `_`.

    `#one#two` are two; `C#`, `a#b`, addresses (`/#part`) and HTML's `&#39;` are not hashtags.
    """
    text = unicodedata.normalize("NFKC", text)
    found: dict[str, None] = {}
    start, chained = text.find("#"), -1
    while start >= 0:
        stop = start + 1
        while stop < len(text) and _belongs(text[stop]):
            stop += 1
        before = text[start - 1] if start else " "
        tag = text[start + 1 : stop].strip(_JOINERS)
        if tag and (start == chained or (not _belongs(before) and before not in "/&")):
            found[tag] = None
            chained = stop  # `#one#two` are two.
        start = text.find("#", max(stop, start + 1))
    return list(found)


def bracket_tags(stem: str) -> list[str]:
    """Words between `[` and `]` in a file name, as TagSpaces writes tags; ids that yt-dlp puts there are left out."""
    words = [group.split() for group in _BRACKETS.findall(stem)]
    return [word for group in words if not (len(group) == 1 and _is_video_id(group[0])) for word in group]


def tag_name(text: str, settings: TagSettings) -> str | None:
    """The label that a tag gives, None where it says nothing: numbers, spam, addresses, over-long text."""
    text = clean(unicodedata.normalize("NFKC", text), longest=LONGEST + 1).lstrip("#").strip()
    if settings.split_camel_case:
        text = _words(text)
    name = unicodedata.normalize("NFKC", text.casefold())
    if not any(unicodedata.category(sign)[0] == "L" for sign in name):
        return None
    if len(name) > LONGEST or _ADDRESS.search(name) or name.replace(" ", "") in settings.spam:
        return None
    return name


def labels_from(tags: Iterable[Tag], settings: TagSettings) -> tuple[WeakLabel, ...]:
    """One label a name, from the first tag that gives it; of n > `many_tags` labels each weighs many_tags / n."""
    first: dict[str, Tag] = {}
    for tag in tags:
        name = tag_name(tag.text, settings)
        if name is not None:
            first.setdefault(name, tag)
    crowded = 0 < settings.many_tags < len(first)
    weight = settings.many_tags / len(first) if crowded else 1.0
    return tuple(WeakLabel(name, weight, tag.source, clean(tag.evidence, 120)) for name, tag in first.items())


def _belongs(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "LMN" or sign == "_" or sign in _JOINERS


def _is_video_id(word: str) -> bool:
    """YouTube's 11 signs: told from a word by a digit, a sign or a capital after the first letter."""
    return re.fullmatch(r"[A-Za-z0-9_-]{11}", word) is not None and not re.fullmatch(r"[A-Z]?[a-z]+", word)


def _words(text: str) -> str:
    """`CliffDiving` -> `Cliff Diving`, `HTMLPage` -> `HTML Page`."""
    parts = []
    for number, sign in enumerate(text):
        before, after = text[number - 1 : number], text[number + 1 : number + 2]
        if sign.isupper() and (before.islower() or before.isdigit() or (before.isupper() and after.islower())):
            parts.append(" ")
        parts.append(sign)
    return "".join(parts)
