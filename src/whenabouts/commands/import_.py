"""`whenabouts import`: videos and weak labels into a project."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Json, Overrides, ProjectFolder, Recipe
from whenabouts.core.errors import InvalidData, SettingsError

if TYPE_CHECKING:
    from whenabouts.data.importers import ImportSettings
    from whenabouts.data.vocabulary import VocabularySettings

Kind = Annotated[
    str,
    typer.Argument(
        help="What to read: folders, csv, hashtags, ytdlp, chapters, subtitles, nfo, xmp, losslesscut, label-studio, "
        "via, elan, boris, teacher, youtube8m, thumos14, activitynet, charades, ava, volleyball, kinetics, something, "
        "epic-kitchens or features.",
    ),
]
Root = Annotated[Path, typer.Argument(help="The folder of the videos or features; for csv and data sets, the file.")]
Split = Annotated[str | None, typer.Option("--split", help="train or test.", show_default="train")]
MinCount = Annotated[
    int | None, typer.Option("--min-count", min=1, help="Training videos that a concept needs.", show_default="5")
]
MaxConcepts = Annotated[
    int | None, typer.Option("--max-concepts", min=1, help="At most so many concepts.", show_default="1000")
]
AbsentLabels = Annotated[
    str | None,
    typer.Option(
        "--absent",
        help="Labels a video lacks are: negative or unknown. Changes training only where there is one concept: several "
        "are learned against each other, from the labels that are there.",
        show_default="negative",
    ),
]
Concepts = Annotated[
    str | None,
    typer.Option("--concepts", help="Only these are concepts: 'dive,cake cutting'.", show_default="all frequent names"),
]
Seeds = Annotated[
    Path | None,
    typer.Option(
        "--seeds", help="Seed labels, one a line: tags count where they are hashtags of one.", show_default=False
    ),
]
SeedNouns = Annotated[
    Path | None,
    typer.Option(
        "--seed-nouns",
        help="With verbs as --seeds: labels are products 'verb noun' that tags name.",
        show_default=False,
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--map", help="A table's columns by role: video=file,label=tags.", show_default=False),
]
Include = Annotated[
    list[str] | None, typer.Option("--include", help="Only paths like this, e.g. '*/2024/*'.", show_default=False)
]
LayoutName = Annotated[
    str | None,
    typer.Option("--layout", help="How features lie: i3d, wtalc, actionformer, activitynet-csv.", show_default="i3d"),
]
Annotations = Annotated[
    Path | None,
    typer.Option("--annotations", help="Whose features these are.", show_default="the project's videos"),
]
Exclude = Annotated[list[str] | None, typer.Option("--exclude", help="No paths like this.", show_default=False)]


def import_(
    kind: Kind,
    root: Root,
    project: ProjectFolder = Path(),
    split: Split = None,
    min_count: MinCount = None,
    max_concepts: MaxConcepts = None,
    concepts: Concepts = None,
    seeds: Seeds = None,
    seed_nouns: SeedNouns = None,
    absent: AbsentLabels = None,
    columns: Columns = None,
    include: Include = None,
    exclude: Exclude = None,
    layout: LayoutName = None,
    annotations: Annotations = None,
    recipe: Recipe = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Read videos and what is said about them: folder names, a table, hashtags, a yt-dlp archive, or a data set.

    Writes manifest.jsonl, vocabulary.json and reports/import.json. Import again to add videos or labels: what is
    known stays, changed and removed files are noticed. Broken files and rows are reported and never stop the import.
    Data sets bring truth.json, which `evaluate` reads; `features` brings files of features, matched to videos by name.
    What other programs wrote joins what is known of the videos: docs/formats.md tells of each kind.
    """
    import time

    from whenabouts.data.importing import import_into
    from whenabouts.data.project import Project

    terminal = Terminal(as_json=as_json)
    features = {"layout": layout, "annotations": None if annotations is None else str(annotations)}
    told = {"split": split, "include": include, "exclude": exclude, "seeds": seeds and str(seeds),
            "seed_nouns": seed_nouns and str(seed_nouns), "csv": {"columns": _columns(columns)},
            "features": features}  # fmt: skip
    only = [name.strip() for name in (concepts or "").split(",") if name.strip()]
    named = {"min_count": min_count, "max_concepts": max_concepts, "only": only, "absent": absent}
    above = {"import": _given(told), "vocabulary": _given(named)}
    settings, labels = _settings(project, recipe, overrides, above, terminal)
    home = Project.create(project)
    outcome = import_into(home, kind, root, settings, labels, now_ns=time.time_ns(), progress=terminal)
    figures = outcome.figures()
    terminal.say(outcome.to_text())
    line = (
        f"Wrote {home.manifest_path}: {figures['videos_in_project']} videos ({figures['new']} new, "
        f"{figures['changed']} changed, {figures['removed']} removed, {figures['unreadable']} unreadable), "
        f"{figures['concepts']} concepts, {figures['problem_count']} problems (see reports/import.json)."
    )
    terminal.result(line, {"project": str(home.folder), **figures, "counts": dict(outcome.imported.counts)})


def _settings(
    project: Path, recipe: Path | None, overrides: list[str] | None, above: dict[str, Any], terminal: Terminal
) -> "tuple[ImportSettings, VocabularySettings]":
    """What `above` says, else the recipe and overrides, else, of the vocabulary, what the project has."""
    from whenabouts.config import as_table, load, tables
    from whenabouts.data.importers import ImportSettings
    from whenabouts.data.project import Project
    from whenabouts.data.vocabulary import VocabularySettings

    try:
        earlier = as_table(Project(project).vocabulary_settings())
    except InvalidData as error:  # The file is written anew: what it held of settings can't be kept.
        terminal.say(str(error))
        earlier = {}
    sections = ("import", "vocabulary")
    given = tables(recipe, overrides, sections=sections, below={"vocabulary": earlier}, above=above)
    return (
        load(ImportSettings, given["import"], "[import]"),
        load(VocabularySettings, given["vocabulary"], "[vocabulary]"),
    )


def _columns(given: list[str] | None) -> dict[str, str] | None:
    """`video=file,label=tags` -> {"video": "file", "label": "tags"}; several options join."""
    pairs = [pair.strip() for text in given or () for pair in text.split(",") if pair.strip()]
    for pair in pairs:
        if "=" not in pair:
            raise SettingsError(f"--map {pair!r} is not role=column, for example --map video=file,label=tags.")
    return {role.strip(): column.strip() for role, _, column in (pair.partition("=") for pair in pairs)} or None


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Only what was given on the command line."""
    kept = {name: _given(value) if isinstance(value, dict) else value for name, value in values.items()}
    return {name: value for name, value in kept.items() if value not in (None, [], {})}
