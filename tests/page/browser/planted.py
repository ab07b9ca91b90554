"""A small project to open in a browser: rendered videos with a code in each frame, planted features, moments, truth.

Each frame bears its number as bright and dark cells along its lower edge, so that a test can read from the screen which
frame a browser shows.
"""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.moments import Moments
from whenabouts.core.progress import Silent
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.demo.plan import SEEN, Stretch, VideoPlan
from whenabouts.data.demo.scenes import draw_frames
from whenabouts.data.manifest import Entry, FileStamp, Manifest, RatedSegment, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.worlds.features import PlantedWorld, WorldShape, planted_world
from whenabouts.localizers import WinnersOut
from whenabouts.media.writing import Encoding, write_video

VIDEOS, TRAINED, RATE, SLOW_RATE = 12, 9, 25, 5
HEIGHT, WIDTH, CELLS, BITS = 96, 160, 16, 12
CONCEPTS = SEEN[:4]
PLACES = ("Kitchen", "Garden", "Workshop", "Balcony", "Porch", "Office")
ODD = 3  # This one is an AVI, which browsers do not play.


def planted_project(folder: Path) -> Project:
    """The project, with files, features, a model, moments, truth, and a rated segment in every third video."""
    shape = WorldShape(classes=len(CONCEPTS), seconds=(14.0, 18.0), widths={"rgb": 12, "sound": 6})
    world = planted_world(VIDEOS, np.random.default_rng(11), shape)
    home, truth = Project.create(folder), replace(world.truth, vocabulary=Vocabulary(CONCEPTS))
    home.write_manifest(Manifest(tuple(_entry(home, world, truth, number) for number in range(VIDEOS))))
    home.write_vocabulary(truth.vocabulary)
    home.features().append([sequence for example in world.examples for sequence in example.features.values()])
    settings = WinnersOut.Settings(epochs=6, attentions=2, rounds=1)
    model = WinnersOut.fit(world.examples[:TRAINED], settings, Silent(), vocabulary=truth.vocabulary)
    model.save(home.localizer_folder)
    write_found(home, _guessed(truth, world))
    database = {
        example.video_id: {"subset": "train" if number < TRAINED else "test", "duration": _duration(example),
                           "annotations": []}
        for number, example in enumerate(world.examples)
    }  # fmt: skip
    for row in truth:
        note = {"segment": [row.start_seconds, row.end_seconds], "label": row.concept}
        database[row.video_id]["annotations"].append(note)
    home.truth_path.write_text(json.dumps({"version": "", "taxonomy": [], "database": database}))
    return home


def write_found(home: Project, moments: Moments) -> None:
    """Moments as `whenabouts find` leaves them."""
    home.moments_folder.mkdir(exist_ok=True)
    (home.moments_folder / "moments.json").write_text(json.dumps(moments.to_json()))


def read_code(pixels: NDArray[np.integer]) -> int:
    """The number of a frame from its grey picture (HEIGHT, WIDTH); the cells at both ends are bright and dark."""
    width = WIDTH // CELLS
    cells = pixels[-6:-2].reshape(4, CELLS, width)[:, :, 2 : width - 2].mean(axis=(0, 2))
    bits = cells > (cells[0] + cells[-1]) / 2
    assert cells[0] - cells[-1] > 100, f"no code is seen: {cells.round().tolist()}"
    number = int(sum(1 << bit for bit in range(BITS) if bits[1 + bit]))
    assert bool(bits[1 + BITS]) == bool(number.bit_count() % 2), "the code's parity is wrong"
    return number


def with_code(picture: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """The frame with its number along the lower edge."""
    bits = [True, *(bool(number >> bit & 1) for bit in range(BITS)), bool(number.bit_count() % 2), False, False]
    coded = picture.copy()
    coded[-8:] = np.repeat(np.where(bits, 235, 16), WIDTH // CELLS)[None, :, None]
    return coded


def _duration(example: object) -> float:
    return round(float(example.features["rgb"].grid.duration_seconds), 3)  # type: ignore[attr-defined]


def _entry(home: Project, world: PlantedWorld, truth: Moments, number: int) -> Entry:
    example = world.examples[number]
    duration, rate = _duration(example), RATE if number == 0 else SLOW_RATE
    path = home.folder / "videos" / f"{example.video_id}{'.avi' if number == ODD else '.mp4'}"
    path.parent.mkdir(exist_ok=True)
    mine = truth[truth.video_ids == example.video_id]
    frames = _render(path, mine, duration, rate, number)
    labels = tuple(WeakLabel(CONCEPTS[index], 0.8, "ytdlp") for index in example.labels.classes)
    rated = [RatedSegment(row.concept, row.start_seconds, row.end_seconds, True, "chapters") for row in mine[:1]]
    video = Video(example.video_id, path, duration_seconds=frames / rate, fps=Fraction(rate), frame_count=frames,
                  height=HEIGHT, width=WIDTH)  # fmt: skip
    tags = (WeakLabel("holiday", 0.5, "ytdlp"),) if number % 2 else ()
    stamp = FileStamp(path.stat().st_size, 1_700_000_000_000_000_000 + number * 10**14)
    return Entry(video, (*labels, *tags), tuple(rated) if number % 3 == 0 else (),
                 "train" if number < TRAINED else "test", f"{PLACES[number % len(PLACES)]}, take {number}", "me",
                 stamp)  # fmt: skip


def _render(path: Path, moments: Moments, duration: float, rate: int, number: int) -> int:
    frames = round(duration * rate)
    stretches = [Stretch(row.concept, round(row.start_seconds * rate), round(row.end_seconds * rate))
                 for row in moments]  # fmt: skip
    plan = VideoPlan(
        path.stem, "train", number, frames, rate, tuple(sorted(stretches, key=lambda each: each.first)), ()
    )
    drawn = draw_frames(plan, height=HEIGHT, width=WIDTH, rng=np.random.default_rng([7, number]))
    pictures = (with_code(picture, frame) for frame, picture in enumerate(drawn))
    encoding = Encoding(codec="mpeg4", options={"q:v": "3"}) if path.suffix == ".avi" else Encoding(
        options={"preset": "ultrafast", "crf": "20", "threads": "1"})  # fmt: skip
    write_video(path, pictures, [frame / rate for frame in range(frames)], rate=Fraction(rate), encoding=encoding)
    return frames


def _guessed(truth: Moments, world: PlantedWorld) -> Moments:
    """What a fair model would find: true moments with other borders, and as many that are none."""
    rng = np.random.default_rng(3)
    ends = {example.video_id: _duration(example) for example in world.examples}
    rows = []
    for moment in truth:
        start, end = sorted(np.asarray([moment.start_seconds, moment.end_seconds]) + rng.normal(0, 0.25, 2))
        rows.append((moment.video_id, max(0.0, start), end, moment.concept, rng.uniform(1.5, 6.0)))
        other = float(rng.uniform(0, ends[moment.video_id] - 3.0))
        rows.append(
            (moment.video_id, other, other + rng.uniform(0.6, 2.5), str(rng.choice(CONCEPTS)), rng.uniform(0.2, 3))
        )
    spans = np.round([[row[1], min(row[2], ends[row[0]])] for row in rows], 2)
    classes = truth.vocabulary.encode(row[3] for row in rows)
    return Moments.build([row[0] for row in rows], spans, classes, truth.vocabulary,
                         scores=np.round([row[4] for row in rows], 3))  # fmt: skip
