"""Folders of models on their way to nodes that do not share a disk: names and bytes."""

from collections.abc import Mapping
from pathlib import Path

from whenabouts.core.files import reading_folder


def packed(folder: Path) -> dict[str, bytes]:
    """All files below a folder, by their relative names."""
    with reading_folder(folder) as there:
        return {
            path.relative_to(there).as_posix(): path.read_bytes() for path in sorted(there.rglob("*")) if path.is_file()
        }


def unpacked(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write what `packed` gave."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
