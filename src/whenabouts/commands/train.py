"""`whenabouts train`: from features and labels of whole videos to a localizer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Device, Json, Overrides, ProjectFolder, Recipe, Seed

if TYPE_CHECKING:
    from whenabouts.data.feature_store import FeatureStore

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
    """
    from whenabouts.config import load, tables
    from whenabouts.core.errors import SettingsError
    from whenabouts.core.files import remove_folder, sweep
    from whenabouts.core.locks import claimed
    from whenabouts.data.examples import Examples
    from whenabouts.data.freshness import Lessons
    from whenabouts.data.project import Project
    from whenabouts.localizers import LOCALIZERS, chosen_localizer
    from whenabouts.localizers.calibration import save_calibration
    from whenabouts.localizers.choosing import choose_localizer, save_choice
    from whenabouts.localizers.reviewing.lessons import (
        ReviewedLessons,
        rivals_for_reviews,
        told_change,
        told_for_reviews,
    )

    terminal = Terminal(as_json=as_json)
    if (truth is not None or even_if_worse) and not with_reviews:
        which = "--truth" if truth is not None else "--even-if-worse"
        raise SettingsError(f"{which} is for --with-reviews: other trainings measure nothing.")
    table = tables(recipe, overrides, sections=("train",))["train"]
    free = localizer is None and not table
    localizer, told = chosen_localizer(localizer, table)
    if with_reviews:
        told = told_for_reviews(localizer, told)
    settings = load(LOCALIZERS[localizer].Settings, told, "[train]")
    home = Project.open(project)
    store, vocabulary = home.features(), home.vocabulary()
    modalities = _modalities(store, modality)
    entries = said = [entry for entry in home.manifest().of_split("train") if entry.usable]
    lessons = ReviewedLessons.of(home, terminal, truth=truth) if with_reviews else None
    if lessons is not None:
        entries, vocabulary = list(lessons.entries), lessons.vocabulary
    absent = home.vocabulary_settings().absent
    examples = Examples.of(entries, vocabulary, store, modalities, absent, partial=True)
    for reason in store.broken.values():
        terminal.say(reason)
    if examples.missing:
        terminal.say(f"{len(examples.missing)} training videos have no features yet: run `whenabouts extract`.")
    folder, cache = home.localizer_folder, home.cache_folder / "train"
    choice = None
    with claimed(cache, "a training"):
        if free and any(part.present.any() for part in examples.segments):
            rivals = rivals_for_reviews(home) if with_reviews else None
            choice = choose_localizer(
                examples, examples.segments, terminal, vocabulary=vocabulary, seed=seed, device=device,
                checkpoints=cache / "trials", rivals=rivals, labels=examples.labels,
            )  # fmt: skip
            terminal.say(f"Chose {choice.name}: {choice.why}. It now learns from all videos.")
            localizer = choice.name
            settings = rivals[localizer] if rivals is not None else LOCALIZERS[localizer].Settings()
        unfinished = cache / localizer
        trained = LOCALIZERS[localizer].fit(
            examples, settings, terminal, vocabulary=vocabulary, seed=seed, device=device, checkpoints=unfinished
        )
        learning = None if lessons is None else lessons.report(home, trained, terminal, even_if_worse=even_if_worse)
        taken = learning is None or learning["kept"] == "new"
        if taken:
            if vocabulary.names != home.vocabulary().names:
                home.write_vocabulary(vocabulary, home.vocabulary_settings())
            trained.save(folder)
            save_calibration(home, None if choice is None else choice.calibration)
            save_choice(home, choice)
            lacking = set(examples.missing)
            Lessons.of(home, [entry for entry in said if entry.id not in lacking]).save(home)
        for done in (unfinished, cache / "trials"):
            remove_folder(done)
        sweep(cache)
    facts = {"videos": trained.training["videos"], "left_out": trained.training["left_out"]}
    if learning is not None:
        facts |= {"learning": learning}
        terminal.say(told_change(learning))
    made = f"{localizer} for {len(vocabulary)} concepts, from {facts['videos']} videos."
    terminal.result(
        f"Wrote {folder}: {made}" if taken else f"Kept {folder} as it was. Not taken, being worse: {made}",
        {"folder": str(folder), "localizer": localizer, "concepts": len(vocabulary), "modalities": list(modalities),
         "without_features": len(examples.missing),
         "trials": {} if choice is None else {trial.name: trial.map for trial in choice.trials}, **facts},
    )  # fmt: skip


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
