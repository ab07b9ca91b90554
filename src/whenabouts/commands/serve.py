"""`whenabouts serve`: the page on which a project is looked through, corrected and taught."""

from pathlib import Path
from typing import Annotated

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Device, FolderHere, Json

Host = Annotated[str, typer.Option("--host", help="The address to listen on; others than this machine's need a token.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port to listen on; 0 for any that is free.")]
Truth = Annotated[
    Path | None,
    typer.Option("--truth", help="When things truly happen: ActivityNet JSON.", show_default="truth.json, if any"),
]
Token = Annotated[
    str | None, typer.Option("--token", help="What others must know to get in.", show_default="made anew if needed")
]
Names = Annotated[
    list[str] | None,
    typer.Option(
        "--name",
        help="With --host: another name by which browsers reach this server, such as videos.example.org; again for "
        "more.",
        show_default="this machine's own",
    ),
]
CacheBytes = Annotated[
    int,
    typer.Option(
        "--cache-mb",
        min=1,
        help="How much room pictures and copies for browsers may take, the longest unused go first.",
    ),
]
HOME = ("127.0.0.1", "localhost", "::1", "[::1]")
SHORTEST_TOKEN = 16


def serve(
    project: FolderHere = Path(),
    host: Host = "127.0.0.1",
    port: Port = 8750,
    truth: Truth = None,
    token: Token = None,
    name: Names = None,
    cache_mb: CacheBytes = 10_000,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Show the project in the browser: search, watch, confirm, correct, and learn again from that.

    Reads what the other verbs wrote; writes decisions to reviews.sqlite, each on disk before it is acknowledged, and
    pictures and copies for browsers to cache/page. At the first start it draws the videos at random that learning will
    be measured on. Runs until Ctrl-C. docs/page.md tells what it answers.
    """
    import secrets
    import sys

    from whenabouts.core.errors import SettingsError
    from whenabouts.data.project import Project
    from whenabouts.page.server.app import make_app
    from whenabouts.page.server.rooms import Rooms
    from whenabouts.page.server.running import listening, own_names, reached_at, run
    from whenabouts.page.server.safety import Access

    if token is not None and len(token) < SHORTEST_TOKEN:
        raise SettingsError(f"--token needs at least {SHORTEST_TOKEN} characters: others could guess a shorter one.")
    others = host not in HOME
    if name and not others:
        raise SettingsError("--name is for servers that others reach: give --host 0.0.0.0 too.")
    needed = token or (secrets.token_urlsafe(24) if others else "")
    terminal = Terminal(as_json=as_json)
    rooms = Rooms(Project.open(project), truth=truth, device=device, cache_bytes=cache_mb * 1_000_000)
    at = listening(host, port)
    shown = name[0] if name else reached_at(host)
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{at.getsockname()[1]}/"
    address += f"?token={needed}" if needed else ""
    terminal.result(f"Serving {rooms.project.folder.resolve()} at {address} (Ctrl-C ends it).",
                    {"address": address, "host": host, "port": at.getsockname()[1]})  # fmt: skip
    sys.stdout.flush()  # Whoever started it waits for the address.
    known = (*(name or ()), *own_names()) if others else ()
    run(make_app(rooms, Access.of(host, token=needed, more=known)), at)
