"""Hearing what FFmpeg says of damage while it reads: much of it reaches no flag and no exception."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Errors always count. Warnings count where their words speak of damage: others are about taste, tags or guesses.
_DAMAGE = re.compile(
    r"corrupt|truncat|overread|invalid|damage|mismatch|undecodable|out of order|premature|doctype|misdetect", re.I
)

# Errors that do not speak of damage: what FFmpeg can't do, what it asks people to do, and what sound streams of some
# encoders make it say ("mmco").
_HARMLESS = re.compile(
    r"not implemented|upload a sample|update your ffmpeg|unspecified (size|pixel format)|^mmco: unref short failure",
    re.I,
)

_ERROR, _WARNING = 16, 24

# FFmpeg has one log for the whole process: it is on while at least one reader listens.
_lock = threading.Lock()
_listeners = 0
_level_before: int | None = None
_nowhere = logging.NullHandler()


class Complaints:
    """Counts FFmpeg's complaints of damage, by who complains and what about, numbers left out."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen to what FFmpeg says in this thread: decoders with threads of their own are not heard."""
        import av.logging

        _switch(1)
        try:
            with av.logging.Capture() as entries:
                yield
        finally:
            _switch(-1)
        for level, speaker, text in entries:
            self._add(level, speaker, text)

    def summary(self) -> str:
        """The complaint heard first and how many there were; empty if none."""
        if not self.counts:
            return ""
        total, first = sum(self.counts.values()), next(iter(self.counts))
        return f"FFmpeg complains ({first})" + (f" and {total - 1} times more" if total > 1 else "")

    def _add(self, level: int, speaker: str, text: str) -> None:
        if level > _WARNING or (level > _ERROR and not _DAMAGE.search(text)) or _HARMLESS.search(text):
            return
        words = " ".join(re.sub(r"0x[0-9a-f]+|-?\d+", "#", text).split())[:80]
        if not words:
            return
        key = f"{speaker.split(',')[0]}: {words}" if speaker else words
        if key in self.counts or len(self.counts) < 100:
            self.counts[key] = self.counts.get(key, 0) + 1


def _switch(change: int) -> None:
    """Count listeners; the first turns FFmpeg's log on, the last turns it back to what it was."""
    global _listeners, _level_before
    import av.logging

    with _lock:
        if _listeners == 0:
            # What other threads' decoders say meanwhile goes to Python's logging, which would print it unasked.
            logging.getLogger("libav").addHandler(_nowhere)
            _level_before = av.logging.get_level()
            av.logging.set_skip_repeated(False)
            av.logging.set_level(max(_WARNING, _level_before or 0))
        _listeners += change
        if _listeners == 0:
            av.logging.set_level(_level_before)
