"""What all tests share: where the shared material lies, and small things that many rooms need."""

import os
from pathlib import Path

import pytest

# Tests run side by side on few cores: a team of threads per test would only spin while waiting for its members.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def shared_folder() -> Path | None:
    """The folder of golden files and small real data, or None where it is absent."""
    given = os.environ.get("WHENABOUTS_SHARED")
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared"
    return folder if (folder / "golden").is_dir() else None


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared folder; the test is skipped with a plain reason where it is absent."""
    folder = shared_folder()
    if folder is None:
        pytest.skip("needs the shared golden files and data: set WHENABOUTS_SHARED or put them beside the repository")
    return folder
