"""`whenabouts extract`: every video to features over time."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.extract_status import tell_status
from whenabouts.commands.options import Device, Json, On, Overrides, ProjectFolder, Recipe

if TYPE_CHECKING:
    from whenabouts.core.locks import Claims
    from whenabouts.core.progress import Progress
    from whenabouts.data.feature_store import FeatureStore
    from whenabouts.data.manifest import Entry
    from whenabouts.data.project import Project
    from whenabouts.recognition.extraction import Extracted
    from whenabouts.recognition.extraction_report import ExtractionReport
    from whenabouts.recognition.shares import Share
    from whenabouts.recognition.streams import ExtractSettings
    from whenabouts.recognition.window_encoder import WindowEncoder

Streams = Annotated[
    list[str] | None,
    typer.Option(
        "--modality",
        help="Which streams, such as rgb or flow; again for more. With --backbone: the name of its stream.",
        show_default="all that have a backbone",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--backbone",
        help="Take a backbone from elsewhere for a stream: a published name (`list` names all), a saved folder, a "
        "publisher's file, or an encoder on Hugging Face's hub (OWNER/MODEL, or its folder).",
        show_default=False,
    ),
]
Architecture = Annotated[
    str | None, typer.Option("--architecture", help="The published name of the net that a file of weights is of.")
]
Shard = Annotated[
    str | None,
    typer.Option("--shard", help="Do the i-th of N parts of the videos: one worker of several.", metavar="i/N"),
]
Gather = Annotated[
    list[str] | None,
    typer.Option(
        "--gather",
        help="Only take in what a copy of this project has extracted, in a folder or at s3://BUCKET/PROJECT; again for "
        "more.",
        metavar="FOLDER",
    ),
]
Status = Annotated[
    bool, typer.Option("--status", help="Only tell how far all workers with a --shard are, and what failed.")
]
Workers = Annotated[int, typer.Option("--workers", help="Videos that are decoded at a time.", min=1)]


def extract(
    project: ProjectFolder = Path(),
    modality: Streams = None,
    backbone: Weights = None,
    architecture: Architecture = None,
    shard: Shard = None,
    gather: Gather = None,
    status: Status = False,
    recipe: Recipe = None,
    overrides: Overrides = None,
    workers: Workers = 2,
    on: On = "local",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Compute features of every video with the project's backbones, and of its sound.

    Reads the manifest and models/backbone (stream "rgb"), models/backbone-flow (stream "flow") and so on; writes
    features and reports/extraction.json, for other streams reports/extraction-STREAM.json. What is there is not done
    again; killed, it goes on with the video that it was at. Workers on one folder, each with its --shard, make what one
    would.

    --on a cluster needs Ray (pip install 'whenabouts[cluster]'), and videos under the same paths on all nodes: see
    docs/scale.md.
    """
    from whenabouts.config import load, tables
    from whenabouts.core.errors import SettingsError
    from whenabouts.data.project import Project
    from whenabouts.recognition.shares import Share
    from whenabouts.recognition.streams import ExtractSettings
    from whenabouts.recognition.taking import told_list
    from whenabouts.recognition.worker_notes import WorkerNotes

    terminal = Terminal(as_json=as_json)
    if backbone == "list":
        terminal.result("\n".join(told_list()), {"published": [line.split()[0] for line in told_list()]})
        return
    home = Project.open(project)
    if status:
        tell_status(home, terminal)
        return
    how = load(ExtractSettings, tables(recipe, overrides, sections=("extract",))["extract"], "[extract]")
    if gather:
        if modality or backbone or architecture or shard is not None:
            raise SettingsError("--gather only takes in what is there: leave out --modality, --backbone and --shard.")
        _gather(home, gather, terminal)
        return
    share = Share() if shard is None else Share.read(shard)
    streams = _streams(home, modality, backbone, architecture, terminal)
    with contextlib.ExitStack() as noting:
        notes = WorkerNotes(home.reports_folder / "workers", share, terminal)
        progress = terminal if shard is None else noting.enter_context(notes)
        results = _extracted(home, streams, how, share, _Machine(on, workers, device), progress)
    terminal.result("\n".join(_told(home, results)), _values(home, results))


def _streams(
    home: "Project", modality: list[str] | None, given: str | None, architecture: str | None, terminal: Terminal
) -> list[str]:
    """The streams that are wanted, once each; a backbone that is `given` becomes the project's first."""
    from whenabouts.core.errors import SettingsError
    from whenabouts.recognition.taking import take_backbone

    if given is None:
        if architecture is not None:
            raise SettingsError("--architecture says of which net the file at --backbone is. Add --backbone FILE.")
        known = home.backbones()
        unknown = [stream for stream in modality or () if stream not in known and stream not in ("rgb", "flow")]
        if unknown:
            raise SettingsError(
                f"--modality is {unknown[0]!r}, but no backbone makes it. Choose rgb, flow or another of: "
                f"{', '.join(known) or 'none yet'}; or give it one with --backbone."
            )
        return list(dict.fromkeys(modality or known or ["rgb"]))
    if len(modality or ()) > 1:
        raise SettingsError("--backbone is for one stream, but --modality names several. Run them one after the other.")
    stream = modality[0] if modality else None
    return [take_backbone(home, given, architecture=architecture, stream=stream, say=terminal.say)]


def _extracted(
    home: "Project",
    streams: list[str],
    how: "ExtractSettings",
    share: "Share",
    machine: "_Machine",
    progress: "Progress",
) -> "dict[str, _Result]":
    """Extract stream after stream; every stream's backbone is read before the first is begun."""
    from whenabouts.recognition.extraction_report import ExtractionReport, report_of
    from whenabouts.recognition.shares import claims_of

    backbones = _backbones(home, streams, how)
    store = home.features()
    for reason in store.broken.values():
        progress.say(reason)
    beside, results = _beside(home, backbones), {}
    with (
        machine.extracting(home, how, progress) as extracting,
        contextlib.closing(claims_of(home.cache_folder)) as claims,
    ):
        entries = tuple(share.read_entries(home.manifest_path))
        for stream, backbone in backbones.items():
            report = ExtractionReport(report_of(home.reports_folder, stream))
            work = _Work(entries, backbone, stream, stream == beside, store, report, claims)
            results[stream] = _Result(backbone.source, extracting(work), report)
    store.compact()
    return results


@dataclass(frozen=True)
class _Work:
    """One stream to be made of a worker's share of the videos, and where it goes."""

    entries: "tuple[Entry, ...]"
    backbone: "WindowEncoder"
    stream: str
    statistics: bool
    store: "FeatureStore"
    report: "ExtractionReport"
    claims: "Claims"


@dataclass(frozen=True)
class _Machine:
    """Where the work is done: here or on a cluster, on which device, so many videos decoded at a time."""

    on: str
    workers: int
    device: str

    @contextlib.contextmanager
    def extracting(
        self, home: "Project", how: "ExtractSettings", progress: "Progress"
    ) -> "Iterator[Callable[[_Work], Extracted]]":
        """What extracts one stream."""
        from whenabouts.recognition.extraction import extract, stream_of
        from whenabouts.scale.cluster import check_place, connected
        from whenabouts.training.devices import choose_compute

        if not check_place(self.on):
            compute = choose_compute(self.device, how.precision, how.compile)

            def here(work: _Work) -> "Extracted":
                return extract(
                    work.entries, work.backbone, how, store=work.store, report=work.report, compute=compute,
                    stream=work.stream, statistics=work.statistics, claims=work.claims, cache=home.cache_folder,
                    workers=self.workers, progress=progress,
                )  # fmt: skip

            yield here
            return
        from whenabouts.scale.extraction import extract_on

        with connected(self.on) as ray:

            def there(work: _Work) -> "Extracted":
                made = stream_of(work.backbone, how, work.stream, work.statistics)
                return extract_on(
                    ray, work.entries, made, backbone=home.backbone_of(work.stream), store=work.store,
                    report=work.report, device=self.device, workers=self.workers, progress=progress,
                )  # fmt: skip

            yield there


def _backbones(home: "Project", streams: list[str], how: "ExtractSettings") -> "dict[str, WindowEncoder]":
    """The backbone of each stream; windows that one can't take are told before another's are made."""
    from whenabouts.recognition.taking import saved_backbone

    backbones: dict[str, WindowEncoder] = {stream: saved_backbone(home.backbone_of(stream)) for stream in streams}
    for backbone in backbones.values():
        how.form_of(backbone.form)
    return backbones


def _beside(home: "Project", backbones: "Mapping[str, WindowEncoder]") -> str:
    """The stream beside which the sound's statistics come: "rgb", or where the project has none the first that sees."""
    from whenabouts.recognition.window_encoder import WindowForm

    forms = {stream: backbone.form for stream, backbone in backbones.items()}
    seeing = [stream for stream, form in forms.items() if isinstance(form, WindowForm) and form.flow is None]
    return "rgb" if "rgb" in home.backbones() or not seeing else seeing[0]


def _gather(home: "Project", places: list[str], terminal: Terminal) -> None:
    import tempfile

    from whenabouts.core.addresses import is_address
    from whenabouts.data.object_store import take
    from whenabouts.data.project import Project
    from whenabouts.recognition.shares import gather

    store = home.features()
    with tempfile.TemporaryDirectory(prefix="whenabouts-") as scratch:
        folders = []
        for number, place in enumerate(places):
            folders.append(Path(scratch) / str(number) if is_address(place) else Path(place))
            if is_address(place):
                take(place, folders[-1], terminal)
        taken = gather(home, store, [Project.open(folder) for folder in folders])
    store.compact()
    terminal.result(
        f"Wrote {home.features_folder}: {taken} features of videos from {len(folders)} folders.",
        {"folder": str(home.features_folder), "taken": taken},
    )


@dataclass(frozen=True)
class _Result:
    """What became of one stream."""

    source: str
    done: "Extracted"
    report: "ExtractionReport"

    def to_json(self) -> dict[str, Any]:
        counts = {status: self.report.count(status) for status in ("partial", "unreadable")}
        return {"source": self.source, **self.done.to_json(), **counts}


def _told(home: "Project", results: "dict[str, _Result]") -> Iterator[str]:
    """One line per stream."""
    for stream, result in results.items():
        done, report = result.done, result.report
        kind = "" if list(results) == ["rgb"] else f" ({stream})"
        told = f"Wrote {home.features_folder}{kind}: {done.written} videos, {done.steps} steps; "
        told += f"{done.done_before} were done."
        told += f" {done.elsewhere} are another worker's." if done.elsewhere else ""
        partial, unreadable = report.count("partial"), report.count("unreadable")
        if partial or unreadable:
            told += f" Partial: {partial}, unreadable: {unreadable} (see {report.path})."
        yield told


def _values(home: "Project", results: "dict[str, _Result]") -> dict[str, Any]:
    """The first stream's figures, and those of all by name."""
    streams = {stream: result.to_json() for stream, result in results.items()}
    return {"folder": str(home.features_folder), **next(iter(streams.values())), "streams": streams}
