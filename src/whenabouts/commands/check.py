"""`whenabouts check`: the data doctor."""

from pathlib import Path
from typing import Annotated

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Json, ProjectFolder

Frames = Annotated[
    bool, typer.Option("--frames/--no-frames", help="Look for copies across splits by comparing frames.")
]
Files = Annotated[
    bool, typer.Option("--files", help="Read all files and features in full: are they whole, and what was imported?")
]


def check(project: ProjectFolder = Path(), frames: Frames = True, files: Files = False, as_json: Json = False) -> None:
    """Say before training what can't work with this data, and why: files, labels, splits, features, models.

    Writes reports/check.json. The exit code is 1 where the project can't be trained on, else 0.
    """
    from whenabouts.core.errors import WriteError
    from whenabouts.core.files import write_json
    from whenabouts.data.doctor.check import check_project
    from whenabouts.data.project import Project

    terminal = Terminal(as_json=as_json)
    report = check_project(project, frames=frames, files=files, progress=terminal)
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
    terminal.result(f"{home.folder} {verdict}. {report.next_step}", report.to_json())
    if not report.trainable:
        raise typer.Exit(1)
