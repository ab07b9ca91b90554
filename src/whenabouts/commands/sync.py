"""`whenabouts sync`: a project to an object store, and back."""

from pathlib import Path
from typing import Annotated

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import FolderHere, Json

Address = Annotated[str, typer.Argument(help="Where the copy is: s3://BUCKET/PROJECT, or what else fsspec speaks.")]
Back = Annotated[bool, typer.Option("--back", help="From there to here.")]


def sync(address: Address, project: FolderHere = Path(), back: Back = False, as_json: Json = False) -> None:
    """Copy a project to an object store, or with --back from there; only what differs is copied.

    Manifest, vocabulary, truth, boxes, features, models, reports and what was found are copied; the videos and the
    page's decisions (reviews.sqlite) are not. Files that are no longer in the project go from the copy, too; --back
    removes nothing here. Needs pip install 'whenabouts[cluster]'.
    """
    from whenabouts.core.addresses import is_address
    from whenabouts.core.errors import SettingsError
    from whenabouts.data.object_store import put, take

    terminal = Terminal(as_json=as_json)
    if not is_address(address):
        raise SettingsError(
            f"{address} is no address such as s3://BUCKET/PROJECT. Folders are copied by any other means."
        )
    copied = take(address, project, terminal) if back else put(project, address, terminal)
    place = str(project) if back else address
    terminal.result(
        f"Wrote {place}: {copied.files} files, {copied.bytes / 1e6:.1f} MB; {copied.same} were there.",
        {"place": place, "files": copied.files, "bytes": copied.bytes, "same": copied.same},
    )
