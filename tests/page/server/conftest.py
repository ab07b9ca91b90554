"""A small project that can be served, and a way to ask its application without a socket."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest

from whenabouts.core.features import FeatureSequence
from whenabouts.core.files import write_json
from whenabouts.core.progress import Silent
from whenabouts.core.video import Video
from whenabouts.data.manifest import Entry, FileStamp, Manifest, RatedSegment, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings
from whenabouts.data.worlds.features import WorldShape, planted_world
from whenabouts.localizers import WinnersOut
from whenabouts.localizers.finding import find_moments
from whenabouts.media.writing import write_video
from whenabouts.page.server.app import make_app
from whenabouts.page.server.rooms import Rooms
from whenabouts.page.server.safety import Access

ODD_IDS = ("a/../b", "..", "café #1?&%2e%2e", "with space", "<b>bold</b>", "x" * 300, "/etc/passwd", "name\udc80")
SHAPE = WorldShape(classes=3, seconds=(12.0, 16.0), widths={"rgb": 12})
VIDEOS = 24


@dataclass(frozen=True)
class Answered:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Asks an ASGI application, one request at a time."""

    def __init__(self, app: Any, host: str = "127.0.0.1:8750") -> None:
        self.app, self.host = app, host

    def get(self, path: str, headers: dict[str, str] | None = None, /, **query: Any) -> Answered:
        return self.ask("GET", path, urlencode(query, doseq=True, errors="surrogatepass"), headers)

    def post(self, path: str, values: Any, headers: dict[str, str] | None = None) -> Answered:
        given = {"content-type": "application/json", **(headers or {})}
        return self.ask("POST", path, "", given, json.dumps(values).encode())

    def ask(
        self, method: str, path: str, query: str = "", headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Answered:
        given = {"host": self.host, **(headers or {})}
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in given.items() if value]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode("utf-8", "surrogatepass"), "query_string": query.encode(),
            "root_path": "", "headers": raw, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8750),
        }  # fmt: skip
        sent: list[dict[str, Any]] = []

        async def run() -> None:
            waiting = [{"type": "http.request", "body": body, "more_body": False}]

            async def receive() -> dict[str, Any]:
                return waiting.pop() if waiting else {"type": "http.disconnect"}

            async def send(message: dict[str, Any]) -> None:
                sent.append(message)

            await self.app(scope, receive, send)

        # In a thread: other tests may have a loop running in this one, as those with a browser do.
        with ThreadPoolExecutor(1) as other:
            other.submit(asyncio.run, run()).result()
        start = next(message for message in sent if message["type"] == "http.response.start")
        told = {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]}
        return Answered(start["status"], told, b"".join(message.get("body", b"") for message in sent))


def build(folder: Path, *, test_videos: int) -> Project:
    """24 videos of which the first two are files (MP4 and Matroska) and the first eight have odd ids."""
    world = planted_world(VIDEOS, np.random.default_rng(3), SHAPE)
    home = Project.create(folder)
    names = dict(zip([each.video_id for each in world.examples],
                     [*ODD_IDS, *(f"video-{number:02d}" for number in range(8, VIDEOS))], strict=True))  # fmt: skip
    entries, features = [], []
    for number, example in enumerate(world.examples):
        sequence, name = example.features["rgb"], names[example.video_id]
        path = home.folder / "videos" / f"{number:02d}{'.mkv' if number == 1 else '.mp4'}"
        seconds = sequence.grid.duration_seconds
        video = Video(name, path, duration_seconds=seconds, fps=Fraction(25), height=36, width=48)
        labels = tuple(WeakLabel(world.vocabulary.names[index], source="csv") for index in example.labels.classes)
        segments = (RatedSegment(labels[0].name, 1.0, 2.0, source="chapters"),) if number == 2 else ()
        split = "train" if number < VIDEOS - test_videos else "test"
        entries.append(Entry(video, labels, segments, split, f"Title {number:02d}", "Zoë",
                             FileStamp(1, (1_700_000_000 + number) * 10**9)))  # fmt: skip
        features.append(FeatureSequence(name, sequence.values, sequence.grid, "rgb", sequence.source))
    home.write_manifest(Manifest(tuple(entries)))
    home.write_vocabulary(world.vocabulary, VocabularySettings(min_count=1))
    home.features().append(features)
    settings = WinnersOut.Settings(epochs=3, attentions=2, rounds=1)
    model = WinnersOut.fit(world.examples, settings, Silent(), vocabulary=world.vocabulary)
    model.save(home.localizer_folder)
    write_json(
        home.moments_folder / "moments.json", find_moments(model, entries, home.features(), Silent()).moments.to_json()
    )
    database: dict[str, Any] = {}
    for moment in world.truth:
        place = database.setdefault(names[moment.video_id], {"subset": "validation", "annotations": []})
        place["annotations"].append({"segment": [moment.start_seconds, moment.end_seconds], "label": moment.concept})
    write_json(home.truth_path, {"database": database})
    frames = [np.full((36, 48, 3), 20 * second, np.uint8) for second in range(12)]
    for entry in entries[:2]:
        write_video(entry.video.path, frames, [float(second) for second in range(12)], rate=Fraction(1))
    return home


@pytest.fixture(scope="session")
def project_maker(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Project]:
    """Makes a project of its own in a folder, copied from one that is built once."""
    built: dict[int, Path] = {}

    def make(folder: Path, *, test_videos: int = 0) -> Project:
        if test_videos not in built:
            built[test_videos] = build(tmp_path_factory.mktemp("served") / "project", test_videos=test_videos).folder
        shutil.copytree(built[test_videos], folder)
        return Project.open(folder)

    return make


@pytest.fixture
def project(project_maker: Callable[..., Project], tmp_path: Path) -> Project:
    return project_maker(tmp_path / "project")


@pytest.fixture
def rooms(project: Project) -> Iterator[Rooms]:
    made = Rooms(project, device="cpu")
    yield made
    made.close()


@pytest.fixture
def client(rooms: Rooms) -> Client:
    return Client(make_app(rooms, Access.of("127.0.0.1")))


@pytest.fixture
def client_of() -> Callable[[Rooms, Access], Client]:
    """A client of rooms with another access."""
    return lambda rooms, access: Client(make_app(rooms, access))
