"""What a person decided about a moment: the nouns, which of them count, and their rows in a table."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from whenabouts.core.errors import InvalidData

Decision = Literal["confirmed", "rejected", "corrected", "added"]
Origin = Literal["queue", "search", "video", "example"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)
ORIGINS: tuple[Origin, ...] = get_args(Origin)
LONGEST = 1_000
COLUMNS = "id, at, decision, video, concept, start_seconds, end_seconds, found_start, found_end, found_score, origin"


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision before it is stored: what is said of `concept` within [start, end) of a video.

    `found` is the moment that was judged, (start, end), with the `found_score` it had; None for one that nobody found.
    """

    decision: Decision
    video_id: str
    concept: str
    start_seconds: float
    end_seconds: float
    found: tuple[float, float] | None = None
    found_score: float | None = None
    origin: Origin = "search"

    def __post_init__(self) -> None:
        if self.decision not in DECISIONS or self.origin not in ORIGINS:
            raise InvalidData(f"A decision is one of {DECISIONS} from one of {ORIGINS}, but got {self}.")
        if not self.video_id or not 0 < len(self.concept) <= LONGEST:
            raise InvalidData(f"A decision names a video, and a concept of at most {LONGEST} characters.")
        for start, end in [(self.start_seconds, self.end_seconds), *([] if self.found is None else [self.found])]:
            if not (math.isfinite(start) and math.isfinite(end) and 0 <= start < end):
                raise InvalidData(f"A moment starts at 0 s or later and ends after that, but got {start} to {end} s.")
        if self.found_score is not None and not math.isfinite(self.found_score):
            raise InvalidData(f"A score is a finite number, but got {self.found_score}.")
        if self.decision != "added" and self.found is None:
            raise InvalidData(f"{self.decision!r} judges a moment: say which was found.")

    @property
    def subject(self) -> tuple[str, str, float, float]:
        """What was judged: later decisions about the same take the place of earlier ones."""
        start, end = self.found or (self.start_seconds, self.end_seconds)
        return (self.video_id, self.concept, start, end)

    @property
    def present(self) -> bool:
        """Whether the concept is there."""
        return self.decision != "rejected"


@dataclass(frozen=True, slots=True)
class Review:
    """A stored decision: its number, when it was made (seconds since 1970), and whether it was undone."""

    id: int
    at: float
    decided: Decided
    undone: bool = False


@dataclass(frozen=True)
class History:
    """Reviews in the order of their making, and rows of the table that are none: their numbers, and why not."""

    reviews: list[Review]
    passed_over: dict[int, str]

    @classmethod
    def of(cls, rows: Iterable[tuple[object, ...]]) -> "History":
        """Read rows as `review_of` does; what others wrote into the file spoils nothing else."""
        reviews, passed_over = [], {}
        for row in rows:
            try:
                reviews.append(review_of(row))
            except InvalidData as error:
                passed_over[cast(int, row[0])] = str(error)
        return cls(reviews, passed_over)


def told_passed_over(rows: Mapping[int, str]) -> str:
    """What people are told of rows of reviews.sqlite that are passed over; "" where there are none."""
    if not rows:
        return ""
    number, why = min(rows.items())
    others = "" if len(rows) == 1 else f", and {len(rows) - 1} more"
    return (
        f"Rows of reviews.sqlite that are no decisions of this program are passed over ({len(rows)}): row {number}"
        f"{others}. {why} All others count. Mend these in the table `reviews`, or delete them there."
    )


def standing(history: Iterable[Review]) -> list[Review]:
    """The reviews that count among those in the order of their making: not undone, and the last on their subject."""
    last = {review.decided.subject: review for review in history if not review.undone}
    return sorted(last.values(), key=lambda review: review.id)


def stored_text(text: str) -> str | bytes:
    """Text as SQLite takes it; file names that are not Unicode become bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def read_text(value: str | bytes) -> str:
    """The text that `stored_text` has made a value of."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def row_of(decided: Decided) -> tuple[object, ...]:
    """Values in the order of `COLUMNS`, without id and time."""
    start, end = decided.found or (None, None)
    return (decided.decision, stored_text(decided.video_id), stored_text(decided.concept), decided.start_seconds,
            decided.end_seconds, start, end, decided.found_score, decided.origin)  # fmt: skip


def review_of(row: tuple[object, ...]) -> Review:
    """A review from values in the order of `COLUMNS`, and the step at which it was undone; InvalidData for nonsense."""
    try:
        return _review_of(row)
    except (TypeError, ValueError) as error:
        raise InvalidData(f"A value is of another kind than it should be: {error}.") from None


def _review_of(row: tuple[object, ...]) -> Review:
    number, at, decision, video, concept, start, end, found_start, found_end, score, origin, undone = row
    if not (isinstance(video, str | bytes) and isinstance(concept, str | bytes)):
        raise InvalidData(f"A video and a concept have names, but got {video!r} and {concept!r}.")
    found = None if found_start is None else (float(cast(float, found_start)), float(cast(float, found_end)))
    decided = Decided(
        cast(Decision, decision),
        read_text(video),
        read_text(concept),
        float(cast(float, start)),
        float(cast(float, end)),
        found,
        None if score is None else float(cast(float, score)),
        cast(Origin, origin),
    )
    when = float(cast(float, at))
    if not math.isfinite(when):
        raise InvalidData(f"A decision was made at a time, but got {when}.")
    return Review(cast(int, number), when, decided, undone is not None)
