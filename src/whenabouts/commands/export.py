"""`whenabouts export`: moments and features in the formats of other programs."""

from pathlib import Path
from typing import Annotated

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Json, Overrides, ProjectFolder, Recipe

Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="activitynet, ava, boris, chapters, charades-classify, charades-localize, clips, csv, edl, elan, "
        "epic-kitchens, fcpxml, fiftyone, google-video, label-studio, otio, parquet, srt, thumos, via, webvtt, "
        "youtube8m or youtube8m-submission.",
        show_default="by the target's ending",
    ),
]
Target = Annotated[
    Path,
    typer.Argument(
        help="The file to write; for chapters, clips, edl, elan, fiftyone, srt, webvtt and youtube8m, a folder.",
        show_default=False,
    ),
]
Split = Annotated[str | None, typer.Option("--split", help="Only videos of this split.", show_default="all")]
MinScore = Annotated[
    float | None, typer.Option("--min-score", help="Only moments of at least this score.", show_default=False)
]


def export(
    target: Target,
    format_name: Format = None,
    project: ProjectFolder = Path(),
    split: Split = None,
    min_score: MinScore = None,
    recipe: Recipe = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Write what was found as other programs read it: `whenabouts export dives.otio`.

    What was rejected on the page is left out, what was corrected or added there is written as corrected. Endings tell
    .csv, .parquet, .otio and .fcpxml; name other formats. Settings stand in [export]; docs/formats.md tells of each.
    """
    from whenabouts.config import load, tables
    from whenabouts.data.decisions import told_passed_over
    from whenabouts.data.exporters import EXPORTERS, ExportSettings, format_of
    from whenabouts.data.project import Project
    from whenabouts.data.reviews import rows_passed_over

    chosen = format_of(target, format_name)
    told = {name: value for name, value in (("split", split), ("min_score", min_score)) if value is not None}
    given = tables(recipe, overrides, sections=("export",), above={"export": told})
    settings = load(ExportSettings, given["export"], "[export]")
    terminal = Terminal(as_json=as_json)
    home = Project.open(project)
    exported = EXPORTERS[chosen](home, target, settings, progress=terminal)
    passed_over = rows_passed_over(home.reviews_path) if settings.reviews else {}
    for note in (*exported.notes, *filter(None, [told_passed_over(passed_over)])):
        terminal.say(note)
    line = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in exported.figures.items()
                     if isinstance(count, int))  # fmt: skip
    terminal.result(f"Wrote {target}: {line}.", {"target": str(target), "format": chosen, **exported.figures,
                     "rows_passed_over": {str(number): why for number, why in passed_over.items()}})  # fmt: skip
