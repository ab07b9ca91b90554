"""`whenabouts serve`: the page on which a project is looked through, corrected and taught."""

from pathlib import Path
from typing import Annotated

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Device, Json, ProjectFolder

Host = Annotated[str, typer.Option("--host", help="The address to listen on; others than this machine's need a token.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port to listen on; 0 for any that is free.")]
Truth = Annotated[
    Path | None,
    typer.Option("--truth", help="When things truly happen: ActivityNet JSON.", show_default="truth.json, if any"),
]
Token = Annotated[
    str | None, typer.Option("--token", help="What others must know to get in.", show_default="made anew if needed")
]
HOME = ("127.0.0.1", "localhost", "::1", "[::1]")
SHORTEST_TOKEN = 16


def serve(
    project: ProjectFolder = Path(),
    host: Host = "127.0.0.1",
    port: Port = 8750,
    truth: Truth = None,
    token: Token = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Show the project in the browser: search, watch, confirm, correct, and learn again from that.

    Reads what the other verbs wrote; writes decisions to reviews.sqlite, each on disk before it is acknowledged, and
    pictures to cache/page. At the first start it draws the videos at random that learning will be measured on. Runs
    until Ctrl-C. docs/page.md tells what it answers.
    """
    import secrets
    import sys

    from whenabouts.core.errors import SettingsError
    from whenabouts.data.project import Project
    from whenabouts.page.server.app import make_app
    from whenabouts.page.server.rooms import Rooms
    from whenabouts.page.server.running import listening, run
    from whenabouts.page.server.safety import Access

    if token is not None and len(token) < SHORTEST_TOKEN:
        raise SettingsError(f"--token needs at least {SHORTEST_TOKEN} characters: others could guess a shorter one.")
    needed = token or ("" if host in HOME else secrets.token_urlsafe(24))
    terminal = Terminal(as_json=as_json)
    rooms = Rooms(Project.open(project), truth=truth, device=device)
    at = listening(host, port)
    shown = "localhost" if host in ("0.0.0.0", "::") else host
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{at.getsockname()[1]}/"
    address += f"?token={needed}" if needed else ""
    terminal.result(f"Serving {rooms.project.folder.resolve()} at {address} (Ctrl-C ends it).",
                    {"address": address, "host": host, "port": at.getsockname()[1]})  # fmt: skip
    sys.stdout.flush()  # Whoever started it waits for the address.
    run(make_app(rooms, Access.of(host, token=needed)), at)
