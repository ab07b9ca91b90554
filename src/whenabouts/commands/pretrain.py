"""`whenabouts pretrain`: train a backbone on the project's own video labels, or take a saved one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Device, Json, Overrides, ProjectFolder, Recipe, Seed

if TYPE_CHECKING:
    from whenabouts.data.manifest import Manifest
    from whenabouts.data.project import Project
    from whenabouts.recognition.backbone import Backbone
    from whenabouts.recognition.backbone_settings import BackboneSettings

Modality = Annotated[
    Literal["rgb", "flow"], typer.Option("--modality", help="What the backbone sees: pictures, or motion.")
]
Start = Annotated[
    Literal["rgb", "random"] | None,
    typer.Option(
        "--start",
        help="Where a backbone of motion begins: at models/backbone, whose shape it takes, or at random.",
        show_default="rgb where there is one",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", help="A backbone's folder or model.safetensors: no training.", show_default=False),
]
Workers = Annotated[int, typer.Option("--workers", help="Videos decoded, and batches drawn, at a time.", min=1)]


def pretrain(
    project: ProjectFolder = Path(),
    modality: Modality = "rgb",
    start: Start = None,
    recipe: Recipe = None,
    overrides: Overrides = None,
    weights: Weights = None,
    workers: Workers = 2,
    device: Device = "auto",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train a backbone on the videos' labels, so that its features tell the concepts apart.

    Reads the manifest and the vocabulary, writes models/backbone, or models/backbone-flow with --modality flow. Killed,
    it goes on from its last checkpoint. Motion needs OpenCV: pip install 'whenabouts[flow]'.
    """
    from whenabouts.config import load
    from whenabouts.data.project import Project
    from whenabouts.recognition.clip_draws import PretrainSettings
    from whenabouts.recognition.pretraining import Run, labelled_videos, pretrain_to
    from whenabouts.training.devices import choose_compute

    terminal = Terminal(as_json=as_json)
    home = Project.open(project)
    manifest, folder = home.manifest(), home.backbone_of(modality)
    begun = _start(home, modality, "random" if weights is not None else start)
    shape, told = _settings(recipe, overrides, modality, begun, trained=weights is None)
    if weights is not None:
        backbone = _taken(weights, shape, manifest)
        backbone.save(folder, card={"weights": weights.name})
        terminal.result(f"Wrote {folder}: {backbone.source}.", {"folder": str(folder), "source": backbone.source})
        return
    if modality == "flow":
        terminal.say(
            "Motion begins at random." if begun is None else f"Motion begins with the weights of {begun.source}."
        )
    plan = load(PretrainSettings, told, "[pretrain]")
    vocabulary, compute = home.vocabulary(), choose_compute(device, plan.precision)
    run = Run(home.cache_folder, compute, seed=seed, workers=workers, progress=terminal, start=begun)
    trained = pretrain_to(folder, labelled_videos(manifest, vocabulary), vocabulary, shape, plan, run)
    terminal.result(f"Wrote {folder}: {trained.told()}", {"folder": str(folder), **trained.to_json()})


def _start(home: "Project", modality: str, start: str | None) -> "Backbone | None":
    """The backbone of pictures from which one of motion begins; None where it begins at random."""
    from whenabouts.core.errors import SettingsError
    from whenabouts.recognition.backbone import Backbone

    if modality == "rgb":
        if start == "rgb":
            raise SettingsError("--start rgb is for --modality flow: a backbone of pictures begins at random.")
        return None
    if start == "random" or (start is None and "rgb" not in home.backbones()):
        return None
    return Backbone.load(home.backbone_folder)


def _settings(
    recipe: Path | None, overrides: list[str] | None, modality: str, start: "Backbone | None", *, trained: bool
) -> tuple["BackboneSettings", dict[str, Any]]:
    """Settings of the backbone, those that `start` has where nothing else is said, and the table [pretrain]."""
    from whenabouts.config import as_table, load, tables
    from whenabouts.core.errors import SettingsError
    from whenabouts.recognition.backbone_settings import BackboneSettings

    own = ("input", "flow", "height", "width")
    below = {} if start is None else as_table(start.settings)
    told = tables(
        recipe,
        overrides,
        sections=("backbone", "pretrain") if trained else ("backbone",),
        below={"backbone": {name: value for name, value in below.items() if name not in own}},
        above={"backbone": {"input": "flow"}} if modality == "flow" else {},
    )
    table = dict(told["backbone"])
    if modality == "rgb" and "flow" in table:  # One recipe serves both streams; a word for this run alone must count.
        if any(override.strip().startswith("backbone.flow") for override in overrides or ()):
            raise SettingsError("--set backbone.flow changes nothing for pictures. Add --modality flow.")
        del table["flow"]
    shape = load(BackboneSettings, table, "[backbone]")
    if shape.modality != modality:
        raise SettingsError(f"backbone.input {shape.input!r} is of --modality {shape.modality}, not {modality}.")
    return shape, told.get("pretrain", {})


def _taken(weights: Path, shape: "BackboneSettings", manifest: "Manifest") -> "Backbone":
    """A backbone from elsewhere, its box that of the training videos where its settings do not say."""
    from whenabouts.core.errors import SettingsError
    from whenabouts.recognition.backbone import saved_backbone
    from whenabouts.recognition.pretraining import median_aspect

    boxed = shape.boxed(median_aspect([entry.video for entry in manifest.of_split("train") if entry.usable]))
    backbone = saved_backbone(weights, boxed)
    if backbone.settings.modality != shape.modality:
        raise SettingsError(f"{weights} is a backbone for --modality {backbone.settings.modality}.")
    return backbone
