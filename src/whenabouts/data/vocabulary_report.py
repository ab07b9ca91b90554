"""What to look at before training: counts, what was dropped, and names that may mean the same."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import asdict, dataclass
from typing import Any, Literal

from whenabouts.core.labels import Absent

_MOST_COMPARED = 5000
_ALIKE = 0.8
_FEWEST_TOGETHER = 3
_FEWEST_ALWAYS = 2
_SHORTEST = 5


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept's support: training and held-out videos, rated segments, and who uploaded the training videos."""

    name: str
    videos: int
    held_out_videos: int
    segments: int
    uploaders: int
    top_uploader: str
    top_uploader_videos: int
    spellings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A name that is no concept, in how many training videos it stands, and why."""

    name: str
    videos: int
    reason: str


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Two names that may mean the same: alike in `spelling`, or in the same videos (`together`).

    `videos` of each and `both`: how many videos have them.
    """

    first: str
    second: str
    how: Literal["spelling", "together"]
    videos: tuple[int, int]
    both: int


@dataclass(frozen=True, slots=True)
class Together:
    """`name` never stands without `other`; `same` where the converse holds too: nothing can tell them apart."""

    name: str
    other: str
    videos: int
    same: bool


@dataclass(frozen=True)
class VocabularyReport:
    """The vocabulary's report over `videos` training videos; the policy for absent labels is part of it."""

    videos: int
    unlabelled: int
    unusable: int
    absent: Absent
    min_count: int
    concepts: tuple[Concept, ...]
    dropped: tuple[Dropped, ...]
    near_duplicates: tuple[NearDuplicate, ...]
    together: tuple[Together, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def to_text(self, rows: int = 20) -> str:
        """A table of the most frequent concepts, then what deserves a look; at most `rows` lines of each."""
        ordered = sorted(self.concepts, key=lambda concept: (-concept.videos, concept.name))
        width = max((min(len(concept.name), 40) for concept in ordered[:rows]), default=7)
        lines = [f"{'concept':<{max(width, 7)}}  videos  held out  segments  uploaders"]
        lines += [
            f"{concept.name[:40]:<{max(width, 7)}}  {concept.videos:6d}  {concept.held_out_videos:8d}  "
            f"{concept.segments:8d}  {concept.uploaders:9d}"
            for concept in ordered[:rows]
        ]
        lines += [f"... and {len(ordered) - rows} more"] if len(ordered) > rows else []
        return "\n".join([*lines, *self._remarks(min(rows, 5))])

    def _remarks(self, rows: int) -> Iterator[str]:
        if not self.videos:
            yield "no video is in split train, so there is nothing to learn from: check --split and a table's splits"
        reasons = Counter(row.reason for row in self.dropped)
        for reason, count in reasons.items():
            names = [row.name for row in self.dropped if row.reason == reason]
            yield f"dropped {count}: {reason}: {_listed(names, rows)}"
        alike = [f"{row.first} / {row.second}" for row in self.near_duplicates if row.how == "spelling"]
        if alike:
            yield f"perhaps one concept in several spellings: {_listed(alike, rows)} (join with vocabulary.aliases)"
        joined = [f"{row.first} / {row.second} ({row.both})" for row in self.near_duplicates if row.how == "together"]
        if joined:
            yield f"nearly always in the same videos: {_listed(joined, rows)}"
        within = [f"{row.name} with {row.other} ({row.videos})" for row in self.together]
        if within:
            yield f"never without another: {_listed(within, rows)}"
        if self.unlabelled:
            yield f"{self.unlabelled} of {self.videos} training videos have no label"
        if self.unusable:
            yield f"{self.unusable} of {self.videos} training videos can't be used (unreadable or removed)"
        meaning = "taken as absent" if self.absent == "negative" else "taken as unknown"
        yield f"labels that a video does not have are {meaning} (--absent)"


def near_duplicates(videos: Mapping[str, Set[str]], kept: Set[str]) -> tuple[NearDuplicate, ...]:
    """Pairs of names alike in spelling (at least one a concept), and concepts nearly always in the same videos.

    Of several concepts in the very same videos each is told with the first of them, not with every other.
    """
    frequent = sorted(videos, key=lambda name: (-len(videos[name]), name))[:_MOST_COMPARED]
    alike = {pair for pair in _alike(frequent) if kept & set(pair)}
    found = [_pair(one, other, "spelling", videos) for one, other in alike]
    groups = _groups({name: videos[name] for name in kept if len(videos[name]) >= _FEWEST_TOGETHER})
    for (one, other), both in _pairs({name: videos[name] for name in groups}).items():
        if (one, other) not in alike and both / (len(videos[one]) + len(videos[other]) - both) >= _ALIKE:
            found.append(_pair(one, other, "together", videos))
    pairs = [(first, other) for first, others in groups.items() for other in others]
    found += [_pair(one, other, "together", videos) for one, other in pairs if (one, other) not in alike]
    return tuple(sorted(found, key=lambda row: (row.how, -row.both, row.first, row.second)))


def always_together(videos: Mapping[str, Set[str]]) -> tuple[Together, ...]:
    """Concepts that never stand without another one, in two videos or more: one video proves nothing.

    Of several concepts in the very same videos each is told with the first of them, and only the first with others.
    """
    groups = _groups({name: found for name, found in videos.items() if len(found) >= _FEWEST_ALWAYS})
    found = [Together(first, other, len(videos[first]), True) for first, others in groups.items() for other in others]
    for (one, other), both in _pairs({name: videos[name] for name in groups}).items():
        if both == len(videos[one]):
            found.append(Together(one, other, both, False))
        elif both == len(videos[other]):
            found.append(Together(other, one, both, False))
    return tuple(sorted(found, key=lambda row: (not row.same, -row.videos, row.name, row.other)))


def _groups(videos: Mapping[str, Set[str]]) -> dict[str, list[str]]:
    """Names with the very same videos: the first in order of the alphabet -> the others, often none.

    A video of 100,000 tags would have billions of pairs, but has one group.
    """
    first: dict[frozenset[str], str] = {}
    groups: dict[str, list[str]] = {}
    for name in sorted(videos):
        leader = first.setdefault(frozenset(videos[name]), name)
        if leader == name:
            groups[name] = []
        else:
            groups[leader].append(name)
    return groups


def _pairs(videos: Mapping[str, Set[str]]) -> Counter[tuple[str, str]]:
    """In how many videos each two names stand together, the pair in order of the alphabet."""
    names: dict[str, list[str]] = {}
    for name in sorted(videos):
        for video_id in videos[name]:
            names.setdefault(video_id, []).append(name)
    counts: Counter[tuple[str, str]] = Counter()
    for listed in names.values():
        counts.update(itertools.combinations(listed, 2))
    return counts


def _pair(one: str, other: str, how: Literal["spelling", "together"], videos: Mapping[str, Set[str]]) -> NearDuplicate:
    sizes = (len(videos[one]), len(videos[other]))
    return NearDuplicate(one, other, how, sizes, len(videos[one] & videos[other]))


def _alike(names: list[str]) -> set[tuple[str, str]]:
    """Pairs that differ in signs and spaces, a plural s, or one letter (in 5 and more, digits excepted)."""
    letters = {name: "".join(sign for sign in name.casefold() if sign.isalnum()) or name for name in names}
    same: dict[str, list[str]] = {}
    near: dict[str, list[str]] = {}
    for name, word in letters.items():
        same.setdefault(_singular(word), []).append(name)
        if len(word) >= _SHORTEST:
            # Words one edit apart share a form with at most one letter left out.
            for form in {word, *(word[:place] + word[place + 1 :] for place in range(len(word)))}:
                near.setdefault(form, []).append(name)
    found = {pair for group in same.values() for pair in itertools.combinations(sorted(group), 2)}
    pairs = {pair for group in near.values() for pair in itertools.combinations(sorted(group), 2)}
    found |= {pair for pair in pairs if _one_edit(letters[pair[0]], letters[pair[1]])}
    return {pair for pair in found if _digits(pair[0]) == _digits(pair[1])}


def _one_edit(one: str, other: str) -> bool:
    """True where one letter is added, left out or replaced, or two neighbours have changed places."""
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    return max(len(one), len(other)) <= 1 or (len(one) == 2 and one == other[::-1])


def _digits(name: str) -> str:
    """`clip1` and `clip2`, `100m` and `200m` are not one concept, however alike."""
    return "".join(sign for sign in name if sign.isdigit())


def _singular(letters: str) -> str:
    return letters[:-1] if len(letters) > 3 and letters.endswith("s") and not letters.endswith("ss") else letters


def _listed(names: list[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
