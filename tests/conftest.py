"""What all tests share: where the shared material lies, and small things that many rooms need."""

import os
import re
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# Tests never time: a busy machine is no failure.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

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


def golden_fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The rule of the golden files' README: float32 weights from a hash of name and index."""
    count = int(np.prod(shape))
    x = np.arange(count, dtype=np.uint32)
    x *= np.uint32(2654435761)
    x += np.uint32(zlib.crc32(name.encode()))
    x ^= x >> np.uint32(16)
    x *= np.uint32(2246822519)
    x ^= x >> np.uint32(13)
    x *= np.uint32(3266489917)
    x ^= x >> np.uint32(16)
    u = x / 2.0**32
    if name.endswith("running_var"):
        values = 0.5 + u
    elif name.endswith(("running_mean", "bias")):
        values = 0.2 * (u - 0.5)
    elif len(shape) == 1:
        values = 0.75 + 0.5 * u
    else:
        values = (2 * u - 1) * np.sqrt(3 / (count / shape[0])) * (0.1 if "nonlocal" in name else 1.0)
    return values.astype(np.float32).reshape(shape)


@pytest.fixture(scope="session")
def fill() -> Callable[[str, tuple[int, ...]], np.ndarray]:
    """`golden_fill`, for tests in all rooms."""
    return golden_fill


@pytest.fixture
def code_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int, str], ModuleType]:
    """Runs a block of Python of a page of docs/ as a module of the given name, until the test ends."""

    def module(page: str, block: int, name: str) -> ModuleType:
        text = (Path(__file__).resolve().parents[1] / "docs" / page).read_text(encoding="utf-8")
        source = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[block]
        made = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, made)
        exec(compile(source, f"{page}, block {block}", "exec"), made.__dict__)
        return made

    return module
