"""Filmed takes of one folder, joined to sessions and crops that are real video files.

The folder holds labels.csv (clip, label), sessions.json (per subject: clips with offset and duration, annotations) and
videos/. Nothing of it is copied anywhere but to the working folder that is asked for.
"""

import csv
import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from whenabouts.media.reader import VideoReader
from whenabouts.media.writing import Encoding, write_video

RATE = Fraction(15)
ENCODING = Encoding(options={"preset": "veryfast", "crf": "18", "threads": "1"})


@dataclass(frozen=True)
class Take:
    """One take: its file, its label, and its place in the session in seconds."""

    path: Path
    label: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Hold:
    """One true moment of a session."""

    label: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Session:
    """All usable takes of one subject in order of recording, the fold that tests on them, and the holds in them."""

    subject: str
    fold: int
    takes: tuple[Take, ...]
    holds: tuple[Hold, ...]

    @property
    def duration_seconds(self) -> float:
        """The end of the last take."""
        return self.takes[-1].end_seconds

    @property
    def joints(self) -> list[float]:
        """Where one take ends and the next begins, in seconds."""
        return [take.start_seconds for take in self.takes[1:]]


def read_sessions(folder: Path) -> list[Session]:
    """Sessions in order of subjects; refuses folds that are not those of splits.json."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8-sig") as file:
        labels = {row["clip"]: row["label"] for row in csv.DictReader(file)}
    database = json.loads((folder / "sessions.json").read_text(encoding="utf-8"))["database"]
    folds = json.loads((folder / "splits.json").read_text(encoding="utf-8"))["folds"]
    sessions = []
    for subject, row in sorted(database.items()):
        if subject not in folds[str(row["fold"])]["test_subjects"]:
            raise SystemExit(f"sessions.json and splits.json disagree about the fold of {subject}.")
        takes = [
            Take(folder / "videos" / clip["clip"], labels[clip["clip"]], clip["offset"],
                 clip["offset"] + clip["duration"])
            for clip in row["clips"]
        ]  # fmt: skip
        holds = [Hold(note["label"], *note["segment"]) for note in row["annotations"]]
        sessions.append(Session(subject, row["fold"], tuple(takes), tuple(holds)))
    return sessions


def crops_of(session: Session, rng: np.random.Generator, count: int) -> list[tuple[Take, ...]]:
    """At most `count` different runs of two or three neighbouring takes, drawn at random."""
    every = [(first, size) for size in (2, 3) for first in range(len(session.takes) - size + 1)]
    chosen = sorted(rng.permutation(len(every))[:count].tolist())
    return [session.takes[every[place][0] : sum(every[place])] for place in chosen]


def render(path: Path, takes: tuple[Take, ...]) -> None:
    """Write these takes one after the other as one video file, each frame at its time in the session."""
    if path.exists():
        return
    pictures, times = [], []
    for take in takes:
        for seconds, pixels in VideoReader(take.path):
            if seconds < take.end_seconds - take.start_seconds:
                pictures.append(pixels)
                times.append(take.start_seconds - takes[0].start_seconds + seconds)
    write_video(path, pictures, times, rate=RATE, encoding=ENCODING)
