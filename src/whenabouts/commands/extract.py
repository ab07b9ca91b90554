"""`whenabouts extract`: every video to features over time."""

from pathlib import Path
from typing import Annotated

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Device, Json, Overrides, ProjectFolder, Recipe

Workers = Annotated[int, typer.Option("--workers", help="Videos that are decoded at a time.", min=1)]


def extract(
    project: ProjectFolder = Path(),
    recipe: Recipe = None,
    overrides: Overrides = None,
    workers: Workers = 2,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Compute features of every video with the project's backbone, and of its sound.

    Reads the manifest and models/backbone, writes features and reports/extraction.json. What is there is not done
    again; killed, it goes on with the video that it was at.
    """
    from whenabouts.config import load, tables
    from whenabouts.data.project import Project
    from whenabouts.recognition.backbone import Backbone
    from whenabouts.recognition.extraction import ExtractSettings, extract
    from whenabouts.recognition.extraction_report import ExtractionReport
    from whenabouts.training.devices import choose_compute

    terminal = Terminal(as_json=as_json)
    home = Project.open(project)
    how = load(ExtractSettings, tables(recipe, overrides, sections=("extract",))["extract"], "[extract]")
    backbone = Backbone.load(home.backbone_folder)
    store, report = home.features(), ExtractionReport(home.reports_folder / "extraction.json")
    for reason in store.broken.values():
        terminal.say(reason)
    done = extract(
        tuple(home.manifest()),
        backbone,
        how,
        store=store,
        report=report,
        compute=choose_compute(device, how.precision),
        cache=home.cache_folder,
        workers=workers,
        progress=terminal,
    )
    store.compact()
    told = f"Wrote {home.features_folder}: {done.written} videos, {done.steps} steps; {done.done_before} were done."
    counts = {status: report.count(status) for status in ("partial", "unreadable")}
    if any(counts.values()):
        told += f" Partial: {counts['partial']}, unreadable: {counts['unreadable']} (see {report.path})."
    values = {"folder": str(home.features_folder), "source": backbone.source, **done.to_json(), **counts}
    terminal.result(told, values)
