"""Which documents hold words that begin with what was typed."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable

import numpy as np

from whenabouts.core.timing import BoolArray, IntArray

MOST_WORDS = 12
_WORD = re.compile(r"[^\W_]+")


def folded(text: str) -> str:
    """Text without case and accents, so that what people type finds what others wrote."""
    if text.isascii():
        return text.casefold()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def words_of(text: str) -> list[str]:
    """The words of a text, folded: runs of letters and digits."""
    return _WORD.findall(folded(text))


class WordIndex:
    """The words of documents (N,), sorted; the documents of a run of words lie side by side."""

    def __init__(self, texts: Iterable[str]) -> None:
        places: dict[str, list[int]] = {}
        self.size = 0
        for number, text in enumerate(texts):
            self.size = number + 1
            for word in set(words_of(text)):
                places.setdefault(word, []).append(number)
        self._words = sorted(places)
        counts = np.fromiter((len(places[word]) for word in self._words), np.int64, len(self._words))
        self._starts: IntArray = np.concatenate([[0], np.cumsum(counts)])
        every = [number for word in self._words for number in places[word]]
        self._documents = np.asarray(every, np.int32)

    def beginning(self, start: str) -> BoolArray:
        """(N,) True for documents with a word that begins so; `start` must be folded."""
        first = bisect_left(self._words, start)
        last = bisect_left(self._words, start + "\U0010ffff", lo=first)
        found = np.zeros(self.size, bool)
        found[self._documents[self._starts[first] : self._starts[last]]] = True
        return found
