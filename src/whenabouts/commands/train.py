"""`whenabouts train`: from features and labels of whole videos to a localizer."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Device, Json, On, Overrides, Processes, ProjectFolder, Recipe, Seed

if TYPE_CHECKING:
    from whenabouts.core.progress import Progress
    from whenabouts.core.vocabulary import Vocabulary
    from whenabouts.data.examples import Examples
    from whenabouts.data.feature_store import FeatureStore
    from whenabouts.data.manifest import Entry
    from whenabouts.data.project import Project
    from whenabouts.localizers import Localizer
    from whenabouts.localizers.choosing import Choice
    from whenabouts.localizers.reviewing.lessons import ReviewedLessons

Name = Annotated[
    str | None,
    typer.Option(
        "--localizer",
        help="winners-out, multiple-instance, activities, two-stage or cross-class-relevance.",
        show_default="train.localizer, else multiple-instance, or what wins on checked segments",
    ),
]
Modalities = Annotated[
    list[str] | None,
    typer.Option("--modality", help="Which features to read; again for more.", show_default="all there are"),
]
WithReviews = Annotated[
    bool,
    typer.Option(
        "--with-reviews",
        help="Learn from decisions too, and measure before and after on the videos held out from them.",
    ),
]
TruthFile = Annotated[
    Path | None,
    typer.Option(
        "--truth", help="With --with-reviews: ActivityNet JSON to measure by.", show_default="truth.json, if any"
    ),
]
EvenIfWorse = Annotated[
    bool,
    typer.Option(
        "--even-if-worse",
        help="With --with-reviews: take the new model even where it is worse on the videos held out.",
    ),
]


def train(
    localizer: Name = None,
    modality: Modalities = None,
    project: ProjectFolder = Path(),
    recipe: Recipe = None,
    overrides: Overrides = None,
    with_reviews: WithReviews = False,
    truth: TruthFile = None,
    even_if_worse: EvenIfWorse = False,
    on: On = "local",
    processes: Processes = None,
    device: Device = "auto",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Learn when things happen from labels that only say what.

    Reads the manifest, the vocabulary and the features of the training videos, writes models/localizer. Of the
    localizers, two-stage and cross-class-relevance learn from rated segments and chapters too. Where there are any, and
    neither a localizer nor settings are given, both and multiple-instance are tried on a hold-out by video, and the
    best one is trained on all videos; the hold-out also tells what its scores mean (`find --precision`), and
    reports/choice.json keeps what each has reached. Settings stand in [train], where `localizer` may name one as well.
    Killed, it goes on from its last checkpoint, to the same result. One training at a time.

    --with-reviews takes what was decided in `whenabouts serve` as rated segments, leaves out the videos that were held
    out before, and tells what it has brought on those (reports/learning.json). A model that is worse there than
    the one that stands there is not taken, unless --even-if-worse. Concepts that were saved from examples join the
    vocabulary. Where too little was decided to choose a localizer by, the kind that stands there is kept.

    --on a cluster needs Ray (pip install 'whenabouts[cluster]'), and the project and the recipe under the same paths on
    all nodes: one worker trains, and goes on from its last checkpoint elsewhere where it is lost; boosted trees are
    trained by --processes together, and are nearly those of one: see docs/scale.md.
    """
    from whenabouts.core.errors import SettingsError
    from whenabouts.scale.cluster import check_place

    terminal = Terminal(as_json=as_json)
    if (truth is not None or even_if_worse) and not with_reviews:
        which = "--truth" if truth is not None else "--even-if-worse"
        raise SettingsError(f"{which} is for --with-reviews: other trainings measure nothing.")
    asked = _Asked(localizer, modality, project, recipe, overrides, with_reviews, truth, even_if_worse, device, seed)
    if check_place(on):
        terminal.result(*_on_cluster(on, processes, asked, terminal))
        return
    if processes is not None:
        raise SettingsError("--processes is for --on a cluster: one machine trains in one process.")
    terminal.result(*_trained(asked, terminal))


@dataclass(frozen=True)
class _Asked:
    """What a training was asked for; `processes` boost trees together."""

    localizer: str | None
    modality: list[str] | None
    project: Path
    recipe: Path | None
    overrides: list[str] | None
    with_reviews: bool
    truth: Path | None
    even_if_worse: bool
    device: str
    seed: int
    processes: int = 1


_Outcome = tuple[str, dict[str, Any]]


def _on_cluster(on: str, processes: int | None, asked: _Asked, terminal: Terminal) -> _Outcome:
    from whenabouts.scale.cluster import connected, wants_gpu
    from whenabouts.scale.processes import run_together, size_of

    paths = {"project": asked.project, "recipe": asked.recipe, "truth": asked.truth}
    resolved: dict[str, Any] = {name: None if path is None else path.resolve() for name, path in paths.items()}
    with connected(on) as ray:
        asked = replace(asked, processes=size_of(ray, processes, gpu=False), **resolved)
        gpu = wants_gpu(ray, asked.device)
        return run_together(ray, _trained_there, asked, size=1, cpus=None, gpu=gpu, progress=terminal)


def _trained_there(asked: _Asked, progress: "Progress") -> _Outcome:
    """Train within a worker, who asks others to boost trees with: while they do, it only waits."""
    from whenabouts.localizers.concepts.boosting import boosted_by
    from whenabouts.scale.boosting import boosting_within

    with boosted_by(boosting_within(asked.processes, progress)):
        return _trained(asked, progress)


def _trained(asked: _Asked, progress: "Progress") -> _Outcome:
    """Train, and save what it was worth; what to tell in the end."""
    from whenabouts.core.files import remove_folder, sweep
    from whenabouts.core.locks import claimed
    from whenabouts.data.project import Project
    from whenabouts.localizers import LOCALIZERS
    from whenabouts.localizers.reviewing.lessons import told_change

    localizer, settings, free = _told(asked)
    home = Project.open(asked.project)
    matter = _matter(asked, home, progress)
    examples, vocabulary, lessons = matter.examples, matter.vocabulary, matter.lessons
    cache, choice, learning = home.cache_folder / "train", None, None
    with claimed(cache, "a training"):
        if free and any(part.present.any() for part in examples.segments):
            choice, settings = _chosen(asked, home, matter, cache / "trials", progress)
            localizer = choice.name
        unfinished = cache / localizer
        trained = LOCALIZERS[localizer].fit(
            examples, settings, progress, vocabulary=vocabulary, seed=asked.seed, device=asked.device,
            checkpoints=unfinished,
        )  # fmt: skip
        if lessons is not None:
            learning = lessons.report(home, trained, progress, even_if_worse=asked.even_if_worse)
        taken = learning is None or learning["kept"] == "new"
        if taken:
            _take(home, trained, choice, matter)
        for done in (unfinished, cache / "trials"):
            remove_folder(done)
        sweep(cache)
    facts = {"videos": trained.training["videos"], "left_out": trained.training["left_out"]}
    if learning is not None:
        facts |= {"learning": learning}
        progress.say(told_change(learning))
    folder, made = home.localizer_folder, f"{localizer} for {len(vocabulary)} concepts, from {facts['videos']} videos."
    return (
        f"Wrote {folder}: {made}" if taken else f"Kept {folder} as it was. Not taken, being worse: {made}",
        {"folder": str(folder), "localizer": localizer, "concepts": len(vocabulary),
         "modalities": list(matter.modalities), "without_features": len(examples.missing),
         "trials": {} if choice is None else {trial.name: trial.map for trial in choice.trials}, **facts},
    )  # fmt: skip


def _told(asked: _Asked) -> tuple[str, Any, bool]:
    """The localizer that is asked for and its settings, else the default; and whether another one may be chosen."""
    from whenabouts.config import load, tables
    from whenabouts.localizers import LOCALIZERS, chosen_localizer
    from whenabouts.localizers.reviewing.lessons import told_for_reviews

    table = tables(asked.recipe, asked.overrides, sections=("train",))["train"]
    localizer, told = chosen_localizer(asked.localizer, table)
    if asked.with_reviews:
        told = told_for_reviews(localizer, told)
    return localizer, load(LOCALIZERS[localizer].Settings, told, "[train]"), asked.localizer is None and not table


@dataclass(frozen=True)
class _Matter:
    """What to learn from: `entries` are the usable training videos of the manifest, `lessons` what reviews add."""

    entries: "list[Entry]"
    examples: "Examples"
    vocabulary: "Vocabulary"
    modalities: tuple[str, ...]
    lessons: "ReviewedLessons | None"


def _matter(asked: _Asked, home: "Project", progress: "Progress") -> _Matter:
    """Gather it, and say what is broken or missing."""
    from whenabouts.data.examples import Examples
    from whenabouts.localizers.reviewing.lessons import ReviewedLessons

    store, vocabulary = home.features(), home.vocabulary()
    modalities = _modalities(store, asked.modality)
    entries = learned = [entry for entry in home.manifest().of_split("train") if entry.usable]
    lessons = ReviewedLessons.of(home, progress, truth=asked.truth) if asked.with_reviews else None
    if lessons is not None:
        learned, vocabulary = list(lessons.entries), lessons.vocabulary
    absent = home.vocabulary_settings().absent
    examples = Examples.of(learned, vocabulary, store, modalities, absent, partial=True)
    for reason in store.broken.values():
        progress.say(reason)
    if examples.missing:
        progress.say(f"{len(examples.missing)} training videos have no features yet: run `whenabouts extract`.")
    return _Matter(entries, examples, vocabulary, modalities, lessons)


def _chosen(
    asked: _Asked, home: "Project", matter: _Matter, checkpoints: Path, progress: "Progress"
) -> tuple["Choice", Any]:
    """Try localizers on checked segments: what was chosen, and its settings."""
    from whenabouts.localizers import LOCALIZERS
    from whenabouts.localizers.choosing import choose_localizer
    from whenabouts.localizers.reviewing.lessons import rivals_for_reviews

    rivals = rivals_for_reviews(home) if asked.with_reviews else None
    examples = matter.examples
    choice = choose_localizer(
        examples, examples.segments, progress, vocabulary=matter.vocabulary, seed=asked.seed, device=asked.device,
        checkpoints=checkpoints, rivals=rivals, labels=examples.labels, video_ids=examples.video_ids,
    )  # fmt: skip
    progress.say(f"Chose {choice.name}: {choice.why}. It now learns from all videos.")
    return choice, LOCALIZERS[choice.name].Settings() if rivals is None else rivals[choice.name]


def _take(home: "Project", trained: "Localizer", choice: "Choice | None", matter: _Matter) -> None:
    """Make it the project's localizer, with what its scores mean and which videos it was told of."""
    from whenabouts.data.freshness import Lessons
    from whenabouts.localizers.calibration import save_calibration
    from whenabouts.localizers.choosing import save_choice

    if matter.vocabulary.names != home.vocabulary().names:
        home.write_vocabulary(matter.vocabulary, home.vocabulary_settings())
    trained.save(home.localizer_folder)
    save_calibration(home, None if choice is None else choice.calibration)
    save_choice(home, choice)
    lacking = set(matter.examples.missing)
    Lessons.of(home, [entry for entry in matter.entries if entry.id not in lacking]).save(home)


def _modalities(store: "FeatureStore", asked: list[str] | None) -> tuple[str, ...]:
    """The features to read, all where none are asked for; ProjectError for those that are not there."""
    from whenabouts.core.errors import ProjectError

    modalities = tuple(asked or store.modalities())
    if not modalities:
        raise ProjectError(f"{store.folder} holds no features. Run `whenabouts extract` first.")
    unknown = [name for name in modalities if name not in store.modalities()]
    if unknown:
        raise ProjectError(
            f"There are no {unknown[0]!r} features. Choose --modality from: {', '.join(store.modalities())}."
        )
    return modalities
