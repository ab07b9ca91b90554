"""A row of the paper's tables from features: train, find and evaluate by a recipe, over several seeds.

    python benchmarks/recipe_row.py --recipe recipes/winners-out-thumos14-ours-a.toml --project DIR --seeds 0 1 2 3 4

DIR is a project with features, labels and truth.json, as `whenabouts import features ... --annotations ...` makes it.
Each finished seed is kept in DIR/rows/RECIPE, and not computed again while recipe, features, labels and truth are the
same; a killed training goes on. Mean and spread beside the paper's row: DIR/rows/RECIPE.md and .json.
"""

import argparse
import hashlib
import json
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whenabouts import __version__
from whenabouts.config import as_table, load, tables
from whenabouts.core.errors import ProjectError
from whenabouts.core.files import checksum, read_json, remove_folder, write_json, write_text
from whenabouts.core.moments import Moments
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Examples
from whenabouts.data.project import Project
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.reading import read_predictions, read_truth
from whenabouts.evaluation.tables import Predictions
from whenabouts.localizers import chosen_localizer, load_localizer, localizer_named
from whenabouts.localizers.finding import find_moments

THUMOS, ANET = (0.1, 0.2, 0.3, 0.4, 0.5), (0.5, 0.75, 0.95)


@dataclass(frozen=True)
class PaperRow:
    """What the paper prints, in percent, and where."""

    table: str
    name: str
    subset: str
    tiou: tuple[float, ...]
    map: tuple[float, ...]


ROWS = {
    "winners-out-thumos14-ours-a": PaperRow("II, THUMOS14", "Ours-A (I3D-400-Kinetics)", "test", THUMOS,
                                            (51.3, 43.1, 34.1, 26.3, 18.0)),
    "winners-out-thumos14-ours-b": PaperRow("II, THUMOS14", "Ours-B (2D-400-Kinetics)", "test", THUMOS,
                                            (54.5, 45.0, 35.1, 25.2, 17.0)),
    "winners-out-thumos14-ours-c": PaperRow("II, THUMOS14", "Ours-C (2D-800-Kinetics)", "test", THUMOS,
                                            (57.6, 48.9, 38.9, 29.3, 20.5)),
    "winners-out-thumos14-ours-d": PaperRow("II, THUMOS14", "Ours-D (2D-400-ImageNet)", "test", THUMOS,
                                            (49.5, 42.1, 32.0, 22.5, 15.4)),
    "winners-out-activitynet13-ours-a": PaperRow("I, ActivityNet 1.3", "Ours-A (I3D-400-Kinetics)", "validation",
                                                 ANET, (27.2, 17.5, 4.8)),
    "winners-out-activitynet13-ours-b": PaperRow("I, ActivityNet 1.3", "Ours-B (2D-400-Kinetics)", "validation",
                                                 ANET, (27.0, 15.7, 4.0)),
    "winners-out-activitynet13-ours-c": PaperRow("I, ActivityNet 1.3", "Ours-C (2D-200-Kinetics)", "validation",
                                                 ANET, (29.8, 17.6, 4.7)),
}  # fmt: skip


class Speaking:
    """Progress as lines."""

    def track(self, items, *, total, title):
        """Say the title, once."""
        self.say(title)
        return iter(items)

    def say(self, text):
        """One line."""
        print(text, flush=True)


@dataclass(frozen=True)
class Work:
    """A recipe on a project: all that its seeds share."""

    project: Project
    recipe: Path
    row: PaperRow
    settings: object
    changed: tuple[str, ...]
    localizer: str
    modalities: tuple[str, ...]
    device: str

    @property
    def folder(self) -> Path:
        """Where seeds are kept."""
        return self.project.folder / "rows" / self.recipe.stem

    def asked(self) -> dict:
        """What a result depends on, seed aside: another answer makes it stale."""
        store = self.project.features()
        settings = json.dumps(as_table(self.settings), sort_keys=True)
        return {
            "settings": hashlib.sha256(settings.encode()).hexdigest()[:16],
            "localizer": self.localizer,
            "manifest": checksum(self.project.manifest_path),
            "vocabulary": checksum(self.project.vocabulary_path),
            "truth": checksum(self.project.truth_path),
            "features": {name: store.source(name) for name in self.modalities},
            "written_ns": store.newest_ns,
            "version": __version__,
        }


def seed_result(work: Work, seed: int, progress) -> dict:
    """One seed's figures: kept ones where they are of the same work, else trained, found and measured now."""
    folder, asked = work.folder / f"seed-{seed}", work.asked()
    kept = kept_json(folder / "result.json")
    if kept.get("asked") == asked:
        progress.say(f"seed {seed}: kept from before")
        return kept
    began = time.process_time()
    model = trained(work, seed, folder, asked, progress)
    entries = [entry for entry in work.project.manifest().of_split(work.row.subset) if entry.usable]
    found = find_moments(model, entries, work.project.features(), progress)
    write_json(folder / "moments.json", found.moments.to_json())
    truth = read_truth(work.project.truth_path, subset=work.row.subset)
    scores = evaluate_moments(truth, read_predictions(folder / "moments.json", truth), tiou=work.row.tiou)
    result = {
        "asked": asked, "seed": seed, "map": scores.map.tolist(), "moments": len(found.moments),
        "videos_trained": model.training["videos"], "videos_searched": found.videos,
        "left_out": {**model.training["left_out"], **found.left_out}, "cpu_seconds": time.process_time() - began,
    }  # fmt: skip
    write_json(folder / "result.json", result)
    progress.say(f"seed {seed}: " + ", ".join(f"{100 * value:.1f}" for value in result["map"]))
    return result


def trained(work: Work, seed: int, folder: Path, asked: dict, progress):
    """The model of one seed: of an earlier call that was killed after its training, else a new one."""
    if kept_json(folder / "model.json").get("asked") == asked:
        return load_localizer(folder / "model", device=work.device)
    project, store = work.project, work.project.features()
    if kept_json(folder / "begun.json").get("asked") != asked:
        remove_folder(folder / "checkpoints")  # of other work
        write_json(folder / "begun.json", {"asked": asked})
    entries = [entry for entry in project.manifest().of_split("train") if entry.usable]
    absent = project.vocabulary_settings().absent
    examples = Examples.of(entries, project.vocabulary(), store, work.modalities, absent, partial=True)
    model = localizer_named(work.localizer).fit(
        examples, work.settings, progress, vocabulary=project.vocabulary(), seed=seed, device=work.device,
        checkpoints=folder / "checkpoints",
    )  # fmt: skip
    model.save(folder / "model")
    write_json(folder / "model.json", {"asked": asked})
    remove_folder(folder / "checkpoints")
    return model


def kept_json(path: Path) -> dict:
    return read_json(path) if path.is_file() else {}


def whole_videos(work: Work) -> list[float]:
    """The trivial oracle: each true label of a video, told, as one moment from its beginning to its end."""
    truth = read_truth(work.project.truth_path, subset=work.row.subset)
    manifest, rows = (
        work.project.manifest(),
        sorted(set(zip(truth.videos.tolist(), truth.classes.tolist(), strict=True))),
    )
    ids = [truth.video_ids[video] for video, _ in rows]
    ends = [manifest.by_id(name).video.duration_seconds for name in ids]
    ends = [end or truth.spans[truth.videos == video].max() for end, (video, _) in zip(ends, rows, strict=True)]
    moments = Moments.build(ids, [[0.0, end] for end in ends], [c for _, c in rows], Vocabulary(truth.labels))
    return evaluate_moments(truth, Predictions.of(moments, truth), tiou=work.row.tiou).map.tolist()


def summed(work: Work, results: list[dict]) -> dict:
    maps = np.asarray([result["map"] for result in results])
    spread = maps.std(axis=0, ddof=1).tolist() if len(maps) > 1 else None
    truth = read_truth(work.project.truth_path, subset=work.row.subset)
    return {
        "recipe": work.recipe.name, "changed": list(work.changed), "localizer": work.localizer,
        "table": work.row.table, "row": work.row.name, "tiou": work.row.tiou, "paper": work.row.map,
        "protocol": "activitynet", "ground_truth": truth.name, "instances": len(truth),
        "features": work.asked()["features"], "mean": (100 * maps.mean(axis=0)).tolist(),
        "spread": None if spread is None else [100 * value for value in spread],
        "whole_videos": [100 * value for value in whole_videos(work)],
        "seeds": [{name: value for name, value in result.items() if name != "asked"} for result in results],
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "device": work.device,
                    "load": [round(value, 2) for value in os.getloadavg()]},
    }  # fmt: skip


def page(values: dict) -> str:
    """The row as Markdown."""

    def line(name, numbers, digits=1):
        return f"| {name} | " + " | ".join(f"{number:.{digits}f}" for number in numbers) + " |"

    seeds = values["seeds"]
    sources = "; ".join(f"{name}: {source}" for name, source in values["features"].items())
    changed = f" Changed by hand, so that this is not the recipe's row: {', '.join(values['changed'])}."
    lines = [
        f"# Table {values['table']}: {values['row']}",
        "",
        f"mAP (%) by the protocol `{values['protocol']}` on {values['ground_truth'] or 'an unnamed ground truth'}; "
        f"{values['localizer']} by `{values['recipe']}`; {sources}.{changed if values['changed'] else ''}",
        "",
        "| | " + " | ".join(f"{level:g}" for level in values["tiou"]) + " |",
        "|---" * (len(values["tiou"]) + 1) + "|",
        line("the paper", values["paper"]),
        line(f"here, mean of {len(seeds)} seeds", values["mean"]),
        *([line("standard deviation over seeds", values["spread"], 2)] if values["spread"] else []),
        line("trivial: the whole video for each true label, told", values["whole_videos"]),
        *(line(f"seed {row['seed']}", [100 * value for value in row["map"]]) for row in seeds),
        "",
        f"Trained on {seeds[0]['videos_trained']} videos, searched {seeds[0]['videos_searched']}; left out: "
        f"{seeds[0]['left_out'] or 'none'}. CPU seconds a seed: "
        f"{np.median([row['cpu_seconds'] for row in seeds]):.0f} (median). Machine: {values['machine']}.",
    ]
    return "\n".join(lines) + "\n"


def read_work(options) -> Work:
    recipe = options.recipe
    if recipe.stem not in ROWS:
        raise ProjectError(f"{recipe.name} is no row of the paper. Known: {', '.join(sorted(ROWS))}.")
    project = Project.open(options.project)
    if not project.truth_path.is_file():
        raise ProjectError(f"There is no {project.truth_path}. Import the data set: whenabouts import thumos14 ...")
    told = tables(recipe, options.set, sections=("train",))["train"]
    localizer, told = chosen_localizer(options.localizer, told)
    settings = load(localizer_named(localizer).Settings, told, f"{recipe} [train]")
    modalities = tuple(options.modality or project.features().modalities())
    if not modalities:
        raise ProjectError(f"{project.folder} has no features. Run `whenabouts import features` first.")
    return Work(project, recipe, ROWS[recipe.stem], settings, tuple(options.set), localizer, modalities,
                options.device)  # fmt: skip


def main(words=None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--localizer", help="which one (default: as the recipe says)")
    parser.add_argument("--modality", action="append", help="which features; again for more (default: all there are)")
    parser.add_argument(
        "--set", action="append", default=[], help="change the recipe: train.key=value; the page says so"
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="a path without ending (default: DIR/rows/RECIPE)")
    options = parser.parse_args(words)
    work, progress = read_work(options), Speaking()
    results = [seed_result(work, seed, progress) for seed in options.seeds]
    values, out = summed(work, results), options.out or work.folder
    write_json(out.with_name(out.name + ".json"), values)
    write_text(out.with_name(out.name + ".md"), page(values))
    print(page(values))
    return values


if __name__ == "__main__":
    main()
