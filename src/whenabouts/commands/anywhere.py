"""Verbs on a project in an object store: --project s3://BUCKET/PROJECT, and files that lie in one."""

import contextlib
import functools
import inspect
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whenabouts.commands.console import Terminal
from whenabouts.core.errors import SettingsError, WhenaboutsError

if TYPE_CHECKING:
    from whenabouts.core.addresses import Address
    from whenabouts.data.working_copy import WorkingCopy

PUSH_SECONDS = 60.0
# These need more of a project than what is kept in a store.
_HERE_ALONE = ("demo", "serve", "sync")
_READ = ("truth", "predictions", "classes", "excluded", "recipe", "seeds", "seed_nouns")
# What is written, or read in ways that a store has not: as a folder of the name `s3:` it would be in the way for good.
_ON_DISK = ("target", "out", "plots", "html", "against", "annotations", "weights")
# The one format that is made of features: for others they need not be fetched.
_OF_FEATURES = "youtube8m"


def anywhere(command: Callable[..., None]) -> Callable[..., None]:
    """A verb whose project may lie in an object store: it works on a copy here, made the same before and after.

    Files to be read, such as --truth, may lie there, too.
    """
    signature = inspect.signature(command)

    @functools.wraps(command)
    def verb(*arguments: Any, **options: Any) -> None:
        given = signature.bind(*arguments, **options)
        remote = {name: place for name, value in given.arguments.items() if (place := _remote(value))}
        for name in remote.keys() & set(_ON_DISK):
            raise SettingsError(
                f"{name} is {remote[name]}, but has to lie on this machine. Give a file or folder here, and copy it."
            )
        with contextlib.ExitStack() as held:
            scratch = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="whenabouts-"))) if remote else Path()
            for name in remote.keys() & set(_READ):
                given.arguments[name] = _file_of(remote[name], scratch / name)
            if "project" in remote:
                moments_alone = command.__name__ == "export" and given.arguments.get("format_name") != _OF_FEATURES
                copy = _copy_for(command.__name__, remote["project"], ("features",) if moments_alone else ())
                given.arguments["project"] = held.enter_context(_worked_on(copy, command.__name__))
            command(*given.args, **given.kwargs)

    return verb


def _remote(value: object) -> "Address | None":
    """The address that an argument names, which typer has made a path of."""
    if not isinstance(value, Path) or ":" not in str(value):
        return None
    from whenabouts.core.addresses import Address, place_of

    place = place_of(value)
    return place if isinstance(place, Address) else None


def _copy_for(verb: str, address: "Address", without: tuple[str, ...]) -> "WorkingCopy":
    from whenabouts.data.working_copy import WorkingCopy, copy_of
    from whenabouts.recognition.downloads import cache_folder
    from whenabouts.recognition.extraction_report import join_reports

    if verb in _HERE_ALONE:
        raise SettingsError(
            f"{verb} works on a folder. Copy the project here: `whenabouts sync {address} --back --project DIR`."
        )
    folder = copy_of(str(address), cache_folder())
    return WorkingCopy(folder, str(address), join_reports, "reports/extraction", without)


@contextlib.contextmanager
def _worked_on(copy: "WorkingCopy", verb: str) -> Iterator[Path]:
    """The folder of a working copy within the block; what an error leaves finished is put there, too."""
    terminal = Terminal()
    copy.folder.mkdir(parents=True, exist_ok=True)
    terminal.say(f"{copy.address} is worked on in {copy.folder}")
    copy.synchronise(terminal)
    copy = replace(copy, giving=verb == "extract")
    try:
        with _putting(copy, terminal) if copy.giving else contextlib.nullcontext():
            yield copy.folder
    except BaseException:
        try:
            copy.synchronise(terminal)
        except (WhenaboutsError, OSError) as error:  # The first error is the one to tell.
            terminal.say(f"What was finished is not put to {copy.address} yet: {error}")
        raise
    done = copy.synchronise(terminal)
    terminal.say(f"{copy.address} is up to date: {done.files} files, {done.bytes / 1e6:.1f} MB went over the net.")


@contextlib.contextmanager
def _putting(copy: "WorkingCopy", terminal: Terminal) -> Iterator[None]:
    """Within the block, put features that are finished every minute: a machine may be taken away at any time."""
    part, ended = replace(copy, only=("features", "reports")), threading.Event()

    def put() -> None:
        while not ended.wait(PUSH_SECONDS):
            try:
                part.synchronise(terminal)
            except (WhenaboutsError, OSError) as error:
                terminal.say(f"Features are not put to {copy.address} yet: {error}")

    thread = threading.Thread(target=put, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _file_of(address: "Address", folder: Path) -> Path:
    """A copy, in a folder of its own, of a file in a project there, or of an object; it bears the same name."""
    from whenabouts.core.addresses import asked, is_address
    from whenabouts.data.object_store import ObjectStore

    folder.mkdir()
    target = folder / address.name
    for project in (place for place in (address.parent, address.parent.parent) if is_address(str(place))):
        store = ObjectStore(str(project))
        name = address.relative_to(project).as_posix()
        if digest := store.latest().files.get(name):
            store.take(name, digest, target)
            return target
    with address.open("rb") as source, target.open("wb") as file:
        while block := asked(lambda: source.read(1 << 20), address):
            file.write(block)
    return target
