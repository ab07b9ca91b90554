"""`whenabouts check`: the data doctor."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Json, On, ProjectFolder

if TYPE_CHECKING:
    from whenabouts.data.doctor.looking import Looks

Frames = Annotated[
    bool, typer.Option("--frames/--no-frames", help="Look for copies across splits by comparing frames.")
]
Files = Annotated[
    bool, typer.Option("--files", help="Read all files and features in full: are they whole, and what was imported?")
]


Against = Annotated[
    Path | None,
    typer.Option("--against", help="A project whose videos must not be learned from: find edited copies of them here."),
]
SetAside = Annotated[
    bool, typer.Option("--set-aside", help="Put the copies that --against finds into a split that nothing learns from.")
]


Annotations = Annotated[
    Path | None,
    typer.Option(
        "--annotations", help="Check a data set's own files instead, line by line.", show_default="the project"
    ),
]


def check(
    project: ProjectFolder = Path(),
    frames: Frames = True,
    files: Files = False,
    against: Against = None,
    set_aside: SetAside = False,
    annotations: Annotations = None,
    on: On = "local",
    as_json: Json = False,
) -> None:
    """Say before training what can't work with this data, and why: files, labels, splits, features, models.

    Writes reports/check.json, and with --against reports/copies.jsonl: which video copies which, and the evidence. The
    exit code is 1 where the project can't be trained on, else 0.

    With --annotations the files of a data set are read (Charades, AVA, Volleyball, ActivityNet, THUMOS14), and every
    finding names its line; nothing is written.

    --on a cluster needs Ray, and videos under the same paths on all nodes: workers read and decode files; features are
    read here. The report is the same.
    """
    from whenabouts.core.errors import SettingsError
    from whenabouts.scale.cluster import check_place

    if check_place(on) and (annotations is not None or against is not None):
        raise SettingsError("--on is for the check of a project alone: leave out --annotations and --against.")
    if annotations is not None:
        _check_annotations(annotations, as_json)
        return
    if set_aside and against is None:
        raise SettingsError("--set-aside needs --against PROJECT: the videos whose copies are to be set aside.")
    if against is not None:
        _compare(project, against, set_aside, as_json)
        return
    _check_project(project, on, frames=frames, files=files, as_json=as_json)


def _check_project(project: Path, on: str, *, frames: bool, files: bool, as_json: bool) -> None:
    from whenabouts.core.errors import WriteError
    from whenabouts.core.files import write_json
    from whenabouts.data.doctor.check import check_project
    from whenabouts.data.project import Project

    terminal = Terminal(as_json=as_json)
    with _looking(on, terminal) as looks:
        report = check_project(project, frames=frames, files=files, progress=terminal, looks=looks)
    home = Project(project)
    text = report.to_text()
    if text:
        terminal.say(text)
    if home.manifest_path.is_file():
        try:
            write_json(home.reports_folder / "check.json", report.to_json())
        except WriteError as error:  # Who may only read a project can have it checked.
            terminal.say(str(error))
    verdict = "can be trained on" if report.trainable else "can't be trained on"
    terminal.result(f"{home.folder.resolve()} {verdict}. {report.next_step}", report.to_json())
    if not report.trainable:
        raise typer.Exit(1)


@contextlib.contextmanager
def _looking(on: str, terminal: Terminal) -> "Iterator[Looks]":
    """What looks into files: this machine or a cluster."""
    from whenabouts.data.doctor.looking import HERE
    from whenabouts.scale.cluster import check_place, connected

    if not check_place(on):
        yield HERE
        return
    from whenabouts.scale.checking import looks_on

    with connected(on) as ray, looks_on(ray, terminal) as looks:
        yield looks


def _check_annotations(path: Path, as_json: bool) -> None:
    """Say what is wrong in a data set's own files."""
    from whenabouts.data.annotations.checking import check_annotations

    terminal = Terminal(as_json=as_json)
    found = check_annotations(path)
    terminal.say(found.to_text())
    terminal.result(f"{path}: {found.kind}, {len(found.faults)} findings.", found.to_json())


def _compare(project: Path, against: Path, aside: bool, as_json: bool) -> None:
    """Find copies of another project's videos, write them down, and set them aside if asked to."""
    import json

    from whenabouts.core.files import write_text
    from whenabouts.data.copies import copies_of, set_aside
    from whenabouts.data.near_copies import NearCopySettings
    from whenabouts.data.project import Project

    terminal = Terminal(as_json=as_json)
    ours, target = Project.open(project), Project.open(against)
    found = copies_of(ours, target, NearCopySettings(), terminal)
    path = ours.reports_folder / "copies.jsonl"
    write_text(path, "".join(json.dumps(pair.to_json(), ensure_ascii=False) + "\n" for pair in found))
    for pair in found[:5]:
        terminal.say(f"{pair.source} looks like {pair.target}: {pair.matched} of {pair.compared} ({pair.how})")
    moved = set_aside(ours, found) if aside else 0
    videos = len({pair.source for pair in found})
    told = f" {moved} were set aside: nothing learns from them." if aside else ""
    terminal.result(
        f"Wrote {path}: {videos} videos are copies of videos in {target.folder} ({len(found)} pairs).{told}",
        {"report": str(path), "videos": videos, "pairs": len(found), "set_aside": moved},
    )
