"""`whenabouts export`: moments and features in the formats of other programs."""

from pathlib import Path
from typing import Annotated

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Json, Overrides, ProjectFolder, Recipe

Format = Annotated[
    str, typer.Argument(help="activitynet, thumos, webvtt, youtube8m or youtube8m-submission.", show_default=False)
]
Target = Annotated[
    Path, typer.Argument(help="The file to write; for webvtt and youtube8m, a folder.", show_default=False)
]
Split = Annotated[str | None, typer.Option("--split", help="Only videos of this split.", show_default="all")]
MinScore = Annotated[
    float | None, typer.Option("--min-score", help="Only moments of at least this score.", show_default=False)
]


def export(
    format_name: Format,
    target: Target,
    project: ProjectFolder = Path(),
    split: Split = None,
    min_score: MinScore = None,
    recipe: Recipe = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Write what was found as other programs read it.

    activitynet: the challenge's JSON of results. thumos: the kit's text of detections. webvtt: subtitles, a file a
    video. youtube8m: features and labels as shards. youtube8m-submission: ranked segments of 5 seconds.
    Settings stand in [export]; docs/formats.md tells of each format.
    """
    from whenabouts.config import load, tables
    from whenabouts.core.errors import SettingsError
    from whenabouts.data.exporters import EXPORTERS, ExportSettings
    from whenabouts.data.project import Project

    if format_name not in EXPORTERS:
        raise SettingsError(f"There is no format {format_name!r}. Known: {', '.join(EXPORTERS)}.")
    told = {name: value for name, value in (("split", split), ("min_score", min_score)) if value is not None}
    given = tables(recipe, overrides, sections=("export",), above={"export": told})
    settings = load(ExportSettings, given["export"], "[export]")
    terminal = Terminal(as_json=as_json)
    exported = EXPORTERS[format_name](Project.open(project), target, settings, progress=terminal)
    for note in exported.notes:
        terminal.say(note)
    line = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in exported.figures.items()
                     if isinstance(count, int))  # fmt: skip
    terminal.result(f"Wrote {target}: {line}.", {"target": str(target), "format": format_name, **exported.figures})
