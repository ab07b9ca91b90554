"""Real clips of actions put one after the other, without background: does a localizer beat knowing where cuts are?

    python benchmarks/concatenated_clips.py FOLDER --out benchmarks/results

FOLDER holds jhmdb_pose.npz and labels.csv: joints of people in real clips. A video is nine clips of three actions, no
two of the same action side by side; its labels are the three actions. Clips of a split's training half make the videos
to learn from, those of its test half the others. What is found: each clip. The control is told the cuts and nothing
else, and asks the same model about each shot. Draws and splits are paired: each draw is made in each of the three
splits. Writes concatenated_clips.json and .md.
"""

import argparse
import csv
import itertools
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np

from provenance import write_result
from whenabouts.core.features import FeatureSequence
from whenabouts.core.labels import SegmentLabels, VideoLabels
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Silent
from whenabouts.core.timing import TimeGrid
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Example
from whenabouts.data.worlds.timeline_world import WorldPart
from whenabouts.localizers import WinnersOut
from whenabouts.localizers.decoding import likely_classes, uniform_windows, whole_video
from winners_out_figures import Measure, estimates
from winners_out_words import told
from yoga_rivals import by_session, by_shot, part_of, shots_of

FRAMES, RATE = 4, 25.0
SPLITS = (1, 2, 3)
ACTIONS, TIMES = 3, 3
CONTROL, OURS = "cuts are told, each shot as a video", "winners-out"


@dataclass(frozen=True)
class Clips:
    """Steps of every clip: features (T, D), its action, and whether it is of the training half."""

    steps: tuple[np.ndarray, ...]
    actions: np.ndarray
    train: np.ndarray
    names: tuple[str, ...]


def read_clips(folder: Path, split: int) -> Clips:
    """Mean pose, mean motion and spread of every four frames of each clip."""
    with np.load(folder / "jhmdb_pose.npz") as file:
        pose, offsets, actions, names = file["pose"], file["offsets"], file["label"], file["classes"]
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as table:
        train = np.array([row[f"split{split}"] == "train" for row in csv.DictReader(table)])
    clips = [pose[first:stop].reshape(stop - first, -1) for first, stop in itertools.pairwise(offsets)]
    return Clips(tuple(steps_of(clip) for clip in clips), actions, train, tuple(names.tolist()))


def steps_of(frames: np.ndarray) -> np.ndarray:
    """Frames (N, J) -> steps (N // 4, 3 J); what is left over in the end is not used."""
    motion = np.gradient(frames, axis=0) * RATE / 10
    count = len(frames) // FRAMES * FRAMES
    parts, moving = (each[:count].reshape(-1, FRAMES, frames.shape[1]) for each in (frames, motion))
    return np.concatenate([parts.mean(axis=1), moving.mean(axis=1), parts.std(axis=1)], axis=1)


def videos_of(clips: Clips, train: bool, count: int, rng: np.random.Generator) -> tuple[WorldPart, list[list[float]]]:
    """Videos of nine clips with their truth, and the cuts of each."""
    vocabulary, hop = Vocabulary(clips.names), FRAMES / RATE
    examples, truths, cuts = [], [], []
    for number in range(count):
        name = f"{'train' if train else 'test'}-{number:04d}"
        chosen = rng.choice(len(clips.names), ACTIONS, replace=False)
        order = _order(chosen, rng)
        rows = [rng.choice(np.flatnonzero((clips.actions == action) & (clips.train == train))) for action in order]
        values = np.concatenate([clips.steps[row] for row in rows]).astype(np.float32)
        edges = np.concatenate([[0], np.cumsum([len(clips.steps[row]) for row in rows])]) * hop
        grid = TimeGrid.of_length(float(edges[-1]), hop)
        sequence = FeatureSequence(name, values, grid, "pose", "joints")
        examples.append(Example(name, {"pose": sequence}, VideoLabels.of(sorted(chosen.tolist())),
                                SegmentLabels.empty()))  # fmt: skip
        spans = np.stack([edges[:-1], edges[1:]], axis=1)
        truths.append(Moments.build([name] * len(order), spans, order, vocabulary, kind="truth"))
        cuts.append(edges[1:-1].tolist())
    truth = Moments.concatenate(truths, vocabulary)
    return WorldPart(tuple(examples), truth, np.zeros(len(truth), bool)), cuts


def _order(actions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each action three times, no two of one side by side."""
    while True:
        order = rng.permutation(np.repeat(actions, TIMES))
        if (order[1:] != order[:-1]).all():
            return order


def measured(clips: Clips, seed: int, count: int) -> dict[str, Any]:
    """Figures of every method on one draw of videos, and how many test clips are named rightly as videos."""
    train, _ = videos_of(clips, True, count, np.random.default_rng([seed, 1]))
    test, cuts = videos_of(clips, False, count, np.random.default_rng([seed, 2]))
    settings = WinnersOut.Settings(segment_seconds=FRAMES / RATE)
    model = WinnersOut.fit(train.examples, settings, Silent(), vocabulary=Vocabulary(clips.names), seed=seed)
    found: dict[str, list[Moments]] = {}
    for example, row in zip(test.examples, cuts, strict=True):
        for name, moments in found_in(model, example, row).items():
            found.setdefault(name, []).append(moments)
    measure = Measure(test, seed)
    figures = {name: measure.figures(Moments.concatenate(parts, model.vocabulary)) for name, parts in found.items()}
    return {"uses": figures, "clips_right": named_rightly(model, test)}


def found_in(model: WinnersOut, example: Example, cuts: list[float]) -> dict[str, Moments]:
    """What each method finds in one video."""
    sequence = example.features["pose"]
    scores = model.score(example.features)
    classes = likely_classes(scores.video_scores, threshold=model.settings.class_threshold, top=1)
    shots = shots_of(cuts, sequence.grid.duration_seconds)
    return {
        OURS: model.localize(example.features),
        CONTROL: by_shot(model, sequence, shots),
        "cuts are told, the video's scores": by_session(model, scores, shots),
        "uniform windows, a ninth of the video": uniform_windows(
            scores, window_seconds=sequence.grid.duration_seconds / (ACTIONS * TIMES), classes=classes
        ),
        "whole video": whole_video(scores, classes=classes),
    }


def named_rightly(model: WinnersOut, part: WorldPart) -> float:
    """Share of clips whose most probable action, as videos of their own, is the true one."""
    sequences = {example.video_id: example.features["pose"] for example in part.examples}
    right = []
    for name, span, action in zip(part.truth.video_ids.tolist(), part.truth.spans, part.truth.classes, strict=True):
        clip = part_of(sequences[name], span)
        if clip is not None:
            right.append(int(model.score({"pose": clip}).video_scores.argmax()) == action)
    return float(np.mean(right))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--videos", type=int, default=80, help="in each half")
    options = parser.parse_args()
    cells = {}
    for split in SPLITS:
        clips = read_clips(options.folder, split)
        for seed in range(
            options.seeds
        ):  # One number for a draw of one split: `estimates` draws these with replacement.
            cells[100 * split + seed] = measured(clips, seed, options.videos)
    uses = {
        name: {seed: cell["uses"][name] for seed, cell in cells.items()} for name in next(iter(cells.values()))["uses"]
    }
    right = [round(cell["clips_right"], 4) for cell in cells.values()]
    rows = {name: [each.to_json() for each in estimates(row)] for name, row in uses.items()}
    leads = {name: estimates(uses[OURS], row)[0].to_json() for name, row in uses.items() if name != OURS}
    values = {"videos": options.videos, "splits": list(SPLITS), "draws": options.seeds, "clips_right": right,
              "actions": len(clips.names), "rows": rows, "lead_of_winners_out": leads,
              "by_split": {str(split): by_split(uses, split) for split in SPLITS}}  # fmt: skip
    write_result(options.out, "concatenated_clips", values, page(values))


def by_split(uses: dict[str, dict[int, Any]], split: int) -> dict[str, float]:
    """Average mAP of every method over the draws of one split."""
    return {
        name: round(float(np.mean([np.mean(cell["map"]) for key, cell in row.items() if key // 100 == split])), 5)
        for name, row in uses.items()
    }


def page(values: dict[str, Any]) -> str:
    """The page; its verdict comes from the paired difference."""
    low, high = (100 * each for each in values["lead_of_winners_out"][CONTROL][1:])
    verdict = (
        "finds more than the cuts and the same model's own word for each shot"
        if low > 0
        else "does not find what the cuts and the same model's own word for each shot do"
        if high < 0
        else "can't be told apart from the cuts with the same model's own word for each shot"
    )
    lines = [
        "# Clips one after the other, without background\n",
        "Made by `python benchmarks/concatenated_clips.py FOLDER --out benchmarks/results` from joints of 609 real "
        f"clips of {values['actions']} actions (JHMDB). {values['videos']} videos of nine clips of three actions to "
        f"learn from and as many of other clips to test on, {values['draws']} draws in each of the data set's "
        f"{len(values['splits'])} splits (which share clips: intervals are somewhat narrow); winners-out as it is "
        "set by default, segments of 0.16 s. mAP in percent by ActivityNet's protocol, 95 % intervals over draws and "
        "videos.\n",
        "| method | mAP 0.1:0.7 | mAP@0.5 | lead of winners-out | mAP by split |",
        "|---|---|---|---|---|",
    ]
    for name, (average, half) in values["rows"].items():
        lead = values["lead_of_winners_out"].get(name)
        apart = ", ".join(f"{100 * each[name]:.1f}" for each in values["by_split"].values())
        lead_told = told(lead, sign=True) if lead else ""
        lines.append(f"| {name} | {told(average)} | {told(half)} | {lead_told} | {apart} |")
    share = 100 * float(np.mean(values["clips_right"]))
    lines += [
        "",
        f"As videos of their own, {share:.0f} % of the test clips get the right action "
        f"({100 / values['actions']:.0f} % by chance). Without background to tell actions from, winners-out {verdict}. "
        "A data set of joined clips thus measures classification and cuts, and little of when things happen: read "
        "figures on such data beside a control that knows the cuts.\n",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
