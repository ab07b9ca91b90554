"""Files from the network, kept on disk: continued where they broke off, and never under their name until whole."""

import contextlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.files import read_json, sha256_of, sync_folder, write_json
from whenabouts.core.locks import locked

_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 30


def cache_folder() -> Path:
    """Where downloads are kept: $WHENABOUTS_CACHE, else whenabouts/ in the user's folder of caches."""
    given = os.environ.get("WHENABOUTS_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whenabouts"


@dataclass(frozen=True)
class Download:
    """What is wanted: an address, and the first hex digits of its SHA-256 where its publisher states them."""

    address: str
    sha256: str | None = None

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return urllib.request.url2pathname(self.address.split("?")[0].rsplit("/", 1)[-1])


def fetched(wanted: Download, folder: Path, *, say: Callable[[str], None] = lambda _: None) -> Path:
    """The file in `folder`, downloaded if it is not there yet; what an interrupted download left is continued.

    The hash is compared with the publisher's where one is stated; else it is recorded at the first download, in
    NAME.json beside the file, and said to be that alone. Both are compared with whenever the file is used again.
    Without a network ProjectError says what to put where; a file of another hash raises InvalidData and is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / wanted.file_name
    with locked(folder):
        if not path.is_file():
            _download(wanted, path, say)
        digest = sha256_of(path)
        known = _known(path)
        if wanted.sha256 and not digest.startswith(wanted.sha256):
            path.unlink()
            raise InvalidData(
                f"{path.name} from {wanted.address} has SHA-256 {digest}, but its publisher states "
                f"{wanted.sha256}...: it is another file, or it was damaged. It is removed; download it again."
            )
        if known and known != digest:
            raise InvalidData(
                f"{path} has SHA-256 {digest}, but {known} when it was downloaded. It has been changed since: "
                "remove it and download it again."
            )
        if not known:
            source = "publisher" if wanted.sha256 else "first download"
            write_json(_beside(path), {"address": wanted.address, "sha256": digest, "compared_with": source})
            if not wanted.sha256:
                say(f"{path.name}: its publisher states no checksum; recorded {digest[:16]}... as downloaded")
    return path


def _download(wanted: Download, path: Path, say: Callable[[str], None]) -> None:
    part, tag_path = path.with_name(f".{path.name}.download"), path.with_name(f".{path.name}.download.json")
    start, tag = _left(part, tag_path)
    headers = {"Range": f"bytes={start}-", "If-Range": tag} if start else {}
    request = urllib.request.Request(_checked(wanted.address), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
            total = _total(answer, start)
            if answer.status == 206:
                say(f"{path.name}: continued at {start / 1e6:.1f} of {total / 1e6:.1f} MB")
            else:
                start = 0
                write_json(tag_path, {"tag": answer.headers.get("ETag") or answer.headers.get("Last-Modified")})
            have = _written(answer, part, start)
    except (urllib.error.URLError, HTTPException, OSError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        kept = part.stat().st_size if part.is_file() else 0
        raise ProjectError(_offline(wanted, path, error, kept)) from None
    if total and have != total:
        raise ProjectError(_offline(wanted, path, f"the connection ended after {have} of {total} bytes", have))
    part.replace(path)
    tag_path.unlink(missing_ok=True)
    sync_folder(path.parent)


def _checked(address: str) -> str:
    if not address.startswith(("https://", "http://127.0.0.1:")):
        raise InvalidData(f"{address} is not an https address.")
    return address


def _left(part: Path, tag_path: Path) -> tuple[int, str]:
    """Bytes that an earlier download left, and the server's mark of that file; (0, "") where it can't be continued."""
    tag: Any = None
    with contextlib.suppress(InvalidData, FileNotFoundError):
        tag = read_json(tag_path).get("tag")
    size = part.stat().st_size if part.is_file() else 0
    usable = isinstance(tag, str) and tag and not tag.startswith("W/")
    return (size, tag) if size and usable else (0, "")


def _total(answer: HTTPResponse, start: int) -> int:
    """Bytes of the whole file, 0 where the server does not say; a range that is not what was asked for is refused."""
    if answer.status == 206:
        told = answer.headers.get("Content-Range", "")
        if not told.startswith(f"bytes {start}-"):
            raise HTTPException(f"the server sent {told!r} where the rest from byte {start} was asked for")
        whole = told.rpartition("/")[2]
        return int(whole) if whole.isdigit() else 0
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else 0


def _written(answer: HTTPResponse, part: Path, start: int) -> int:
    with part.open("r+b" if start else "wb") as file:
        file.seek(start)
        file.truncate()
        try:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
        finally:
            file.flush()
            os.fsync(file.fileno())
        return file.tell()


def _offline(wanted: Download, path: Path, error: object, kept: int) -> str:
    again = f"{kept / 1e6:.1f} MB are kept: run it again to continue there. " if kept else ""
    return (
        f"{wanted.address} can't be downloaded ({error}). {again}Without a network, "
        f"download {wanted.file_name} elsewhere and put it at {path}, or give its path."
    )


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _known(path: Path) -> str | None:
    with contextlib.suppress(FileNotFoundError, InvalidData, json.JSONDecodeError):
        known = read_json(_beside(path)).get("sha256")
        return known if isinstance(known, str) else None
    return None
