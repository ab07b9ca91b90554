"""Questions about the collection: which moments and videos, in which order."""

from dataclasses import dataclass

import numpy as np

from whenabouts.core.moments import KINDS
from whenabouts.core.timing import BoolArray, FloatArray, IntArray
from whenabouts.data.decisions import Review
from whenabouts.page.server.answers import Json, moment, video
from whenabouts.page.server.desk import Snapshot
from whenabouts.page.server.table import Table
from whenabouts.page.server.words import MOST_WORDS, WordIndex, words_of

REVIEWED = ("confirmed", "rejected")


@dataclass(frozen=True)
class Query:
    """What is looked for; empty fields ask nothing."""

    concepts: tuple[str, ...] = ()
    text: str = ""
    min_score: float | None = None
    kinds: tuple[str, ...] = ("found",)
    split: str = ""
    reviewed: str = ""
    sort: str = "score"
    offset: int = 0
    limit: int = 50


def search_moments(snapshot: Snapshot, query: Query) -> Json:
    """One page of the moments that a query asks for."""
    table, library = snapshot.library.table, snapshot.library
    keep = np.isin(table.kinds, [KINDS.index(kind) for kind in query.kinds if kind not in REVIEWED])
    keep &= _matching(snapshot, table, query)
    if query.reviewed:
        decided = np.zeros(len(table), bool)
        decided[list(snapshot.judging)] = True
        keep &= decided == (query.reviewed == "yes")
    useful = snapshot.useful() if len(table) else np.zeros(0)
    reviews = dict[int, Review](snapshot.judging)
    kinds = [kind for kind in query.kinds if kind in REVIEWED]
    if kinds and query.reviewed != "no":
        own, told = snapshot.table_of_reviews(kinds)
        matching = np.flatnonzero(_matching(snapshot, own, query))
        first = len(table)
        rows = np.concatenate([np.flatnonzero(keep), first + matching])
        reviews |= {first + number: each for number, each in enumerate(told)}
        table, useful = Table.joined([table, own]), np.concatenate([useful, np.zeros(len(own))])
        order = _order(rows, table, useful, library.dates, query.sort)
    else:
        ordered = _known_order(snapshot, query.sort)
        order = ordered[keep[ordered]]
    page = order[query.offset : query.offset + query.limit].tolist()
    listed = [moment(snapshot, table, row, reviews.get(row), float(useful[row])) for row in page]
    return {"total": len(order), "offset": query.offset, "limit": query.limit, "moments": listed}


def search_videos(snapshot: Snapshot, query: Query) -> Json:
    """One page of the videos that a query asks for."""
    library = snapshot.library
    keep = _containing(library.words, query.text)
    if query.split:
        keep &= np.asarray([entry.split == query.split for entry in library.entries], bool)
    table, count = library.table, len(library.entries)
    rows = library.found_rows
    if query.concepts:
        wanted = _numbers(snapshot, query.concepts)
        rows = rows[np.isin(table.concepts[rows], wanted)]
        keep &= np.bincount(table.videos[rows], minlength=count) > 0
    found = np.bincount(table.videos[rows], minlength=count)
    ordered = _video_order(snapshot, query.sort, rows, found)
    ordered = ordered[keep[ordered]]
    page = ordered[query.offset : query.offset + query.limit].tolist()
    listed = [video(snapshot, number, found=int(found[number])) for number in page]
    return {"total": len(ordered), "offset": query.offset, "limit": query.limit, "videos": listed}


def _video_order(snapshot: Snapshot, sort: str, rows: IntArray, found: IntArray) -> IntArray:
    """All videos in the order asked for, by what was `found` in them in `rows`."""
    library = snapshot.library
    if sort == "title":
        return library.by_title
    if sort == "score":
        best = np.full(len(found), -np.inf)
        np.maximum.at(best, library.table.videos[rows], library.table.scores[rows])
        return np.argsort(-best, kind="stable")
    return np.argsort(-(library.dates if sort == "date" else found), kind="stable")


def _known_order(snapshot: Snapshot, sort: str) -> IntArray:
    """All rows of the table in the order asked for; ties by score."""
    if sort == "usefulness":
        return snapshot.by_use()
    return snapshot.library.by_date if sort == "date" else snapshot.library.by_score


def _matching(snapshot: Snapshot, table: Table, query: Query) -> BoolArray:
    """(M,) True where concept, text, score and split fit."""
    library = snapshot.library
    keep = np.ones(len(table), bool)
    if query.concepts:
        keep &= np.isin(table.concepts, _numbers(snapshot, query.concepts))
    if query.min_score is not None:
        keep &= table.scores >= query.min_score
    if query.split:
        keep &= np.asarray([entry.split == query.split for entry in library.entries], bool)[table.videos]
    for word in words_of(query.text)[:MOST_WORDS]:
        keep &= library.words.beginning(word)[table.videos] | library.name_words().beginning(word)[table.concepts]
    return keep


def _containing(words: WordIndex, text: str) -> BoolArray:
    keep = np.ones(words.size, bool)
    for word in words_of(text)[:MOST_WORDS]:
        keep &= words.beginning(word)
    return keep


def _numbers(snapshot: Snapshot, concepts: tuple[str, ...]) -> list[int]:
    known = snapshot.library.names.numbers
    return [known[name] for name in concepts if name in known]


def _order(rows: IntArray, table: Table, useful: FloatArray, dates: FloatArray, sort: str) -> IntArray:
    """Rows in the order asked for; ties by score, then by their place."""
    first = {"usefulness": useful, "date": dates[table.videos] if len(table) else useful, "score": table.scores}[sort]
    return rows[np.lexsort((rows, -table.scores[rows], -first[rows]))]
