"""`whenabouts extract`: every video to features over time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Device, Json, Overrides, ProjectFolder, Recipe

if TYPE_CHECKING:
    from whenabouts.data.project import Project
    from whenabouts.recognition.extraction import Extracted
    from whenabouts.recognition.extraction_report import ExtractionReport

Streams = Annotated[
    list[str] | None,
    typer.Option(
        "--modality", help="Which streams, rgb or flow; again for more.", show_default="all that have a backbone"
    ),
]
Workers = Annotated[int, typer.Option("--workers", help="Videos that are decoded at a time.", min=1)]


def extract(
    project: ProjectFolder = Path(),
    modality: Streams = None,
    recipe: Recipe = None,
    overrides: Overrides = None,
    workers: Workers = 2,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Compute features of every video with the project's backbones, and of its sound.

    Reads the manifest and models/backbone (stream "rgb") or models/backbone-flow (stream "flow"); writes features and
    reports/extraction.json, for motion reports/extraction-flow.json. What is there is not done again; killed, it goes
    on with the video that it was at.
    """
    from whenabouts.config import load, tables
    from whenabouts.core.errors import SettingsError
    from whenabouts.data.project import Project
    from whenabouts.recognition.backbone import Backbone
    from whenabouts.recognition.extraction import ExtractSettings, extract
    from whenabouts.recognition.extraction_report import ExtractionReport
    from whenabouts.training.devices import choose_compute

    terminal = Terminal(as_json=as_json)
    home = Project.open(project)
    how = load(ExtractSettings, tables(recipe, overrides, sections=("extract",))["extract"], "[extract]")
    streams = list(dict.fromkeys(modality or home.backbones() or ["rgb"]))
    unknown = [stream for stream in streams if stream not in ("rgb", "flow")]
    if unknown:
        raise SettingsError(f"--modality is {unknown[0]!r}. Choose rgb, flow, or both by giving it twice.")
    backbones = {stream: Backbone.load(home.backbone_of(stream)) for stream in streams}
    store, compute = home.features(), choose_compute(device, how.precision)
    for reason in store.broken.values():
        terminal.say(reason)
    results = {}
    for stream, backbone in backbones.items():
        report = ExtractionReport(_report(home, stream))
        done = extract(
            tuple(home.manifest()),
            backbone,
            how,
            store=store,
            report=report,
            compute=compute,
            cache=home.cache_folder,
            workers=workers,
            progress=terminal,
        )
        results[stream] = _Result(backbone.source, done, report)
    store.compact()
    terminal.result("\n".join(_told(home, results)), _values(home, results))


@dataclass(frozen=True)
class _Result:
    """What became of one stream."""

    source: str
    done: "Extracted"
    report: "ExtractionReport"

    def to_json(self) -> dict[str, Any]:
        counts = {status: self.report.count(status) for status in ("partial", "unreadable")}
        return {"source": self.source, **self.done.to_json(), **counts}


def _report(home: "Project", stream: str) -> Path:
    return home.reports_folder / ("extraction.json" if stream == "rgb" else f"extraction-{stream}.json")


def _told(home: "Project", results: "dict[str, _Result]") -> Iterator[str]:
    """One line per stream."""
    for stream, result in results.items():
        done, report = result.done, result.report
        kind = "" if list(results) == ["rgb"] else f" ({stream})"
        told = f"Wrote {home.features_folder}{kind}: {done.written} videos, {done.steps} steps; "
        told += f"{done.done_before} were done."
        partial, unreadable = report.count("partial"), report.count("unreadable")
        if partial or unreadable:
            told += f" Partial: {partial}, unreadable: {unreadable} (see {report.path})."
        yield told


def _values(home: "Project", results: "dict[str, _Result]") -> dict[str, Any]:
    """The first stream's figures, and those of all by name."""
    streams = {stream: result.to_json() for stream, result in results.items()}
    return {"folder": str(home.features_folder), **next(iter(streams.values())), "streams": streams}
