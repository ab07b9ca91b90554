"""The command line: a dict of verbs, each a plain function in `commands/`."""

import os
import re
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import typer

from whenabouts import __version__
from whenabouts.commands.anywhere import anywhere
from whenabouts.commands.check import check
from whenabouts.commands.demo import demo
from whenabouts.commands.evaluate import app as evaluate
from whenabouts.commands.export import export
from whenabouts.commands.extract import extract
from whenabouts.commands.find import find
from whenabouts.commands.finetune import finetune
from whenabouts.commands.import_ import import_
from whenabouts.commands.listing import WholeSentences
from whenabouts.commands.pretrain import pretrain
from whenabouts.commands.serve import serve
from whenabouts.commands.show import show
from whenabouts.commands.sync import sync
from whenabouts.commands.train import train
from whenabouts.core.errors import SettingsError, WhenaboutsError

VERBS: dict[str, Callable[..., Any] | typer.Typer] = {
    "demo": demo,
    "import": import_,
    "check": check,
    "pretrain": pretrain,
    "finetune": finetune,
    "extract": extract,
    "train": train,
    "find": find,
    "evaluate": evaluate,
    "export": export,
    "show": show,
    "serve": serve,
    "sync": sync,
}

app = typer.Typer(
    cls=WholeSentences,
    help="Find when things happen in your videos, from labels that only say what.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"whenabouts {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
) -> None:
    """Find when things happen in your videos, from labels that only say what."""


for _name, _verb in VERBS.items():
    if isinstance(_verb, typer.Typer):
        for _inner in _verb.registered_commands:
            if _inner.callback is not None:
                _inner.callback = anywhere(_inner.callback)
        app.add_typer(_verb, name=_name)
    else:
        app.command(_name)(anywhere(_verb))


# Other errors speak of memory, too, such as those of an illegal access: these are no lack of it.
_NO_MEMORY = re.compile("out of memory|allocate memory|not enough memory")


def main() -> None:
    """Run a verb; errors meant for the user become one message and an exit code.

    1: it can't be done, 2: wrong settings, 128 + N: ended by signal N, after what was half-written is removed.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        app()
    except WhenaboutsError as error:
        sys.stderr.write(f"whenabouts: {error}\n")
        raise SystemExit(2 if isinstance(error, SettingsError) else 1) from None
    except OSError as error:
        sys.stderr.write(f"whenabouts: {error}. Check that it is there, and that you may read and write it.\n")
        raise SystemExit(1) from None
    except (MemoryError, RuntimeError) as error:  # PyTorch's own word for it is a RuntimeError.
        said = " ".join(str(error).split())[:300]
        if not (isinstance(error, MemoryError) or _NO_MEMORY.search(said)):
            raise
        sys.stderr.write(
            f"whenabouts: there is not enough memory ({said}). Lower what was asked for, such as batch, frames or "
            "sizes of nets and pictures, or use another --device.\n"
        )
        raise SystemExit(1) from None


def _end(number: int, frame: FrameType | None) -> None:
    # Not through sys.stderr: the signal may come in the middle of a write to it.
    what = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
    os.write(2, f"whenabouts: ended by {what}. Run the same command again: it goes on where it was.\n".encode())
    raise SystemExit(128 + number)
