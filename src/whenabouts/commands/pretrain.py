"""`whenabouts pretrain`: train a backbone on the project's own video labels, or take a saved one."""

from pathlib import Path
from typing import Annotated

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Device, Json, Overrides, ProjectFolder, Recipe, Seed

Weights = Annotated[
    Path | None,
    typer.Option("--weights", help="A backbone's folder or model.safetensors: no training.", show_default=False),
]
Workers = Annotated[int, typer.Option("--workers", help="Videos decoded, and batches drawn, at a time.", min=1)]


def pretrain(
    project: ProjectFolder = Path(),
    recipe: Recipe = None,
    overrides: Overrides = None,
    weights: Weights = None,
    workers: Workers = 2,
    device: Device = "auto",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train a backbone on the videos' labels, so that its features tell the concepts apart.

    Reads the manifest and the vocabulary, writes models/backbone. Killed, it goes on from its last checkpoint.
    """
    from whenabouts.config import load, tables
    from whenabouts.data.project import Project
    from whenabouts.recognition.backbone import BackboneSettings, saved_backbone
    from whenabouts.recognition.clip_draws import PretrainSettings
    from whenabouts.recognition.pretraining import Run, labelled_videos, median_aspect, pretrain_to
    from whenabouts.training.devices import choose_compute

    terminal = Terminal(as_json=as_json)
    home = Project.open(project)
    manifest, folder = home.manifest(), home.backbone_folder
    told = tables(recipe, overrides, sections=("backbone", "pretrain") if weights is None else ("backbone",))
    shape = load(BackboneSettings, told["backbone"], "[backbone]")
    if weights is not None:
        shape = shape.boxed(median_aspect([entry.video for entry in manifest.of_split("train") if entry.usable]))
        backbone = saved_backbone(weights, shape)
        backbone.save(folder, card={"weights": weights.name})
        terminal.result(f"Wrote {folder}: {backbone.source}.", {"folder": str(folder), "source": backbone.source})
        return
    plan = load(PretrainSettings, told["pretrain"], "[pretrain]")
    vocabulary, compute = home.vocabulary(), choose_compute(device, plan.precision)
    run = Run(home.cache_folder, compute, seed=seed, workers=workers, progress=terminal)
    trained = pretrain_to(folder, labelled_videos(manifest, vocabulary), vocabulary, shape, plan, run)
    terminal.result(f"Wrote {folder}: {trained.told()}", {"folder": str(folder), **trained.to_json()})
