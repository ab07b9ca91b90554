"""`whenabouts finetune --head activities` and `whenabouts evaluate activities`: several labels a video."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Device, Json, Overrides, ProjectFolder, Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whenabouts.data.manifest import Entry
    from whenabouts.data.project import Project
    from whenabouts.recognition.activity_model import ActivityModel
    from whenabouts.recognition.activity_testing import Look
    from whenabouts.recognition.backbone import Backbone
    from whenabouts.recognition.backbone_settings import BackboneSettings
    from whenabouts.recognition.pretraining import Run

Split = Annotated[str, typer.Option("--split", help="The split whose videos are looked at.")]


def learn_activities(
    home: "Project",
    begun: "Backbone | ActivityModel | None",
    told: dict[str, dict[str, Any]],
    run: "Run",
    splits: list[str],
    terminal: Terminal,
) -> None:
    """Train a net for activities and test it; `told` are the tables [backbone] and [activities]."""
    from whenabouts.config import load
    from whenabouts.core.files import write_json
    from whenabouts.core.locks import claimed
    from whenabouts.data.box_files import boxes_path, read_boxes
    from whenabouts.recognition.activity_model import ActivitySettings
    from whenabouts.recognition.activity_report import forget, line
    from whenabouts.recognition.activity_testing import Look
    from whenabouts.recognition.activity_videos import clear_checkpoints, gather, train_activities

    how = load(ActivitySettings, told["activities"], "[activities]")
    entries, vocabulary = home.manifest().of_split("train"), home.vocabulary()
    start, shape = _start(begun, told["backbone"], entries, run)
    boxes = None
    if how.people != "none":
        boxes, problems = read_boxes(boxes_path(home.folder, "train"), vocabulary)
        if problems:
            terminal.say(f"{len(problems)} boxes of the training videos can't be used; the first: {problems[0]}")
    folder, absent = home.models_folder / "activities", home.vocabulary_settings().absent
    with claimed(run.cache, "a fine-tuning"):
        found = gather(entries, vocabulary, shape, how, run, store=home.features(), absent=absent, boxes=boxes)
        model = train_activities(found, vocabulary, start, how, run)
        forget(home)
        model.save(folder)
        look = Look(how.testing, home.features(), run.cache, run.compute, terminal, run.workers)
        report = {"training": dict(model.training), **_tests(home, model, splits, look)}
        write_json(home.reports_folder / "activities.json", report)
        clear_checkpoints(run)
    figures = "; ".join(line(split, one) for split, one in report["tests"].items())
    terminal.result(
        f"Wrote {folder}: {len(vocabulary)} activities from {model.training['videos']} videos. "
        f"{figures or 'No split was tested'}.{_not_used(report)}",
        {"folder": str(folder), **report},
    )


def _start(
    begun: "Backbone | ActivityModel | None", table: dict[str, Any], entries: "Sequence[Entry]", run: "Run"
) -> "tuple[Backbone | ActivityModel, BackboneSettings]":
    """What training begins with, and the shape of its backbone: all of a net for activities, else a new backbone."""
    import torch

    from whenabouts.config import load
    from whenabouts.recognition.activity_model import ActivityModel
    from whenabouts.recognition.backbone import Backbone
    from whenabouts.recognition.backbone_settings import BackboneSettings
    from whenabouts.recognition.first_weights import first_net
    from whenabouts.recognition.pretraining import median_aspect

    if isinstance(begun, ActivityModel):
        return begun, begun.shape
    shape = load(BackboneSettings, table, "[backbone]")
    shape = shape.boxed(median_aspect([entry.video for entry in entries if entry.usable]))
    torch.manual_seed(run.seed)  # What does not come from a start is drawn at random.
    return Backbone(shape, first_net(shape, begun, run.spread)), shape


def _tests(home: "Project", model: "ActivityModel", splits: list[str], look: "Look") -> dict[str, dict[str, Any]]:
    """What each split says of the net under "tests", and why others can't be tested under "untested"."""
    from whenabouts.core.errors import InvalidData, ProjectError
    from whenabouts.recognition.activity_report import tested

    tests, untested = {}, {}
    for split in splits:
        try:
            tests[split] = tested(home, model, split, look)
        except (InvalidData, ProjectError) as error:
            untested[split] = str(error)
            look.progress.say(f"{split}: {error}")
    return {"tests": tests, "untested": untested}


def _not_used(report: dict[str, Any]) -> str:
    """What to say of splits, videos and steps that came to nothing."""
    untested, training = report["untested"], report["training"]
    said = f" Could not be tested: {', '.join(untested)}." if untested else ""
    broken, lost = len(training["broken"]), training["steps_not_taken"]
    said += f" {broken} training videos are partial or unreadable." if broken else ""
    return said + (f" {lost} steps were not taken: their loss or gradient was not finite." if lost else "")


def activities(
    project: ProjectFolder = Path(),
    split: Split = "test",
    recipe: Recipe = None,
    overrides: Overrides = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Look at videos with models/activities and measure what it says: views as [activities] testing asks.

    Writes activities/SPLIT.csv, or boxes/SPLIT-judged.csv for a net that judges persons. Choose views with
    --set activities.testing.views=2+4+8, 2+4, 4 or centre; unless said, they are at the speeds that the net has learned
    at. With --set activities.testing.moments=25 what is said of 25 moments of each video is written to
    activities/SPLIT-moments.csv.
    """
    from whenabouts.config import as_table, load, merged, tables
    from whenabouts.core.errors import ProjectError
    from whenabouts.core.locks import claimed
    from whenabouts.data.activity_files import activities_path
    from whenabouts.data.box_files import boxes_path
    from whenabouts.data.project import Project
    from whenabouts.recognition.activity_model import ActivityModel, ViewSettings
    from whenabouts.recognition.activity_report import line, tested
    from whenabouts.recognition.activity_testing import Look
    from whenabouts.training.devices import choose_compute

    terminal = Terminal(as_json=as_json)
    home = Project.open(project)
    model = ActivityModel.load(home.models_folder / "activities")
    if split not in home.manifest().splits:
        raise ProjectError(f"There is no split {split!r}. There are: {', '.join(home.manifest().splits)}.")
    said = tables(recipe, overrides, sections=("activities",))["activities"].get("testing", {})
    how = load(ViewSettings, merged(as_table(model.settings.testing), said), "[activities.testing]")
    look = Look(how, home.features(), home.cache_folder / "finetune", choose_compute(device), terminal)
    with claimed(look.cache, "a fine-tuning"):  # It removes frames that another may be reading.
        told = tested(home, model, split, look)
    people = model.settings.people == "each"
    path = boxes_path(home.folder, split, "judged") if people else activities_path(home.folder, split)
    terminal.result(f"Wrote {path}: {line(split, told)}.", {"file": str(path), **told})
