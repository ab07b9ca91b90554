"""What features of clips find of edited copies, beside hashes of frames, and what both find together.

    python benchmarks/near_copies_clips.py ../shared/data --out benchmarks/results --work WORK

The backbone is the project's own small one, pre-trained on the yoga takes of half of the persons by their poses; the
cosine and the share are chosen on a third of these takes and three edits, as the radius is (near_copies.py, which also
makes the edits). Figures are of a third of the takes of the other persons and of other real clips: neither backbone
nor thresholds have seen them. Clips of one second, one a second. What is finished in --work is not done again.
"""

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from near_copies import CHOSEN_ON, EDITS, MOST_ALARMS, SHARES, edited, sources
from provenance import write_result
from whenabouts.core.labels import VideoLabels
from whenabouts.core.progress import Silent
from whenabouts.core.timing import FloatArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.copies import hashed
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.data.near_copies import NearCopy, NearCopySettings, copies_by_clips, copies_by_frames
from whenabouts.media.probe import probe
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.backbone_settings import BackboneSettings
from whenabouts.recognition.extraction import ExtractSettings, extract
from whenabouts.recognition.extraction_report import ExtractionReport
from whenabouts.recognition.labelled_videos import LabelledVideo
from whenabouts.recognition.pretrain_settings import PretrainSettings
from whenabouts.recognition.pretraining import Run, pretrain
from whenabouts.training.devices import choose_compute

SHAPE = BackboneSettings(height=48, width=64, frames=8, rate=8.0)
PLAN = PretrainSettings(steps=200, batch=16)
COSINES = (0.8, 0.9, 0.95, 0.97, 0.98, 0.99)
WAYS = ("frames", "clips", "either")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path, help="the folder that holds yoga6/ and clips/")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--work", type=Path, required=True, help="where edited videos, the backbone and features are")
    parser.add_argument("--every", type=int, default=3, help="of the takes only each so-many-th is compared")
    given = parser.parse_args()
    begun = time.process_time()
    tuning, others, clips = sources(given.shared)
    looks = Looks(backbone_of(tuning, given.work), given.work)
    how, grid = chosen(tuning[:: given.every], looks)
    rows = [
        measured("yoga takes of other persons", others[:: given.every], how, looks),
        measured("other real clips", clips, how, looks),
    ]
    told = {"load": os.getloadavg()[0], "cpu_seconds": time.process_time() - begun, "grid": grid, "rows": rows,
            "cosine": how.cosine, "share": how.share, "backbone": looks.backbone.source,
            "chosen_on": {"videos": len(tuning[:: given.every]), "edits": CHOSEN_ON}}  # fmt: skip
    write_result(given.out, "near_copies_clips", told, page(told))
    print(page(told))


def backbone_of(paths: Sequence[Path], work: Path) -> Backbone:
    """The small backbone, pre-trained on takes by the poses in their names, or as it was trained before."""
    folder = work / "backbone"
    if not folder.exists():
        poses = [path.stem.split("_", 2)[2] for path in paths]
        names = tuple(sorted(set(poses)))
        videos = [
            LabelledVideo(probe(path), VideoLabels.of([names.index(pose)]))
            for path, pose in zip(paths, poses, strict=True)
        ]
        run = Run(work / "cache", choose_compute("cpu"))
        pretrain(videos, Vocabulary(names), SHAPE, PLAN, run).backbone.save(folder)
    return Backbone.load(folder)


class Looks:
    """Hashes and features of videos, of one edit (or "original") at a time, kept below a folder."""

    def __init__(self, backbone: Backbone, work: Path) -> None:
        self.backbone, self.work = backbone, work
        self._known: dict[tuple[str, tuple[Path, ...]], tuple[Any, Any]] = {}

    def of(self, paths: Sequence[Path], edit: str) -> tuple[list[Any], dict[str, FloatArray]]:
        """Hashed videos, and features (T, D) by id: an id says which original a video is of."""
        key = (edit, tuple(paths))
        if key not in self._known:
            files = paths if edit == "original" else [edited(path, edit, self.work) for path in paths]
            entries = [
                Entry(probe(file, video_id=f"{path.suffix[1:]} {path.stem}"))
                for file, path in zip(files, paths, strict=True)
            ]
            self._known[key] = self._made(entries, self.work / "looks" / edit.replace(" ", "-").replace("%", ""))
        return self._known[key]

    def _made(self, entries: Sequence[Entry], folder: Path) -> tuple[Any, Any]:
        store = FeatureStore(folder / "features")
        extract(entries, self.backbone, ExtractSettings(hop_seconds=1.0, audio=False, storage="float32"), store=store,
                report=ExtractionReport(folder / "report.json"), compute=choose_compute("cpu"),
                progress=Silent())  # fmt: skip
        ids = {entry.id for entry in entries}
        values = {name: store.read(name, "rgb").values for name in store.video_ids("rgb") if name in ids}
        return list(hashed(entries, NearCopySettings(), Silent(), cache=folder)), values


def pairs(
    ours: tuple[Any, Any], theirs: tuple[Any, Any], how: NearCopySettings, *, within: bool = False
) -> dict[str, set[tuple[str, str]]]:
    """Pairs (source, target) that each way finds; features are centred on the target's mean, as `check` does it."""
    mean = np.concatenate(list(theirs[1].values())).mean(axis=0)
    centred = [{name: rows - mean for name, rows in table.items()} for table in (ours[1], theirs[1])]
    by_clips = copies_by_clips(centred[0], centred[1], how)
    frames = NearCopySettings()  # The frames' own thresholds, from near_copies.py.
    by_frames = copies_by_frames(ours[0], None if within else theirs[0], frames)
    found = {"frames": _named(by_frames), "clips": _named(by_clips)}
    if within:
        found = {way: {pair for pair in own if pair[0] != pair[1]} for way, own in found.items()}
    return {**found, "either": found["frames"] | found["clips"]}


def _named(copies: Sequence[NearCopy]) -> set[tuple[str, str]]:
    return {(copy.source, copy.target) for copy in copies}


def recall(paths: Sequence[Path], edit: str, how: NearCopySettings, looks: Looks) -> dict[str, float]:
    """The share of the edited videos that are found as copies of their own original, in each way."""
    ids = [f"{path.suffix[1:]} {path.stem}" for path in paths]
    found = pairs(looks.of(paths, edit), looks.of(paths, "original"), how)
    return {way: float(np.mean([(name, name) in own for name in ids])) for way, own in found.items()}


def alarms(paths: Sequence[Path], how: NearCopySettings, looks: Looks) -> dict[str, float]:
    """The share of pairs of different videos that are taken for copies, in each way."""
    found = pairs(looks.of(paths, "original"), looks.of(paths, "original"), how, within=True)
    return {way: len(own) / max(1, len(paths) * (len(paths) - 1)) for way, own in found.items()}


def chosen(paths: Sequence[Path], looks: Looks) -> tuple[NearCopySettings, list[dict[str, Any]]]:
    """The lowest cosine, then the smallest share, at which at most one pair of takes in twenty is a false alarm.

    Where none keeps that, the highest of both.
    """
    grid = []
    for cosine, share in product(COSINES, SHARES):
        how = NearCopySettings(cosine=cosine, share=share)
        found = float(np.mean([recall(paths, edit, how, looks)["clips"] for edit in CHOSEN_ON]))
        grid.append({"cosine": cosine, "share": share, "recall": found, "alarms": alarms(paths, how, looks)["clips"]})
    good = [row for row in grid if row["alarms"] <= MOST_ALARMS]
    best = min(good, key=lambda row: (row["cosine"], row["share"])) if good else grid[-1]
    return NearCopySettings(cosine=best["cosine"], share=best["share"]), grid


def measured(name: str, paths: Sequence[Path], how: NearCopySettings, looks: Looks) -> dict[str, Any]:
    return {"name": name, "videos": len(paths), "recall": {edit: recall(paths, edit, how, looks) for edit in EDITS},
            "alarms": alarms(paths, how, looks)}  # fmt: skip


def page(told: Mapping[str, Any]) -> str:
    rows, columns = told["rows"], [(row, way) for row in told["rows"] for way in WAYS]
    lines = [
        "# Edited copies found by features of clips, beside hashes of frames",
        "",
        "`python benchmarks/near_copies_clips.py ../shared/data --out benchmarks/results --work WORK`",
        "",
        f"Clips of one second, one a second, by a small backbone ({told['backbone']}) that was pre-trained on the yoga",
        f"takes of other persons by their poses. Cosine {told['cosine']} and share {told['share']} were chosen on "
        f"{told['chosen_on']['videos']} of these takes with",
        f"three edits ({', '.join(CHOSEN_ON)}), marked *; thresholds of frames are those of near_copies.md. No",
        "video below had a part in any of it. "
        f"{told['cpu_seconds']:.0f} CPU s beside decoding in others, load {told['load']:.1f}.",
        "",
        "| recall of edit | " + " | ".join(f"{row['name']} ({row['videos']}), {way}" for row, way in columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for edit in EDITS:
        mark = " *" if edit in CHOSEN_ON else ""
        cells = " | ".join(f"{100 * row['recall'][edit][way]:.0f} %" for row, way in columns)
        lines.append(f"| {edit}{mark} | {cells} |")
    told_alarms = " | ".join(f"{100 * row['alarms'][way]:.1f} %" for row, way in columns)
    lines += [f"| false alarms: pairs of different videos | {told_alarms} |", ""]
    lines += ["On the tuning takes: recall and false alarms of clips alone, by cosine and share.", ""]
    lines += ["| cosine | " + " | ".join(f"share {share}" for share in SHARES) + " |", "|---|" + "---|" * len(SHARES)]
    for cosine in COSINES:
        own = [row for row in told["grid"] if row["cosine"] == cosine]
        cells = " | ".join(f"{100 * row['recall']:.0f} %, {100 * row['alarms']:.1f} %" for row in own)
        lines.append(f"| {cosine} | {cells} |")
    gains = {
        row["name"]: [edit for edit in EDITS if row["recall"][edit]["either"] > row["recall"][edit]["frames"]]
        for row in rows
    }
    said = "; ".join(f"{name}: {', '.join(edits) if edits else 'nothing'}" for name, edits in gains.items())
    return "\n".join([*lines, "", f"What clips add to frames: {said}.", ""])


if __name__ == "__main__":
    main()
