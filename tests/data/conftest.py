"""Media files whose content says how long they are, so that imports are tested without decoding."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from whenabouts.core.video import Video
from whenabouts.media import probe

Media = Callable[..., Path]


def _probe(path: Path, *, video_id: str | None = None) -> Video:
    name = path.stem if video_id is None else video_id
    try:
        return Video(name, path, duration_seconds=float(path.read_text().split()[0]), height=90, width=160)
    except (ValueError, IndexError):
        return Video(name, path, status="unreadable", coverage=0.0, reason="The file can't be opened: Invalid data.")


def _probed(files: Iterable[tuple[Path, str]]) -> Iterator[Video]:
    """Without child processes."""
    return (probe.probe(path, video_id=video_id) for path, video_id in files)


@pytest.fixture
def media(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Media:
    """Make media files of given seconds below `archive` ("x" for a broken one) and give that folder."""
    monkeypatch.setattr(probe, "probe", _probe)
    monkeypatch.setattr("whenabouts.media.probing.probed", _probed)
    root = tmp_path / "archive"

    def make(*names: str, seconds: float | str = 100) -> Path:
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{seconds} {name}" if seconds != "x" else "x")
        root.mkdir(exist_ok=True)
        return root

    return make
