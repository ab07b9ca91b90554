"""`whenabouts finetune`: from a backbone to a classifier of a target's labels, and its test."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import (
    Architecture,
    Device,
    Json,
    Overrides,
    ProjectFolder,
    Recipe,
    Seed,
    SpreadOver,
    TrainingWorkers,
)

if TYPE_CHECKING:
    from whenabouts.data.project import Project
    from whenabouts.recognition.backbone import Backbone
    from whenabouts.recognition.backbone_settings import BackboneSettings
    from whenabouts.recognition.finetune_settings import FinetuneSettings

Start = Annotated[
    str,
    typer.Option(
        "--start",
        help="Where it begins: a saved folder, a published name (`extract --backbone list`), a publisher's file, or "
        "`random`.",
        show_default="models/backbone",
    ),
]
Splits = Annotated[
    list[str] | None,
    typer.Option("--test-split", help="Test on this split; again for more.", show_default="all but train"),
]
HeadName = Annotated[
    Literal["classifier", "activities"],
    typer.Option("--head", help="A plain classifier, or a head for several activities at once."),
]


def finetune(
    project: ProjectFolder = Path(),
    head: HeadName = "classifier",
    start: Start = "",
    architecture: Architecture = None,
    spread: SpreadOver = "mean",
    test_split: Splits = None,
    recipe: Recipe = None,
    overrides: Overrides = None,
    workers: TrainingWorkers = 2,
    device: Device = "auto",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Learn the project's labels with a backbone that was trained before, and test how well they are named.

    Settings are tried on a tenth of the training videos that is held out, then all are learned with the best. Writes
    models/classifier, which is a backbone too (`extract --backbone`, `--start`), reports/finetune.json with all trials
    and test figures, and of each split reports/named-SPLIT.jsonl, and probabilities-SPLIT.json for all labels. Settings
    stand in [finetune] and, for the net and its clips, in [backbone]. Killed, it goes on from its last checkpoint.

    With --head activities a video may have several labels, which are learned together with what goes with what: see
    docs/multilabel.md. Settings stand in [activities]; it writes models/activities and reports/activities.json, and may
    go on from such a model (--start models/activities).
    """
    from whenabouts.core.errors import SettingsError
    from whenabouts.training.processes import launched

    if launched():
        raise SettingsError("Fine-tuning is the work of one process: start it once, without torchrun.")
    asked = _Asked(project, start, architecture, spread, test_split, recipe, overrides, workers, device, seed)
    terminal = Terminal(as_json=as_json)
    if head == "activities":
        _activities(asked, terminal)
    else:
        _classifier(asked, terminal)


@dataclass(frozen=True)
class _Asked:
    """What a fine-tuning was asked for."""

    project: Path
    start: str
    architecture: str | None
    spread: Literal["mean", "centre"]
    test_split: list[str] | None
    recipe: Path | None
    overrides: list[str] | None
    workers: int
    device: str
    seed: int


def _classifier(asked: _Asked, terminal: Terminal) -> None:
    """Learn a plain classifier, and name the examples of each split by it."""
    from whenabouts.core.files import write_json, write_text
    from whenabouts.core.locks import claimed
    from whenabouts.core.texts import file_name_of
    from whenabouts.data.named_files import named_path, write_named
    from whenabouts.data.project import Project
    from whenabouts.recognition.finetuning import broken_json, clear, finetune, named, target_of
    from whenabouts.recognition.pretraining import Run
    from whenabouts.training.devices import choose_compute

    home = Project.open(asked.project)
    begun = _start(home, asked.start, asked.architecture, terminal)
    shape, how = _settings(asked.recipe, asked.overrides, begun, home)
    vocabulary, manifest = home.vocabulary(), home.manifest()
    splits = _splits(home, asked.test_split)
    cache, compute = home.cache_folder / "finetune", choose_compute(asked.device, how.precision)
    run = Run(cache, compute, seed=asked.seed, workers=asked.workers, progress=terminal, start=begun,
              spread=asked.spread)  # fmt: skip
    folder = home.models_folder / "classifier"
    with claimed(cache, "a fine-tuning"):
        target = target_of(manifest.of_split("train"), vocabulary, shape, how, run)
        tuned = finetune(target, shape, how, run)
        tuned.save(folder, run)
        told: dict[str, Any] = {**tuned.to_json(), "broken": broken_json(target.broken), "tests": {}}
        told["without_frames"] = target.without_frames
        for split in splits:
            tested = named(target_of(manifest.of_split(split), vocabulary, shape, how, run), tuned.backbone, how, run)
            told["tests"][split] = tested.to_json()
            write_text(home.reports_folder / f"named-{file_name_of(split)}.jsonl", _lines(tested.rows()))
            write_named(named_path(home.reports_folder, split), vocabulary.names, tested.examples())
        write_json(home.reports_folder / "finetune.json", told)
        clear(cache)
    figures = "; ".join(_line(split, found) for split, found in told["tests"].items())
    broken = f" {len(told['broken'])} training videos are partial or unreadable." if told["broken"] else ""
    lost = told["steps_not_taken"]
    broken += f" {lost} steps were not taken: their loss or gradient was not finite." if lost else ""
    broken += f" {tuned.useless}" if tuned.useless else ""
    terminal.result(
        f"Wrote {folder}: {tuned.backbone.source}, {len(vocabulary)} labels from {tuned.examples} examples, "
        f"{_chosen(told['chosen'])}. {figures or 'No split to test on'}.{broken}",
        {"folder": str(folder), **told},
    )


def _activities(asked: _Asked, terminal: Terminal) -> None:
    """Learn several labels a video, from a backbone or from a net for activities."""
    from whenabouts.commands.finetune_activities import learn_activities
    from whenabouts.config import as_table, tables
    from whenabouts.data.project import Project
    from whenabouts.recognition.activity_model import ActivityModel
    from whenabouts.recognition.first_weights import settings_from
    from whenabouts.recognition.pretraining import Run
    from whenabouts.training.devices import choose_compute

    home, start = Project.open(asked.project), asked.start
    sections = ("backbone", "activities")
    said = tables(asked.recipe, asked.overrides, sections=sections)
    folder = home.folder / start if start and not Path(start).exists() else Path(start)
    begun: Backbone | ActivityModel | None
    if start and _is_for_activities(folder):
        begun = ActivityModel.load(folder)
        _check_same_backbone(begun.shape, said["backbone"], start)
        made = as_table(begun.settings)
        below = {"activities": {name: made[name] for name in ("head", "people", "box_side", "extras", "extra_vectors")}}
    else:
        begun = _start(home, start, asked.architecture, terminal)
        modality = "flow" if said["backbone"].get("input") == "flow" else "rgb"
        given = {} if begun is None else settings_from(begun, modality, name=said["backbone"].get("name"))
        below = {"backbone": given}
    told = tables(asked.recipe, asked.overrides, sections=sections, below=below)
    run = Run(home.cache_folder / "finetune", choose_compute(asked.device), seed=asked.seed, workers=asked.workers,
              progress=terminal, spread=asked.spread)  # fmt: skip
    learn_activities(home, begun, told, run, _splits(home, asked.test_split), terminal)


def _check_same_backbone(shape: "BackboneSettings", said: dict[str, Any], start: str) -> None:
    """Refuse a word in [backbone] that is not so in the net to go on from: its backbone and clips stay as they are."""
    from whenabouts.config import as_table, load
    from whenabouts.core.errors import SettingsError
    from whenabouts.recognition.backbone_settings import BackboneSettings

    has = as_table(shape)
    kinds = {name: said[name] for name in ("name", "input") if said.get(name, has[name]) != has[name]}
    # Settings of one kind of net do not go with another kind: of both the kind is told.
    asked = has | kinds if kinds else as_table(load(BackboneSettings, said, "[backbone]", base=shape))
    others = [name for name in has if has[name] != asked[name]]
    if others:
        name = others[0]
        raise SettingsError(
            f"[backbone] says {name} = {asked[name]!r}, but the net in {start} has {has[name]!r}, and goes on with its "
            f"own backbone and clips. Leave out backbone.{name}, or begin anew: --start with a backbone, or random."
        )


def _is_for_activities(folder: Path) -> bool:
    from whenabouts.core.errors import InvalidData
    from whenabouts.core.files import read_json

    try:
        return bool(read_json(folder / "card.json").get("kind") == "activities")
    except (OSError, InvalidData):
        return False


def _start(home: "Project", start: str, architecture: str | None, terminal: Terminal) -> "Backbone | None":
    """The backbone from which it begins; None where it begins at random."""
    from whenabouts.core.errors import ProjectError, SettingsError
    from whenabouts.recognition.taking import trainable_backbone

    if start == "random":
        if architecture is not None:
            raise SettingsError("--architecture says of which net the file at --start is. Add --start FILE.")
        terminal.say("It begins at random.")
        return None
    if not start and not home.backbone_folder.is_dir():
        raise ProjectError(
            f"There is no backbone in {home.backbone_folder}. Run `whenabouts pretrain` first, or name where to begin: "
            "--start random, a published name (`whenabouts extract --backbone list`), or a saved folder."
        )
    given = trainable_backbone(start or str(home.backbone_folder), architecture=architecture, say=terminal.say)
    if given.modality != "rgb":
        raise SettingsError(f"{given.source} is a net for {given.modality}; fine-tuning begins with one for pictures.")
    terminal.say(f"It begins with the weights of {given.source}.")
    return given


def _settings(
    recipe: Path | None, overrides: list[str] | None, start: "Backbone | None", home: "Project"
) -> "tuple[BackboneSettings, FinetuneSettings]":
    """Settings of the net, those that `start` has where nothing else is said, and the table [finetune]."""
    from whenabouts.config import load, tables
    from whenabouts.recognition.backbone_settings import BackboneSettings
    from whenabouts.recognition.finetune_settings import FinetuneSettings
    from whenabouts.recognition.first_weights import settings_from
    from whenabouts.recognition.pretraining import median_aspect

    sections = ("backbone", "finetune")
    said = tables(recipe, overrides, sections=sections)
    modality = "flow" if said["backbone"].get("input") == "flow" else "rgb"
    below = {} if start is None else settings_from(start, modality, name=said["backbone"].get("name"))
    told = tables(recipe, overrides, sections=sections, below={"backbone": below})
    shape = load(BackboneSettings, told["backbone"], "[backbone]")
    videos = [entry.video for entry in home.manifest().of_split("train") if entry.usable]
    return shape.boxed(median_aspect(videos)), load(FinetuneSettings, told["finetune"], "[finetune]")


def _splits(home: "Project", wanted: list[str] | None) -> list[str]:
    """The splits to test on; one that is asked for and is not there raises ProjectError."""
    from whenabouts.core.errors import ProjectError

    there = [split for split in home.manifest().splits if split != "train"]
    missing = [split for split in wanted or () if split not in (*there, "train")]
    if missing:
        raise ProjectError(f"There is no split {missing[0]!r} to test on. There are: {', '.join(there) or 'none'}.")
    return wanted or there


def _lines(rows: list[dict[str, Any]]) -> str:
    import json

    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _line(split: str, found: dict[str, Any]) -> str:
    if "top1" not in found:
        return f"{split}: {found['named']} examples named, none has a label"
    told = f"{split}: top-1 {found['top1']:.3f}, top-5 {found['top5']:.3f}"
    told += "" if found["map"] is None else f", mAP {found['map']:.3f}"
    return told + f" on {found['examples']} examples"


def _chosen(chosen: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in chosen.items())
