"""Running verbs as real processes, ending them at chosen points, and telling what they leave: see crash_safety.py."""

import contextlib
import ctypes
import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open

from whenabouts.core.errors import WhenaboutsError
from whenabouts.core.progress import Silent
from whenabouts.data.demo.archive import DemoArchive, render_archive
from whenabouts.data.demo.plan import DemoArchiveSettings
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Manifest
from whenabouts.data.project import Project

TINY = DemoArchiveSettings(
    short_videos=4,
    long_videos=6,
    test_videos=2,
    short_seconds=(3, 4),
    long_seconds=(8, 12),
    moment_seconds=(1.5, 2.5),
    width=64,
    height=48,
    missing_tags=0,
    wrong_tags=0,
)
SMALL = {
    "pretrain": [
        "backbone.widths=[4,8]", "backbone.blocks=[1,1]", "backbone.stem=4", "backbone.short_side=16",
        "backbone.frames=4", "pretrain.steps=60", "pretrain.batch=4", "pretrain.checkpoint_every=5",
    ],
    "extract": ["extract.batch=4"],
    "train": ["train.localizer=winners-out", "train.batch_size=2", "train.epochs=10"],
}  # fmt: skip
# The first line that each verb says once it has loaded everything and begins.
BEGUN = {"pretrain": "decoding small frames", "extract": "extracting on", "train": "Reading features"}
MODEL_FILES = {"model.safetensors", "settings.toml", "vocabulary.json", "card.json"}
QUIET = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def render(folder: Path) -> DemoArchive:
    """Twelve videos of 3 to 12 seconds."""
    return render_archive(folder, settings=TINY, seed=1, progress=Silent(), workers=1)


def words_of(verb: str, project: Path, *more: object) -> list[str]:
    """The command line of a verb with small settings."""
    settings = [word for setting in SMALL.get(verb, []) for word in ("--set", setting)]
    return [verb, "--project", str(project), *settings, *map(str, more)]


@dataclass
class Run:
    """A verb under way in a process of its own."""

    process: "subprocess.Popen[bytes]"
    log: Path
    out: Path
    started: float = field(default_factory=time.perf_counter)

    @property
    def said(self) -> str:
        """What it wrote to stderr until now."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def end(self, number: int) -> None:
        """Send it a signal; Ctrl-C reaches its children too, as on a terminal."""
        if self.alive:
            for pid in (self.process.pid, *(self.children() if number == signal.SIGINT else ())):
                os.kill(pid, number)

    def wait(self, seconds: float = 600) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(seconds)

    def children(self) -> list[int]:
        """The processes that it has started."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                parent = int(path.read_text().rpartition(")")[2].split()[1])
                found += [int(path.parent.name)] if parent == self.process.pid else []
        return found

    def result(self) -> dict:
        """Its outcome under --json."""
        return json.loads(self.out.read_text(encoding="utf-8"))


def start(words: Sequence[str], folder: Path, *, launcher: str = "") -> Run:
    """Run `python -m whenabouts` with these words; `launcher` is Python code that runs before in the same process."""
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.iterdir()))
    log, out = folder / f"{number:05d}.err", folder / f"{number:05d}.out"
    command = [sys.executable, "-m", "whenabouts", *words]
    if launcher:
        command = [sys.executable, "-c", f"{launcher}\nimport os\nos.execv({command[0]!r}, {command!r})"]
    with log.open("wb") as err, out.open("wb") as results:
        return Run(subprocess.Popen(command, stdout=results, stderr=err, env={**os.environ, **QUIET}), log, out)


def finish(words: Sequence[str], folder: Path) -> Run:
    """Run to the end; anything but success raises."""
    run = start(words, folder)
    if run.wait() != 0:
        raise RuntimeError(f"{' '.join(words)} ended with {run.process.returncode}:\n{run.said}")
    return run


def end_when(run: Run, condition: Callable[[], bool], number: int = signal.SIGKILL) -> bool:
    """Send a signal as soon as a condition holds and wait; False where the process ended by itself before."""
    while run.alive and not condition():
        time.sleep(0.002)
    killed = run.alive
    run.end(number)
    run.wait()
    return killed


def end_after(run: Run, verb: str, seconds: float, number: int = signal.SIGKILL) -> bool:
    """Send a signal so many seconds after the work has begun."""
    begun: list[float] = []

    def reached() -> bool:
        if not begun and BEGUN[verb] in run.said:
            begun.append(time.perf_counter())
        return bool(begun) and time.perf_counter() - begun[0] >= seconds

    return end_when(run, reached, number)


def content(verb: str, project: Path) -> str:
    """A hash of all that a verb is to bring about, whatever the files look like and whenever they were written."""
    digest = hashlib.sha256()
    if verb == "extract":
        store = FeatureStore(project / "features")
        for modality in store.modalities():
            for video_id in store.video_ids(modality):
                sequence = store.read(video_id, modality)
                about = (modality, video_id, sequence.source, sequence.grid, sequence.values.dtype, len(sequence))
                digest.update(repr(about).encode() + sequence.values.tobytes())
        digest.update((project / "reports" / "extraction.json").read_bytes())
    elif verb == "find":
        digest.update((project / "moments" / "moments.json").read_bytes())
    else:
        folder = project / "models" / ("backbone" if verb == "pretrain" else "localizer")
        for path in sorted(folder.iterdir()):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


@dataclass
class Left:
    """What stands in a project: files with a final name that are not whole, and leavings without one."""

    broken: list[str]
    parts: int
    files: int


def scan(project: Path) -> Left:
    """Read every file of a project that bears a final name to its end."""
    broken, files = [], 0
    hidden = [path for path in project.rglob("*") if path.suffix in (".part", ".old") and path.name.startswith(".")]
    for path in sorted(project.rglob("*")):
        if any(part == path or part in path.parents for part in hidden):
            continue
        if path.is_dir():
            if path.parent.name == "models" and {file.name for file in path.iterdir()} != MODEL_FILES:
                broken.append(f"{path.relative_to(project)}: {[file.name for file in path.iterdir()]}")
            continue
        files += 1
        try:
            _read(path)
        except (OSError, ValueError, SafetensorError, WhenaboutsError) as error:
            broken.append(f"{path.relative_to(project)}: {error}")
    store = Project(project).features()
    broken += [str(reason) for reason in store.broken.values()]
    tops = [part for part in hidden if not any(other in part.parents for other in hidden)]
    return Left(broken, len(tops), files)


def _read(path: Path) -> None:
    if path.name == "manifest.jsonl":
        Manifest.load(path)
    elif path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".toml":
        tomllib.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".safetensors":
        with safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118
                file.get_tensor(name)
    elif path.suffix == ".vtt":
        if not path.read_text(encoding="utf-8").startswith("WEBVTT"):
            raise ValueError("no subtitles")
    elif path.name == "extract.claims":
        if path.stat().st_size:
            raise ValueError("workers hold locks on its bytes, and write none")
    elif not path.name.startswith("events.out.tfevents."):  # A log, whose readers pass over a last line cut short.
        raise ValueError("a name that no verb gives")


def snapshot(folder: Path) -> dict[str, str]:
    """Every file below a folder with a hash of its content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def copied(source: Path, target: Path) -> Path:
    """A fresh copy of a project in the place of an older one."""
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(source, target))


def without_rights() -> str:
    """Code that takes from root what lets it write where it may not, so that read-only folders are so for it too."""
    return (
        "import ctypes, os, sys\n"
        "if sys.platform == 'linux' and os.geteuid() == 0:\n"
        " for power in (1, 2): ctypes.CDLL(None).prctl(24, power, 0, 0, 0)"
    )


def with_file_limit(number: int) -> str:
    """Code that lets no file grow beyond so many bytes."""
    return f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({number}, {number}))"


CREATE, MOVED_FROM, MOVED_TO, DELETE, OPEN = 0x100, 0x40, 0x80, 0x200, 0x20


class Watch:
    """What happens in folders, as Linux tells it (inotify): a list of (folder, name, kind) that grows by itself.

    `reached` is called with the number of events after each.
    """

    def __init__(
        self, folders: Iterable[Path], kinds: int, reached: Callable[[int], None] = lambda count: None
    ) -> None:
        self._system = ctypes.CDLL(None, use_errno=True)
        self._handle = self._system.inotify_init1(os.O_CLOEXEC)
        self.events: list[tuple[Path, str, int]] = []
        self._folders = {}
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            watch = self._system.inotify_add_watch(self._handle, os.fsencode(folder), kinds)
            if watch < 0:
                raise OSError(ctypes.get_errno(), "inotify_add_watch failed", str(folder))
            self._folders[watch] = folder
        self._reached = reached
        self._stop, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take what has happened until now, and stop."""
        os.write(self._wake, b"x")
        self._thread.join()
        for handle in (self._handle, self._stop, self._wake):
            os.close(handle)

    def _listen(self) -> None:
        import select

        while True:
            ready, _, _ = select.select([self._handle, self._stop], [], [])
            if self._handle in ready:
                self._take(os.read(self._handle, 1 << 16))
            elif self._stop in ready:
                return

    def _take(self, told: bytes) -> None:
        place = 0
        while place < len(told):
            watch, kind, _, length = struct.unpack_from("iIII", told, place)
            name = told[place + 16 : place + 16 + length].rstrip(b"\0").decode()
            place += 16 + length
            if watch in self._folders:
                self.events.append((self._folders[watch], name, kind))
                self._reached(len(self.events))
