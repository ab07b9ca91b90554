"""Files in object stores (s3:// and whatever else fsspec speaks) as paths, so that what reads files can name them.

An `Address` is compared, joined and cut like any path; it can be listed and read, not written. Whether it is an address
is told by its text alone, nothing is asked over the net until it is read. fsspec is imported then, not before.
"""

import io
import os
import re
import stat
from collections.abc import Callable, Generator, Iterator
from datetime import datetime
from pathlib import Path, PosixPath
from typing import IO, Any, Self, TypeVar

from whenabouts.core.errors import SettingsError

Answer = TypeVar("Answer")

# pathlib writes two slashes as one; one letter before the colon is a drive of Windows.
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):/+")
_OF_FILES = ("file", "local")


def is_address(text: str) -> bool:
    """Whether a text names an object store, such as s3://bucket/project, and no folder."""
    return re.match(r"[a-z][a-z0-9+.-]+://", text) is not None


def place_of(place: str | Path) -> Path:
    """The path that a text, or a path made of it, names: an `Address` where it begins like s3://, else as it is."""
    found = _SCHEME.match(str(place))
    if isinstance(place, Address) or found is None or (isinstance(place, Path) and Path(found[0]).exists()):
        return Path(place) if isinstance(place, str) else place
    _check_secrets(str(place))
    return Address(str(place))


def below(folder: Path, name: str) -> Path:
    """What a file in `folder` means by a name: an address is one wherever it is written."""
    return place_of(name) if is_address(name) else folder / name


def asked(question: Callable[[], Answer], address: object) -> Answer:
    """What a store answers; whatever it says no with comes as an OSError that names the address."""
    try:
        return question()
    except OSError as error:
        told = error.strerror or str(error) or type(error).__name__
        told = "there is no such object, or no such bucket" if isinstance(error, FileNotFoundError) else told
        kinds = (FileNotFoundError, PermissionError, FileExistsError)
        kind = next((kind for kind in kinds if isinstance(error, kind)), OSError)
        raise kind(error.errno or 0, f"{told} ({address})") from error
    except Exception as error:  # Of each store its own: no credentials, no such host.
        raise OSError(0, f"{type(error).__name__}: {error} ({address})") from error


def store_of(address: str) -> tuple[Any, str]:
    """fsspec's file system of an address, and what the address is called there."""
    try:
        import fsspec
    except ImportError:
        raise SettingsError(f"{address} needs fsspec: pip install 'whenabouts[cluster]'.") from None
    _check_secrets(address)
    try:  # Not by fsspec's url_to_fs: that takes a name with two colons in a row for several addresses.
        scheme = address.partition("://")[0]
        kind = fsspec.get_filesystem_class(scheme)
        files = fsspec.filesystem(scheme, use_listings_cache=False, **kind._get_kwargs_from_urls(address))
        return files, str(kind._strip_protocol(address))
    except (ValueError, ImportError) as error:
        raise SettingsError(f"{address} is no address that fsspec speaks here: {error}.") from None


def _check_secrets(address: str) -> None:
    """Addresses are told and written to manifests, so none may hold a password."""
    scheme, within, place = re.sub(":/+", "://", address, count=1).partition("://")
    user, at, place = place.partition("/")[0].rpartition("@")
    if within and at and ":" in user:
        raise SettingsError(
            f"An address at {scheme}://...@{place} holds a password, which would be written to manifests and logs. "
            "Leave it out, and put it where the store's library looks for it (such as AWS_SECRET_ACCESS_KEY), or into "
            "fsspec's own settings (~/.config/fsspec)."
        )


class Address(PosixPath):
    """A path in an object store."""

    _known: "os.stat_result | None" = None

    def __str__(self) -> str:
        text = super().__str__()
        found = _SCHEME.match(text)
        if found is None:  # What is left of it relative to another.
            return text
        return f"{found[1]}://{'/' if found[1] in _OF_FILES else ''}{text[found.end() :]}"

    def is_absolute(self) -> bool:
        """Always: it means the same wherever one stands."""
        return _SCHEME.match(str(self)) is not None

    def absolute(self) -> Self:
        """Itself."""
        return self

    def resolve(self, strict: bool = False) -> Self:
        """Itself."""
        return self

    def as_uri(self) -> str:
        """Its text."""
        return str(self)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Size and time of an object, as of a file; FileNotFoundError, PermissionError or another OSError."""
        if self._known is None:
            files, name = store_of(str(self))
            self._known = _status(asked(lambda: files.info(name), self))
        return self._known

    def exists(self) -> bool:
        """Whether there is an object or a folder; True where the store does not let it be seen."""
        try:
            return stat.S_IFMT(self.stat().st_mode) != 0
        except PermissionError:
            return True
        except FileNotFoundError:
            return self.is_dir()

    def is_file(self) -> bool:
        """Whether there is an object of this name."""
        try:
            return stat.S_ISREG(self.stat().st_mode)
        except PermissionError:
            return True
        except FileNotFoundError:
            return False

    def is_dir(self) -> bool:
        """Whether there are objects below this name."""
        files, name = store_of(str(self))
        return bool(asked(lambda: files.isdir(name), self))

    def open(self, mode: str = "r", *words: Any, **options: Any) -> IO[Any]:  # type: ignore[override]
        """Read it: in bytes with "rb", as text with "r"."""
        if mode.strip("bt") != "r":
            raise OSError(0, f"{self} can be read, but not written as a file")
        files, name = store_of(str(self))
        file = asked(lambda: files.open(name, "rb"), self)
        if "b" in mode:
            return file  # type: ignore[no-any-return]
        return io.TextIOWrapper(file, options.get("encoding"), options.get("errors"), options.get("newline"))

    def iterdir(self) -> Generator[Self, None, None]:
        """What lies directly below."""
        yield from self._listed(lambda files, name: files.ls(name, detail=True))

    def glob(self, pattern: str) -> Iterator[Self]:  # type: ignore[override]
        """What fits a pattern below it."""
        yield from self._listed(lambda files, name: list(files.glob(f"{name}/{pattern}", detail=True).values()))

    def rglob(self, pattern: str) -> Iterator[Self]:  # type: ignore[override]
        """What fits a pattern at any depth below it."""
        yield from self.glob(f"**/{pattern}")

    def files(self) -> Iterator[Self]:
        """All objects below it, in order of their names; their sizes and times come with the list."""
        yield from self._listed(lambda files, name: list(files.find(name, detail=True).values()))

    def _listed(self, ask: Callable[[Any, str], list[dict[str, Any]]]) -> Iterator[Self]:
        files, name = store_of(str(self))
        root = name.rstrip("/")
        for info in sorted(asked(lambda: ask(files, root), self), key=lambda info: str(info["name"])):
            inner = str(info["name"]).removeprefix(root).strip("/")
            if inner:
                found = self / inner
                found._known = _status(info)
                yield found


def _status(info: dict[str, Any]) -> os.stat_result:
    kind = stat.S_IFDIR if info.get("type") == "directory" else stat.S_IFREG
    changed_ns = _nanoseconds(info)
    seconds = changed_ns // 1_000_000_000
    values = (kind | 0o444, 0, 0, 1, 0, 0, int(info.get("size") or 0), seconds, seconds, seconds)
    return os.stat_result(values, {"st_mtime_ns": changed_ns})


def _time_ns(value: object) -> int:
    if isinstance(value, datetime):
        value = value.timestamp()
    return int(value * 1_000_000) * 1000 if isinstance(value, int | float) else 0


def _nanoseconds(info: dict[str, Any]) -> int:
    """When an object was put, by whatever name its store has for that; 0 where it does not say."""
    names = ("LastModified", "mtime", "last_modified", "updated", "created")
    return next((found for name in names if (found := _time_ns(info.get(name)))), 0)
