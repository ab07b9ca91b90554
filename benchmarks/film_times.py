"""Clips and chapters of films longer than two hours: how far are their times off, at each frame rate?

Used by `export_round_trips.py`. A film is two encoded minutes: the first is repeated 121 times, the second stands at
the end, beyond two hours; each picture carries its number, so that what a clip shows can be compared with what it
should. Films have B-frames, key frames every two seconds, and a clock that does not start at 0. Moments begin and end
at chance, on a frame to the microsecond, and on a key frame.
"""

import bisect
import itertools
import json
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from whenabouts.data.exporters.films import Chapter
from whenabouts.media.chapters import chapter_parts
from whenabouts.media.cutting import chaptered_parts, clip_parts
from whenabouts.media.numbered import number_in, numbered_picture
from whenabouts.media.opening import zero_of
from whenabouts.media.writing import Encoding, write_video

RATES = {"12.5": Fraction(25, 2), "23.976": Fraction(24000, 1001), "25": Fraction(25), "29.97": Fraction(30000, 1001),
         "50": Fraction(50), "59.94": Fraction(60000, 1001), "variable": None}  # fmt: skip
VARIABLE = tuple(Fraction(ticks, 1000) for ticks in (33, 34, 66, 41, 17, 100, 50, 25))
"""Seconds from one picture to the next, over and over: a phone's camera in changing light."""
OFFSET = {"mp4": Fraction(7, 5), "mkv": Fraction(37, 10)}
TAIL = 20_000
SIDE = 64
KEYS = 30
"""Groups of pictures in a minute, each beginning with a key frame."""

MOMENTS = 30
FILM_ROWS = {"exact": "clips, exact", "copy": "clips, copied", "chapters": "chapters"}


@dataclass(frozen=True)
class Film:
    """A film with the true seconds of all its pictures, 0 where the first begins, and their numbers."""

    path: Path
    times: list[Fraction]
    numbers: list[int]

    def picture(self, number: int) -> int | None:
        """The place of a picture of the last minute; None where it is none of those."""
        place = self.tail + number - TAIL
        return place if number >= TAIL and place < len(self.numbers) else None

    @property
    def tail(self) -> int:
        """The place of the first picture of the last minute."""
        return len(self.numbers) - (self.numbers[-1] + 1 - TAIL)


def make_film(folder: Path, rate: str, ending: str, minutes: int) -> Film:
    """Encode two minutes and mux the first again and again, before the second."""
    steps = _steps(RATES[rate])
    group = sum(1 for _ in itertools.takewhile(lambda at: at < 2, itertools.accumulate(steps, initial=Fraction(0))))
    count = group * KEYS
    starts = list(itertools.islice(itertools.accumulate(_steps(RATES[rate]), initial=Fraction(0)), 2 * count + 1))
    numbers = [*range(count), *range(TAIL, TAIL + count)]
    source = folder / f"two minutes {rate}.mp4"
    nominal = RATES[rate] or Fraction(25)
    base = 1 / nominal / 1001 if RATES[rate] else Fraction(1, 90_000)
    how = Encoding(options={"preset": "ultrafast", "crf": "20", "bf": "2", "sc_threshold": "0"}, keyframe_every=group,
                   time_base=base, container="mp4")  # fmt: skip
    write_video(source, map(_picture, numbers), [float(at) for at in starts[:-1]], rate=nominal, encoding=how)
    path, length = folder / f"film {rate}.{ending}", starts[count]
    _mux(source, path, length, minutes, OFFSET[ending])
    times = [at + turn * length for turn in range(minutes) for at in starts[:count]]
    times += [at + (minutes - 1) * length for at in starts[count:-1]]
    return Film(path, times, [*range(count)] * minutes + numbers[count:])


def _steps(rate: Fraction | None) -> Iterator[Fraction]:
    return itertools.repeat(1 / rate) if rate else itertools.cycle(VARIABLE)


def _picture(number: int) -> Any:
    picture = numbered_picture(number, height=SIDE, width=SIDE)
    picture[SIDE // 2 :] = 128
    return picture


def _mux(source: Path, path: Path, length: Fraction, minutes: int, offset: Fraction) -> None:
    with av.open(str(source)) as film, av.open(str(path), "w") as target:
        stream = film.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for turn in range(minutes):
            film.seek(0)
            for packet in film.demux(stream):
                if not packet.size or packet.pts is None:
                    continue
                base = packet.time_base
                if (packet.pts * base >= length - base) and turn < minutes - 1:
                    break
                shift = round((turn * length + offset) / base)
                packet.pts += shift
                packet.dts += shift
                packet.stream = copy
                target.mux(packet)


def moments_of(film: Film, count: int, seed: int) -> list[tuple[float, float]]:
    """Spans in the last minute: at chance, on pictures, on a key frame."""
    dice, first = random.Random(seed), film.tail
    low, high = film.times[first], film.times[-1]
    spans = []
    for turn in range(count):
        start = _between(film, dice.uniform(float(low), float(high) - 8))
        end = _between(film, start + dice.uniform(0.5, 7))
        if turn % 3 == 1:
            start, end = (float(_nearest(film, at)) for at in (start, end))
        if turn % 3 == 2:
            start = float(film.times[first + (len(film.times) - first) // KEYS * dice.randrange(KEYS - 5)])
            end = start + 3.21
        spans.append((start, end))
    return sorted(spans)


def _between(film: Film, at: float) -> float:
    """A time that no rounding to milliseconds moves over the begin of a picture."""
    return at if abs(_nearest(film, at) - Fraction(at)) > Fraction(2, 1000) else at + 0.004


def _nearest(film: Film, at: float) -> Fraction:
    return min(film.times[film.tail :], key=lambda each: abs(each - Fraction(at)))


def measure(film: Film, folder: Path, *, moments: int, seed: int) -> dict[str, dict[str, float]]:
    """For clips of both kinds and for chapters: the largest error in seconds, and how many pictures are wrong."""
    spans = moments_of(film, moments, seed)
    found = {how: _clips(film, folder, spans, how == "exact") for how in ("exact", "copy")}
    return {**found, "chapters": _chapters(film, folder, spans)}


def _clips(film: Film, folder: Path, spans: list[tuple[float, float]], exact: bool) -> dict[str, float]:
    worst, wrong, pictures = 0.0, 0, 0
    for start, end in spans:
        target = folder / f"clip{film.path.suffix}"
        (told,) = clip_parts(film.path, target=target, start=start, end=end, exact=exact)
        shown = {film.picture(number): at for number, at in _shown(target)}
        wrong += shown.pop(None, None) is not None  # Pictures that can't be read, or of elsewhere.
        wanted, places = set(_within(film, start, end)), set(shown)
        wrong += len(places ^ wanted) if exact else len(wanted - places)
        begun = film.times[min(places)]
        wrong += not exact and begun > start + 1e-3
        errors = [abs(at - float(film.times[place] - begun)) for place, at in shown.items()]
        worst = max(worst, abs(float(told["begins"][0]) - float(begun)), *errors)
        pictures += len(wanted)
        target.unlink()
    return {"worst": worst, "wrong": wrong, "pictures": pictures}


def _within(film: Film, start: float, end: float) -> range:
    """Places of the pictures that begin within a span; an edge is on a picture where it is nearer than 0.6 ms.

    Matroska's clock ticks in milliseconds, so that half of one is nothing.
    """
    slack = Fraction(6, 10_000)
    return range(bisect.bisect_left(film.times, Fraction(start) - slack),
                 bisect.bisect_left(film.times, Fraction(end) - slack))  # fmt: skip


def _shown(path: Path) -> list[tuple[int, float]]:
    """Number and seconds of each picture of a clip, as a player shows them: 0 where the first begins."""
    with av.open(str(path)) as container:
        zero = zero_of(container)
        found = []
        for frame in container.decode(video=0):
            number = number_in(frame.to_ndarray(format="rgb24"))
            found.append((-1 if number is None else number, float(frame.pts * frame.time_base - zero)))
        return found


def _chapters(film: Film, folder: Path, spans: list[tuple[float, float]]) -> dict[str, float]:
    """Chapters of a copy of the film, which may not overlap, and the pictures of the copy where chapters begin."""
    edges = sorted({edge for span in spans for edge in span})
    wanted: list[Chapter] = [(start, end, f"{start:.3f}") for start, end in itertools.pairwise(edges)]
    first: Chapter = (0.0, edges[0], "")  # As the exporter has it: QuickTime's chapters begin at 0.
    target = folder / f"chaptered{film.path.suffix}"
    list(chaptered_parts(film.path, target=target, chapters=[first, *wanted]))
    (part,) = chapter_parts(target)
    read = [each for each in json.loads(part["chapters"].tobytes()) if each[2]]
    worst = max(max(abs(own[0] - each[0]), abs(own[1] - each[1])) for own, each in zip(wanted, read, strict=True))
    wrong = 0
    with av.open(str(target)) as container:
        stream, zero = container.streams.video[0], zero_of(container)
        for start, _, _ in read[::4]:
            container.seek(int((zero + Fraction(start)) / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                at = frame.pts * stream.time_base - zero
                place = film.picture(number_in(frame.to_ndarray(format="rgb24")) or 0)
                wrong += place is None and at >= film.times[film.tail]
                worst = max(worst, abs(float(at - film.times[place])) if place is not None else 0.0)
                if at > start:
                    break
    target.unlink()
    return {"worst": worst, "wrong": wrong, "pictures": len(read)}


def films_part(rate: str, minutes: int) -> dict[str, Any]:
    """Clips and chapters of films of one frame rate, by container."""
    found: dict[str, Any] = {}
    for ending in OFFSET:
        with tempfile.TemporaryDirectory() as temporary:
            film = make_film(Path(temporary), rate, ending, minutes)
            found[ending] = measure(film, Path(temporary), moments=MOMENTS, seed=0)
    return found


def page(films: dict[str, Any], minutes: int) -> list[str]:
    """The table of clips and chapters."""
    pictures = {how: sum(film[ending][how]["pictures"] for film in films.values() for ending in OFFSET)
                for how in FILM_ROWS}  # fmt: skip
    lines = [
        "",
        "## Clips and chapters beyond two hours",
        "",
        f"Films of {minutes} minutes with B-frames, a key frame every two seconds, clocks that start at "
        f"{float(OFFSET['mp4'])} s (MP4) and {float(OFFSET['mkv'])} s (Matroska), and a number in "
        f"each picture; {MOMENTS} moments a film in its last minute, which begin and end at chance, on a picture, or "
        "on a key frame. Columns: the largest error of any time, in milliseconds, by frame rate: of where a clip says "
        "that it begins and of each of its pictures, of where a chapter begins and ends and of the pictures there.",
        "",
        f"| | {' | '.join(films)} | pictures or chapters | wrong |",
        f"|---|{'---|' * (len(films) + 2)}",
    ]
    for ending, name in (("mp4", "MP4"), ("mkv", "Matroska")):
        for how, title in FILM_ROWS.items():
            rows = [film[ending][how] for film in films.values()]
            errors = " | ".join(f"{1000 * row['worst']:.3f}" for row in rows)
            lines.append(f"| {title}, {name} | {errors} | {sum(row['pictures'] for row in rows):,} | "
                         f"{sum(row['wrong'] for row in rows)} |")  # fmt: skip
    return [
        *lines,
        "",
        "Wrong is a picture too many or too few in an exact clip; in a copied one a picture of the moment that is not "
        "there or can't be read, or a beginning after that of the moment. Chapters count milliseconds, as both "
        f"containers do here; so do Matroska's pictures. {sum(pictures.values()):,} pictures and chapters were looked "
        "at.",
        "",
    ]
