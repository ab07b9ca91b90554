"""From seed labels to the hashtags that speak of them, and from a video's tags back to seed labels.

After Ghadiyaram et al. (2019), section 3.1: "the original and stemmed versions of every word in the seed label", put
together "in all possible permutations". "catching a fish" has #catchingafish, #catchfish, #fishcatching and 13 more.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import factorial
from pathlib import Path
from typing import Literal

from pydantic import Field

from whenabouts.config import settings
from whenabouts.core.errors import InvalidData
from whenabouts.data.manifest import Entry, WeakLabel

FUNCTION_WORDS = (
    "a an and as at by down for from her his in into its my of off on onto or other out over s the their through to "
    "under up with your"
)
_ARTICLES = {"a", "an", "the", "s"}
_APOSTROPHES = re.compile(r"['’ʼ`]")
_WORD = re.compile(r"[^\W_]+")
_JOINS = re.compile(r"[\s_\-]+")


@settings
class HashtagSettings:
    """How hashtags are made of a seed label.

    Each content word stands as it is or stemmed, each of the `function_words` may be missing, in any order; beside a
    single content word only articles may, for "popping up" is more than "pop". Of more
    than `max_content_words` content words, or more than `max_tags` hashtags, the order stays that of the label. A stem
    of fewer than `shortest_stem` letters ("do" of "doing") would be anybody's hashtag, and is not used; nor is a
    hashtag of fewer than `shortest_tag` letters. Stems that are no words ("danc" of "dancing") only find less.
    """

    stemmer: Literal["snowball", "none"] = "snowball"
    max_content_words: int = Field(default=5, ge=1)
    max_tags: int = Field(default=20_000, ge=1)
    shortest_stem: int = Field(default=3, ge=1)
    shortest_tag: int = Field(default=3, ge=1)
    function_words: tuple[str, ...] = field(default_factory=lambda: tuple(FUNCTION_WORDS.split()))


@dataclass(frozen=True)
class SeedTags:
    """The hashtags of one seed label, without `#`; `in_order` where they were too many to permute."""

    seed: str
    tags: frozenset[str]
    in_order: bool = False


def hashtag_form(text: str) -> str:
    """One form for a hashtag or keyword: NFKC, case folded, without `#`, blanks, `_` and `-`."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _JOINS.sub("", folded.strip().lstrip("#"))


def words_of(seed: str) -> tuple[str, ...]:
    """The words of a seed label, case folded: letters and digits of any script; apostrophes join, all else parts."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seed).casefold())
    return tuple(_WORD.findall(_APOSTROPHES.sub("", folded)))


def seed_tags(seed: str, how: HashtagSettings | None = None) -> SeedTags:
    """All hashtags that speak of a seed label; one without any letter or digit raises InvalidData.

    A label of function words alone ("up") keeps them all: they are its content.
    """
    how = how or HashtagSettings()
    words = words_of(seed)
    if not words:
        raise InvalidData(f"Seed label {seed!r} has no letter or digit to make hashtags of. Remove it.")
    functional = set(how.function_words)
    content = [word not in functional for word in words]
    if not any(content):
        content = [True] * len(words)
    droppable = functional if sum(content) > 1 else functional & _ARTICLES
    choices = [
        _forms(word, how) if kept else (word, "") if word in droppable else (word,)
        for word, kept in zip(words, content, strict=True)
    ]
    in_order = sum(content) > how.max_content_words or _bound(choices) > how.max_tags
    made = _in_order(choices, how.max_tags) if in_order else _permuted(choices)
    tags = frozenset(tag for tag in made if len(tag) >= how.shortest_tag)
    return SeedTags(seed, tags, in_order)


def _forms(word: str, how: HashtagSettings) -> tuple[str, ...]:
    stem = stemmed(word) if how.stemmer == "snowball" else word
    return (word,) if stem == word or len(stem) < how.shortest_stem else (word, stem)


@lru_cache(maxsize=100_000)
def stemmed(word: str) -> str:
    """The word's stem by the English Snowball rules: catching -> catch, dancing -> danc."""
    import snowballstemmer

    stem: str = snowballstemmer.stemmer("english").stemWord(word)
    return stem


def _bound(choices: Sequence[tuple[str, ...]]) -> int:
    count = factorial(len(choices))
    for forms in choices:
        count *= len(forms)
    return count


def _permuted(choices: Sequence[tuple[str, ...]]) -> Iterator[str]:
    for picked in itertools.product(*choices):
        kept = [word for word in picked if word]
        yield from map("".join, itertools.permutations(kept))


def _in_order(choices: Sequence[tuple[str, ...]], most: int) -> Iterator[str]:
    """Forms that come first are the originals: what is cut at `most` are combinations of late words' stems."""
    return map("".join, itertools.islice(itertools.product(*choices), most))


class SeedIndex:
    """Which seed labels a hashtag speaks of. Seeds that are one another's permutation share hashtags: both are meant.

    Duplicate seeds count once; none at all, or one without letters, raise InvalidData.
    """

    def __init__(self, seeds: Iterable[str], how: HashtagSettings | None = None) -> None:
        self.seeds = tuple(dict.fromkeys(seed.strip() for seed in seeds if seed.strip()))
        if not self.seeds:
            raise InvalidData("There is no seed label. Give one per line, for example 'catching a fish'.")
        made = [seed_tags(seed, how) for seed in self.seeds]
        self.in_order = tuple(tags.seed for tags in made if tags.in_order)
        self._seeds: dict[str, tuple[str, ...]] = {}
        for tags in made:
            for tag in tags.tags:
                self._seeds[tag] = (*self._seeds.get(tag, ()), tags.seed)

    def __len__(self) -> int:
        """Number of hashtags known."""
        return len(self._seeds)

    def of(self, tag: str) -> tuple[str, ...]:
        """Seed labels, in the order of the seeds, that a tag in any spelling speaks of."""
        return self._seeds.get(hashtag_form(tag), ())


class ProductIndex:
    """Labels "verb noun" for hashtags that are a verb and a noun in either order, each as it is or stemmed.

    The same as a SeedIndex over all products (438 x 1,428 in the paper, 625,000), without making any that is not seen.
    """

    def __init__(self, verbs: Iterable[str], nouns: Iterable[str], how: HashtagSettings | None = None) -> None:
        of_verbs, of_nouns = SeedIndex(verbs, how), SeedIndex(nouns, how)
        self._verbs, self._nouns = of_verbs._seeds, of_nouns._seeds
        self.counts = {"verbs": len(of_verbs.seeds), "nouns": len(of_nouns.seeds)}

    def of(self, tag: str) -> tuple[str, ...]:
        """Labels "verb noun", sorted, that a tag in any spelling speaks of."""
        text = hashtag_form(tag)
        found = set()
        for cut in range(1, len(text)):
            first, second = text[:cut], text[cut:]
            for verb, noun in ((first, second), (second, first)):
                found |= {f"{v} {n}" for v in self._verbs.get(verb, ()) for n in self._nouns.get(noun, ())}
        return tuple(sorted(found))


Index = SeedIndex | ProductIndex


def seed_labels(tags: Iterable[str], index: Index) -> dict[str, tuple[str, ...]]:
    """Seed labels that a video's tags speak of, each with the tags that say so, in the order of the tags."""
    found: dict[str, tuple[str, ...]] = {}
    for tag in tags:
        for seed in index.of(tag):
            found[seed] = (*found.get(seed, ()), tag)
    return found


def relabelled(entry: Entry, index: Index) -> Entry:
    """The entry with the seed labels that its labels speak of in their place; others are left out.

    A label's evidence names the tags; its weight is the greatest of theirs, its source that of the first.
    """
    by_name = {label.name: label for label in entry.labels}
    labels = tuple(
        WeakLabel(seed, max(by_name[tag].weight for tag in tags), by_name[tags[0]].source, " ".join(map(_shown, tags)))
        for seed, tags in seed_labels(by_name, index).items()
    )
    return replace(entry, labels=labels)


@dataclass(frozen=True)
class Relabelled:
    """Entries with seed labels, and what became of the seeds."""

    entries: tuple[Entry, ...]
    counts: Mapping[str, int]
    facts: Mapping[str, Sequence[str]]


def relabelled_entries(entries: Iterable[Entry], index: Index) -> Relabelled:
    """All entries by their seed labels; counts of videos, and the seeds that nobody's tags speak of.

    Of products only those that are seen are made, and counted.
    """
    made = tuple(relabelled(entry, index) for entry in entries)
    found = {label.name for entry in made for label in entry.labels}
    videos = {
        "videos_with_a_seed": sum(bool(entry.labels) for entry in made),
        "videos_with_several_seeds": sum(len(entry.labels) > 1 for entry in made),
    }
    if isinstance(index, ProductIndex):
        return Relabelled(made, {**index.counts, "products_seen": len(found), **videos}, {})
    facts = {
        "seeds_without_a_video": tuple(seed for seed in index.seeds if seed not in found),
        "seeds_too_long_to_permute": index.in_order,
    }
    counts = {"seeds": len(index.seeds), "seed_hashtags": len(index), **videos}
    return Relabelled(made, counts, {name: seeds for name, seeds in facts.items() if seeds})


def read_seeds(path: Path) -> tuple[str, ...]:
    """Seed labels of a text file, one a line; blank lines and lines after `# ` are left out, repeated ones once.

    A file that can't be read raises InvalidData.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidData(
            f"Seed labels {path} can't be read: {error}. Give a UTF-8 text file, one label a line."
        ) from None
    seeds = tuple(dict.fromkeys(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("# ")))
    bare = [seed for seed in seeds if not words_of(seed)]
    if bare:
        raise InvalidData(f"Seed labels {path}: {bare[0]!r} has no letter or digit to make hashtags of. Remove it.")
    return seeds


def _shown(tag: str) -> str:
    return f"#{hashtag_form(tag)}"
