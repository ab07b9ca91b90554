"""How the models in the tables of relevance came to their settings: three trials of each training, on seed 100.

    python benchmarks/relevance_tuning.py FSDD --out benchmarks/results      relevance_tuning.json and .md

Seed 100 is in no table. Of each training one number is tried at three values, on a world as large as the tables' and
with 80 ratings a class; the value in use gives way to one that is clearly better on the test streams of that world.
Every trial is a JSON file in --work and is not made again. With --report no trial is made.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

from provenance import made_now
from relevance_bounds import UNRATED, by_localizer
from relevance_cells import LINEAR, Taught, paper_words, papers, taught_of, tuned
from relevance_claims import PAPERS
from relevance_distilled import of_rate
from relevance_figures import Judge
from relevance_ground import (
    KINDS,
    OURS,
    PAPER,
    POOL,
    SHORT_RATES,
    TEST,
    TRAIN,
    TUNED,
    TUNED_RATES,
    VIDEO_RATES,
    Ground,
    Place,
    frames_of,
    ground_of,
    judge_of,
    labelled,
    net_of,
    on_few_frames,
    on_test,
    run_of,
    settings_hash,
    world_of,
)
from relevance_tuning_page import write_page
from whenabouts.core.files import read_json, write_json
from whenabouts.core.progress import Silent
from whenabouts.localizers.concepts.described import Account
from whenabouts.localizers.concepts.frames import FrameVideos
from whenabouts.localizers.concepts.model import ConceptModel
from whenabouts.localizers.concepts.networks import NetKind
from whenabouts.localizers.concepts.relevance import RelevanceSettings
from whenabouts.localizers.concepts.video_models import train_video_model

SEED, RATINGS = 100, 80
MODELS = {PAPERS: PAPER, "CCRL": OURS, "CCRL, linear": LINEAR}
LABEL_RATES = (2e-3, 5e-3, 1e-2)
RATING_RATES = (5e-4, 2e-3, 5e-3)
TREE_RATES = (0.05, 0.1, 0.2)
RIDGES = (1e-4, 1e-3, 1e-2)
LOCALIZER_RATES = (1e-3, 3e-3, 1e-2)


@dataclass(frozen=True)
class Training:
    """One training of the tables: what is tried, at which values, the one in use, and test scores (N, C) by a value."""

    knob: str
    values: tuple[float, ...]
    used: float
    scores: Callable[[float], Any]
    start: float | None = None
    """The rate at which the model learned labels before, where it did."""


class Bench:
    """Seed 100, and what its trainings share, each made when it is first asked for."""

    def __init__(self, place: Place) -> None:
        self.place, self.run = place, run_of(SEED)
        self.world = world_of(place, SEED, RATINGS)
        self.starts: dict[tuple[NetKind, float], ConceptModel] = {}

    @cached_property
    def ground(self) -> Ground:
        """Video models, and segment models before ratings, at the rates in use."""
        return ground_of(self.place, SEED)

    @cached_property
    def judge(self) -> Judge:
        """What trials are judged by."""
        return judge_of(self.place, SEED, RATINGS)

    @cached_property
    def videos(self) -> FrameVideos:
        """Training videos with their ratings."""
        return frames_of(self.place, SEED, RATINGS)

    @cached_property
    def heard(self) -> tuple[Taught, list[Account]]:
        """The ratings, and what a relevance model hears of them by video models."""
        lessons = taught_of(self.place, SEED, RATINGS)
        return lessons, lessons.accounts()

    def video(self, kind: NetKind, rate: float) -> Any:
        """Test scores (N, C) of a video model, on segments."""
        if rate == VIDEO_RATES[kind]:
            return self.ground.test.scores[f"video.{kind}"]
        model = train_video_model(self.videos, of_rate(kind, rate), self.run, vocabulary=self.world.vocabulary,
                                  chosen=labelled(self.place, SEED))  # fmt: skip
        return on_test(model, self.world)

    def before(self, kind: NetKind, rate: float) -> Any:
        """Test scores of a segment model that has learned labels alone."""
        if rate == SHORT_RATES[kind]:
            return self.ground.before[kind]
        return on_test(self._start(kind, rate), self.world)

    def after(self, kind: NetKind, rate: float) -> Any:
        """Test scores of a segment model that has learned ratings."""
        start = self._start(kind, SHORT_RATES[kind])
        return on_test(tuned(self.videos, start, TUNED, self.run, None, rate=rate), self.world)

    def unrated(self, name: str, rate: float) -> Any:
        """Test scores of a localizer without ratings."""
        localizer, how = UNRATED[name]
        made = localizer.fit(self.world.train.examples, replace(how, learning_rate=rate), Silent(),
                             vocabulary=self.world.vocabulary, seed=SEED)  # fmt: skip
        return by_localizer(made, self.world)

    def relevance(self, name: str, value: float) -> Any:
        """Test scores of a relevance model."""
        lessons, plain = self.heard
        accounts, test = (papers(plain), paper_words(self.ground.test)) if name == PAPERS else (plain, self.ground.test)
        return lessons.relevance(accounts, with_value(MODELS[name], value), self.world).scores(test)

    def _start(self, kind: NetKind, rate: float) -> ConceptModel:
        if rate == SHORT_RATES[kind]:
            return self.ground.short[kind]
        if (kind, rate) not in self.starts:
            part = labelled(self.place, SEED)
            self.starts[kind, rate] = on_few_frames(self.videos, net_of(kind), self.run, self.world, part, rate=rate)
        return self.starts[kind, rate]


def with_value(how: RelevanceSettings, value: float) -> RelevanceSettings:
    """The same with another rate of its trees, or another ridge of its linear model."""
    if how.model == "trees":
        return replace(how, trees=replace(how.trees, learning_rate=value))
    return replace(how, linear=replace(how.linear, ridge=value))


def trainings(bench: Any) -> dict[str, Training]:
    """Every training with settings of its own, by name; what varies a model has that model's settings."""
    found = {f"video.{kind}": Training("rate", LABEL_RATES, used, lambda rate, kind=kind: bench.video(kind, rate))
             for kind, used in VIDEO_RATES.items()}  # fmt: skip
    for kind in KINDS:
        found |= of_segments(bench, kind)
    for name, how in MODELS.items():
        trees = how.model == "trees"
        used = how.trees.learning_rate if trees else how.linear.ridge
        found[name] = Training("trees' rate" if trees else "ridge", TREE_RATES if trees else RIDGES, used,
                               lambda value, name=name: bench.relevance(name, value))  # fmt: skip
    for name, (_, how) in UNRATED.items():
        found[name] = Training("rate", LOCALIZER_RATES, how.learning_rate,
                               lambda rate, name=name: bench.unrated(name, rate))  # fmt: skip
    return found


def of_segments(bench: Any, kind: NetKind) -> dict[str, Training]:
    """Both trainings of a segment model."""
    before, after = SHORT_RATES[kind], TUNED_RATES[kind]
    return {
        f"{kind}, labels": Training("rate", LABEL_RATES, before, lambda rate: bench.before(kind, rate)),
        f"{kind}, ratings": Training("rate", RATING_RATES, after, lambda rate: bench.after(kind, rate), before),
    }


def trial(bench: Bench, training: Training, value: float) -> dict[str, Any]:
    began = time.process_time()
    told = bench.judge.whole(training.scores(value))
    told |= {} if training.start is None else {"start": training.start}
    return {**told, "cpu": round(time.process_time() - began, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("relevance-work"))
    parser.add_argument("--report", action="store_true", help="make no trial")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no trial after so many")
    given = parser.parse_args()
    bench, began = Bench(Place(given.recordings, given.work, TRAIN, TEST, POOL)), time.monotonic()
    folder = given.work / "trials" / settings_hash(TRAIN, TEST, POOL)
    made: dict[str, Any] = {}
    found = trainings(bench)
    for name, training in found.items():
        for value in training.values:
            path = folder / f"{name} {value:g}.json"
            if not path.exists() and not given.report and time.monotonic() - began < 60 * given.minutes:
                write_json(path, {**trial(bench, training, value), "made": made_now()})
                sys.stderr.write(f"{name} {value:g}: load {os.getloadavg()[0]:.1f}\n")
            if path.exists():
                row = made.setdefault(name, {"knob": training.knob, "used": training.used, "trials": {}})
                row["trials"][f"{value:g}"] = read_json(path)
    host = {"cores": os.cpu_count(), "python": platform.python_version(), "load": round(os.getloadavg()[0], 1)}
    lacking = [name for name, each in found.items() if len(made.get(name, {"trials": ()})["trials"]) < len(each.values)]
    write_page(given.out, made, lacking, host)


if __name__ == "__main__":
    main()
