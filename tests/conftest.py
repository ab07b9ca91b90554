"""What all tests share: where the shared material lies, and small things that many rooms need."""

import os
import re
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

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


@dataclass
class ObjectServer:
    """A server that speaks S3; what has one of the `forbidden` words in its path is refused."""

    forbidden: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def bucket(self, name: str) -> str:
        """The address of a new bucket."""
        import s3fs

        s3fs.S3FileSystem().mkdir(name)
        return f"s3://{name}"

    def around(self, app: Any) -> Any:
        def answer(environ: dict[str, Any], start_response: Any) -> Any:
            self.asked.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
            if any(word in environ["PATH_INFO"] for word in self.forbidden):
                told = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
                told = b"" if environ["REQUEST_METHOD"] == "HEAD" else told
                start_response(
                    "403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(told)))]
                )
                return [told]
            return app(environ, start_response)

        return answer


@pytest.fixture(scope="session")
def object_server() -> Iterator[ObjectServer]:
    """One server for all tests, in this process: s3fs keeps the first that it was told of."""
    pytest.importorskip("s3fs", reason="needs s3fs: pip install 'whenabouts[cluster]'")
    moto = pytest.importorskip("moto.server", reason="needs moto's server: pip install 'moto[server]'")
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *_: Any) -> None:
            return

    found = ObjectServer()
    app = found.around(moto.DomainDispatcherApplication(moto.create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        changed.setenv("AWS_ACCESS_KEY_ID", "testing")
        changed.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        changed.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield found
    server.shutdown()
    thread.join()


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
