"""`whenabouts pretrain`: train a backbone on the project's own video labels, or take a saved one."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import (
    Architecture,
    Device,
    Json,
    On,
    Overrides,
    Processes,
    ProjectFolder,
    Recipe,
    Seed,
    SpreadOver,
    TrainingWorkers,
)

if TYPE_CHECKING:
    from whenabouts.core.progress import Progress
    from whenabouts.data.project import Project
    from whenabouts.recognition.backbone import Backbone, Shape

Modality = Annotated[
    Literal["rgb", "flow", "sound"],
    typer.Option("--modality", help="What the backbone takes: pictures, motion, or sound."),
]
Start = Annotated[
    str | None,
    typer.Option(
        "--start",
        help="Where training begins: `random`; for motion `rgb`, the weights of models/backbone; else a published name "
        "(`extract --backbone list`), a saved folder, or a publisher's file.",
        show_default="random, for motion rgb where there is one",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", help="A backbone's folder or model.safetensors: no training.", show_default=False),
]

Patience = Annotated[
    float,
    typer.Option(
        "--patience", help="Of several processes: seconds after which a silent process counts as lost.", min=1
    ),
]
CacheGb = Annotated[
    float | None,
    typer.Option(
        "--cache-gb",
        help="Gigabytes of small frames to keep at most; clips of other videos are decoded whenever they are drawn.",
        min=0,
        show_default="no bound",
    ),
]


def pretrain(
    project: ProjectFolder = Path(),
    modality: Modality = "rgb",
    start: Start = None,
    architecture: Architecture = None,
    spread: SpreadOver = "mean",
    recipe: Recipe = None,
    overrides: Overrides = None,
    weights: Weights = None,
    workers: TrainingWorkers = 2,
    cache_gb: CacheGb = None,
    patience: Patience = 600.0,
    on: On = "local",
    processes: Processes = None,
    device: Device = "auto",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train a backbone on the videos' labels, so that its features tell the concepts apart.

    Reads the manifest and the vocabulary, writes models/backbone, or models/backbone-flow or -sound with --modality.
    Killed, it goes on from its last checkpoint. Under torchrun several processes train together. Motion needs OpenCV:
    pip install 'whenabouts[flow]'.

    --on a cluster needs Ray (pip install 'whenabouts[cluster]'), and the project, the videos and the recipe under the
    same paths on all nodes: there --processes train together, as under torchrun and to the same weights. Where one is
    lost, all go on from the last checkpoint: see docs/scale.md.
    """
    from whenabouts.core.errors import SettingsError
    from whenabouts.scale.cluster import check_place
    from whenabouts.training.processes import launched

    terminal = Terminal(as_json=as_json)
    asked = _Asked(project, modality, start, architecture, spread, recipe, overrides, workers, cache_gb, patience,
                   device, seed)  # fmt: skip
    if check_place(on):
        if weights is not None or launched():
            raise SettingsError("--on is for training: leave out --weights, and start it once, without torchrun.")
        terminal.result(*_on_cluster(on, processes, asked, terminal))
        return
    if processes is not None:
        raise SettingsError("--processes is for --on a cluster; on one machine start several with torchrun.")
    if weights is None:
        outcome = _trained(asked, terminal)
        if outcome is not None:
            terminal.result(*outcome)
        return
    if launched():
        raise SettingsError("--weights takes a backbone without training: start it once, without torchrun.")
    terminal.result(*_taken(asked, weights, terminal))


@dataclasses.dataclass(frozen=True)
class _Asked:
    """What a training was asked for."""

    project: Path
    modality: Literal["rgb", "flow", "sound"]
    start: str | None
    architecture: str | None
    spread: Literal["mean", "centre"]
    recipe: Path | None
    overrides: list[str] | None
    workers: int
    cache_gb: float | None
    patience: float
    device: str
    seed: int

    def home(self) -> "Project":
        """The project."""
        from whenabouts.data.project import Project

        return Project.open(self.project)

    def anywhere(self) -> "_Asked":
        """The same, from whatever folder it is begun."""
        start = self.start if self.start is None or not Path(self.start).exists() else str(Path(self.start).resolve())
        recipe = None if self.recipe is None else self.recipe.resolve()
        return dataclasses.replace(self, project=self.project.resolve(), recipe=recipe, start=start)


_Outcome = tuple[str, dict[str, Any]]


def _on_cluster(on: str, processes: int | None, asked: _Asked, terminal: Terminal) -> _Outcome:
    from whenabouts.scale.cluster import connected, wants_gpu
    from whenabouts.scale.processes import run_together, size_of

    with connected(on) as ray:
        gpu = wants_gpu(ray, asked.device)
        size = size_of(ray, processes, gpu=gpu)
        outcome = run_together(ray, _trained, asked.anywhere(), size=size, gpu=gpu, progress=terminal)
    return cast(_Outcome, outcome)  # The first process has one.


def _trained(asked: _Asked, progress: "Progress") -> _Outcome | None:
    """Train, in this process or with the others of its launch; what the first of them tells in the end."""
    from whenabouts.config import load
    from whenabouts.core.progress import Silent
    from whenabouts.recognition.labelled_videos import labelled_videos
    from whenabouts.recognition.pretrain_settings import PretrainSettings
    from whenabouts.recognition.pretraining import Run, pretrain_to
    from whenabouts.training.devices import choose_device, compute_on
    from whenabouts.training.processes import joined

    home, modality, chosen = asked.home(), asked.modality, choose_device(asked.device)
    with joined(chosen, patience_seconds=asked.patience) as world:
        speaking = progress if world.first else Silent()
        begun = _start(home, modality, asked.start, asked.architecture, speaking)
        shape, told = _settings(asked.recipe, asked.overrides, modality, begun, trained=True)
        if begun is not None or modality == "flow":
            speaking.say("It begins at random." if begun is None else f"It begins with the weights of {begun.source}.")
        plan = load(PretrainSettings, told, "[pretrain]")
        compute = compute_on(chosen, plan.precision, plan.compile)
        logs = home.logs_of(modality)
        run = Run(home.cache_folder, compute, asked.seed, asked.workers, speaking, begun, asked.spread, world, logs)
        if asked.cache_gb is not None:
            run = dataclasses.replace(run, room_bytes=asked.cache_gb * 1e9)
        vocabulary, folder = home.vocabulary(), home.backbone_of(modality)
        trained = pretrain_to(folder, labelled_videos(home.manifest(), vocabulary), vocabulary, shape, plan, run)
        if not world.first:
            return None
        return f"Wrote {folder}: {trained.told()}", {"folder": str(folder), **trained.to_json()}


def _start(
    home: "Project", modality: str, start: str | None, architecture: str | None, progress: "Progress"
) -> "Backbone | None":
    """The backbone from which training begins; None where it begins at random."""
    from whenabouts.core.errors import SettingsError
    from whenabouts.recognition.backbone import Backbone
    from whenabouts.recognition.taking import trainable_backbone

    if start == "random" or (start is None and (modality != "flow" or "rgb" not in home.backbones())):
        if architecture is not None:
            raise SettingsError("--architecture says of which net the file at --start is. Add --start FILE.")
        return None
    if start is None or start == "rgb":
        if modality != "flow":
            raise SettingsError("--start rgb is for --modality flow: others begin at random, or with what you name.")
        return Backbone.load(home.backbone_folder)
    return trainable_backbone(start, architecture=architecture, say=progress.say)


def _settings(
    recipe: Path | None, overrides: list[str] | None, modality: str, start: "Backbone | None", *, trained: bool
) -> tuple["Shape", dict[str, Any]]:
    """Settings of the backbone, those that `start` has where nothing else is said, and the table [pretrain]."""
    from whenabouts.config import load, tables
    from whenabouts.core.errors import SettingsError
    from whenabouts.recognition.backbone_settings import BackboneSettings
    from whenabouts.recognition.first_weights import settings_from
    from whenabouts.recognition.sound_settings import SoundSettings

    section = "sound" if modality == "sound" else "backbone"
    sections = (section, "pretrain") if trained else (section,)
    said = tables(recipe, overrides, sections=sections)
    below = {} if start is None else settings_from(start, modality, name=said[section].get("name"))
    above = {"backbone": {"input": "flow"}} if modality == "flow" else {}
    told = tables(recipe, overrides, sections=sections, below={section: below}, above=above)
    table = dict(told[section])
    if modality == "sound":
        return load(SoundSettings, table, "[sound]"), told.get("pretrain", {})
    if modality == "rgb" and "flow" in table:  # One recipe serves both streams; a word for this run alone must count.
        if any(override.strip().startswith("backbone.flow") for override in overrides or ()):
            raise SettingsError("--set backbone.flow changes nothing for pictures. Add --modality flow.")
        del table["flow"]
    shape = load(BackboneSettings, table, "[backbone]")
    if shape.modality != modality:
        raise SettingsError(f"backbone.input {shape.input!r} is of --modality {shape.modality}, not {modality}.")
    return shape, told.get("pretrain", {})


def _taken(asked: _Asked, weights: Path, terminal: Terminal) -> _Outcome:
    """Take a backbone from elsewhere, its box that of the training videos where its settings do not say."""
    from whenabouts.core.errors import SettingsError
    from whenabouts.recognition.backbone import backbone_at
    from whenabouts.recognition.pretraining import median_aspect
    from whenabouts.recognition.sound_settings import SoundSettings

    home = asked.home()
    _start(home, asked.modality, "random", asked.architecture, terminal)
    shape, _ = _settings(asked.recipe, asked.overrides, asked.modality, None, trained=False)
    if not isinstance(shape, SoundSettings):
        videos = [entry.video for entry in home.manifest().of_split("train") if entry.usable]
        shape = shape.boxed(median_aspect(videos))
    backbone = backbone_at(weights, shape)
    if backbone.settings.modality != shape.modality:
        raise SettingsError(f"{weights} is a backbone for --modality {backbone.settings.modality}.")
    folder = home.backbone_of(asked.modality)
    backbone.save(folder, card={"weights": weights.name})
    return f"Wrote {folder}: {backbone.source}.", {"folder": str(folder), "source": backbone.source}
