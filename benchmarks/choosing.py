"""Does plain `train` choose well, what does its choice cost, and does `find --precision` keep what it promises?

    python benchmarks/choosing.py --speech ../shared/data/fsdd       writes benchmarks/results/choosing.{json,md}

Two worlds whose training videos have checked segments, with every setting at its default. "speech": 160 streams of
spoken digits, 76 concepts, 10 rated segments of 5 s a concept. "timelines": 120 videos with the moments of THUMOS14, 20
concepts, chapters in every third. In each, `choose_localizer` tries its rivals on a hold-out by video, as `train` does.
Then every rival, not the chosen one alone, learns from all training videos and is judged by the checked segments of
test videos, of which nothing has been looked at before: is the chosen one the best there, too? The chosen one's moments
in test videos are cut at an expected precision of 0.5, 0.8 and 0.9 by the calibration of the hold-out, and those that
checked segments judge are counted. Cells that are there already are not made again.
"""

import argparse
import os
import platform
import time
from pathlib import Path

import numpy as np

from provenance import made_now, write_result
from whenabouts.core.errors import InvalidData
from whenabouts.core.files import read_json
from whenabouts.core.labels import SegmentLabels
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Silent
from whenabouts.data.worlds.speech import speech_world
from whenabouts.data.worlds.speech_sound import read_recordings
from whenabouts.data.worlds.speech_streams import SpeechSettings
from whenabouts.data.worlds.timeline_world import timeline_world
from whenabouts.data.worlds.timelines import TimelineShape
from whenabouts.localizers import LOCALIZERS
from whenabouts.localizers.calibration import Ratings, likely, right_moments
from whenabouts.localizers.checked import Checked, precision_of
from whenabouts.localizers.choosing import RIVALS, choose_localizer

ASKED = (0.5, 0.8, 0.9)


def speech(seed: int, recordings: Path):
    """Training and test examples, and the vocabulary."""
    shape = SpeechSettings(
        train_streams=160, test_streams=60, ratings=10, rated_streams=0.6, test_ratings=30, seed=seed
    )
    world = speech_world(read_recordings(recordings), shape)
    return list(world.train.examples), list(world.test.examples), world.vocabulary


def timelines(seed: int, recordings: Path):
    """The same; chapters name every true moment of every third training video, and of every test video."""
    world = timeline_world("thumos14", train=120, test=40, seed=seed, timelines=TimelineShape(classes=20))
    parts = []
    for part, every in ((world.train, 3), (world.test, 1)):
        kept = []
        for number, example in enumerate(part.examples):
            own = part.truth[part.truth.video_ids == example.video_id]
            chapters = SegmentLabels((example.video_id,) * len(own), own.spans, own.classes, np.ones(len(own), bool))
            segments = chapters if number % every == 0 else SegmentLabels.empty()
            kept.append(type(example)(example.video_id, example.features, example.labels, segments))
        parts.append(kept)
    return parts[0], parts[1], world.vocabulary


WORLDS = {"speech": speech, "timelines": timelines}


def cell(name: str, seed: int, recordings: Path) -> dict:
    """What was chosen in one world, what each rival reaches on its test videos, and how precise moments are."""
    train, test, vocabulary = WORLDS[name](seed, recordings)
    begun = time.process_time()
    choice = choose_localizer(train, [each.segments for each in train], Silent(), vocabulary=vocabulary, seed=seed,
                              labels=[each.labels for each in train])  # fmt: skip
    spent = time.process_time() - begun
    checked = Checked.of([each.segments for each in test], len(vocabulary))
    if not len(checked.judged):
        checked = checked.with_labels({each.video_id: each.labels for each in test})
    reached, cost, precise = {}, {}, []
    for rival in RIVALS:
        begun = time.process_time()
        kind = LOCALIZERS[rival]
        trained = kind.fit(train, kind.Settings(), Silent(), vocabulary=vocabulary, seed=seed)
        cost[rival] = time.process_time() - begun
        found = Moments.concatenate([moments(trained, each) for each in test], vocabulary)
        reached[rival] = precision_of(found, checked)
        if rival == choice.name and choice.calibration is not None:
            precise = [kept(found, choice.calibration, asked, checked) for asked in ASKED]
    held = {trial.name: trial.map for trial in choice.trials}
    return {"world": name, "seed": seed, "chosen": choice.name, "why": choice.why, "held_out": held, "test": reached,
            "cpu_seconds_choosing": spent, "cpu_seconds_training": cost, "precision": precise,
            "concepts": len(checked.judged), "load": os.getloadavg()[0]}  # fmt: skip


def moments(localizer, example) -> Moments:
    try:
        return localizer.localize(example.features)
    except InvalidData:
        return Moments.empty(localizer.vocabulary)


def kept(found: Moments, calibration, asked: float, checked: Checked) -> dict:
    """How many moments an expected precision keeps, how many of them are judged, and which share of these is right."""
    chosen = found[likely(found, calibration, asked)]
    places, classes = np.nonzero(checked.shown >= 0)
    names = np.asarray(checked.video_ids, np.str_)[places]
    rated = Ratings(names, checked.spans[places], classes, checked.shown[places, classes] == 1)
    rows, right = right_moments(chosen.video_ids, chosen.spans, chosen.classes, rated)
    return {"asked": asked, "moments": len(chosen), "judged": len(rows),
            "right": float(right.mean()) if len(rows) else None}  # fmt: skip


def page(values: dict) -> str:
    lines = [
        "# What plain `train` chooses on checked segments, and what that costs",
        "",
        f"Written by `{values['command']}`, which tells how. MAP of the moments that a localizer finds, by checked "
        "segments: of held-out training videos, by which it is chosen, and of test videos. All settings are at their "
        "defaults.",
        "",
        "| world, seed | rival | MAP on the hold-out | MAP on test videos | CPU s of a training on all |",
        "|---|---|---|---|---|",
    ]
    for row in values["cells"]:
        for rival in RIVALS:
            mark = " **chosen**" if rival == row["chosen"] else ""
            lines.append(
                f"| {row['world']}, {row['seed']} | {rival}{mark} | {row['held_out'].get(rival, float('nan')):.3f} | "
                f"{row['test'][rival]:.3f} | {row['cpu_seconds_training'][rival]:.0f} |"
            )
    best = sum(max(row["test"], key=row["test"].get) == row["chosen"] for row in values["cells"])
    lost = [max(row["test"].values()) - row["test"][row["chosen"]] for row in values["cells"]]
    spent = ", ".join(f"{row['cpu_seconds_choosing']:.0f} ({row['world']}, {row['seed']})" for row in values["cells"])
    lines += [
        "",
        f"The chosen one is the best on test videos in {best} of {len(lost)} cells; where not, it costs "
        f"{max(lost):.3f} at most. Choosing takes, beside the last training, CPU seconds: {spent}.",
        "",
        "What `find --precision` keeps in test videos, by the calibration of the hold-out:",
        "",
        "| world, seed | asked | moments kept | of these judged | of these right |",
        "|---|---|---|---|---|",
    ]
    for row in values["cells"]:
        for each in row["precision"]:
            right = "-" if each["right"] is None else f"{each['right']:.2f}"
            lines.append(f"| {row['world']}, {row['seed']} | {each['asked']} | {each['moments']} | {each['judged']} | "
                         f"{right} |")  # fmt: skip
    loads = ", ".join(f"{row['load']:.1f}" for row in values["cells"])
    lines += ["", *values["reading"], "", f"Machine: {values['machine']}; load after each cell: {loads}.", ""]
    return "\n".join(lines)


READING = [
    "Checked segments judge a moment by the one that it overlaps most, so that those judged are few and near what "
    "somebody looked at. Two worlds and few seeds: an example, not a law.",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, required=True, help="the folder of spoken digits")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", choices=list(WORLDS), help="make no other world's cells now")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    stored = options.out / "choosing.json"
    cells = read_json(stored)["cells"] if stored.is_file() else []
    for seed in range(options.seeds):
        for name in WORLDS:
            there = any((each["world"], each["seed"]) == (name, seed) for each in cells)
            if there or (options.only and name != options.only):
                continue
            cells.append({**cell(name, seed, options.speech), "made": made_now()})
            values = {
                "command": f"python benchmarks/choosing.py --speech DIR --seeds {options.seeds}",
                "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
                "reading": READING,
                "cells": sorted(cells, key=lambda each: (each["world"], each["seed"])),
            }
            write_result(options.out, "choosing", values, page(values), cells=cells)
            print(cells[-1])


if __name__ == "__main__":
    main()
