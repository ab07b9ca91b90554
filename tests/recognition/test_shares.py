"""Several workers on one archive make what one makes, and none does another's videos."""

import contextlib
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core.errors import FeatureMismatch, SettingsError
from whenabouts.core.locks import Claims
from whenabouts.core.progress import Silent
from whenabouts.core.video import Video
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.data.project import Project
from whenabouts.recognition.backbone import Backbone, BackboneSettings
from whenabouts.recognition.extraction import RGB, ExtractSettings, extract
from whenabouts.recognition.extraction_report import ExtractionReport
from whenabouts.recognition.shares import Share, gather
from whenabouts.recognition.taking import take_backbone
from whenabouts.training.devices import Compute

SHAPE = BackboneSettings(widths=(4,), blocks=(1,), stem=4, frames=4, rate=6.0, height=16, width=24)
CPU = Compute(torch.device("cpu"), torch.float32)


def lasting(*seconds: float) -> list[Entry]:
    return [Entry(Video(str(number), Path(f"{number}.mp4"), length)) for number, length in enumerate(seconds)]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
def test_parts_are_disjoint_and_hold_everything(count: int) -> None:
    entries = lasting(*np.random.default_rng(count).exponential(60, 30))
    parts = [Share(number, count).of(entries) for number in range(1, count + 1)]
    assert sorted(entry.id for part in parts for entry in part) == sorted(entry.id for entry in entries)
    for part in parts:
        assert part == [entry for entry in entries if entry in part]


def test_parts_are_dealt_by_length_by_hand() -> None:
    """The longest first, each to the part with the least: 9, 4 + 3 + 2; a video of unknown length counts a second."""
    entries = lasting(3, 9, 0, 2, 4)
    parts = [{entry.id for entry in Share(number, 2).of(entries)} for number in (1, 2)]
    assert sorted(map(sorted, parts)) == [["0", "3", "4"], ["1", "2"]]
    assert Share(1, 2).of(entries[::-1]) == Share(1, 2).of(entries)[::-1]


def test_more_workers_than_videos_leave_some_without_work() -> None:
    entries = lasting(3, 9, 4)
    parts = [[entry.id for entry in Share(number, 5).of(entries)] for number in range(1, 6)]
    assert parts == [["1"], ["2"], ["0"], [], []]
    assert Share(1, 999_999_999).of(entries) == [entries[1]]
    assert Share(999_999_999, 999_999_999).of(entries) == Share(1, 2).of([]) == []


@pytest.mark.parametrize("text", ["", "3", "0/3", "4/3", "1/0", "-1/2", "1/2/3", "a/b", "1/9999999999"])
def test_what_is_no_part_is_told(text: str) -> None:
    with pytest.raises(SettingsError, match="Write i/N"):
        Share.read(text)


def content(folder: Path) -> str:
    """A hash of all features, whichever files hold them."""
    store, digest = FeatureStore(folder / "features"), hashlib.sha256()
    for modality in store.modalities():
        for video_id in store.video_ids(modality):
            found = store.read(video_id, modality)
            digest.update(repr((modality, video_id, found.source, found.grid, found.values.dtype)).encode())
            digest.update(found.values.tobytes())
    return digest.hexdigest()


def started(folder: Path, shard: str) -> "subprocess.Popen[str]":
    words = ["--project", str(folder), "--shard", shard, "--workers", "1", "--device", "cpu", "--json"]
    words += ["--set", "extract.batch=2"]
    return subprocess.Popen(
        [sys.executable, "-m", "whenabouts", "extract", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(processes: "list[subprocess.Popen[str]]") -> list[dict[str, int]]:
    told = []
    for process in processes:
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        told.append(json.loads(out))
    return told


@pytest.fixture
def template(own_archive: Project, moving_video: Callable[..., None]) -> Path:
    """Four videos and a file that is none, with a backbone."""
    (own_archive.folder / "media" / "text.mp4").write_text("not a video")
    manifest = own_archive.manifest()
    broken = Entry(Video("text", own_archive.folder / "media" / "text.mp4"))
    own_archive.write_manifest(type(manifest)((*manifest, broken)))
    torch.manual_seed(5)
    Backbone(SHAPE, SHAPE.build().eval()).save(own_archive.backbone_folder)
    return own_archive.folder


def test_workers_at_the_same_time_make_what_one_makes(template: Path, tmp_path: Path) -> None:
    """Two at once; and three at once where one of two was killed before."""
    one, two, three = (shutil.copytree(template, tmp_path / name) for name in ("one", "two", "three"))
    begun = started(three, "1/2")
    limit = time.monotonic() + 120
    while not any((three / "features").glob("*.safetensors")) and begun.poll() is None and time.monotonic() < limit:
        time.sleep(0.005)
    begun.send_signal(signal.SIGKILL)
    begun.communicate()

    (alone,) = ended([started(one, "1/1")])
    assert (alone["written"], alone["unreadable"], alone["elsewhere"]) == (4, 1, 0)
    pair = ended([started(two, f"{number}/2") for number in (1, 2)])
    trio = ended([started(three, f"{number}/3") for number in (1, 2, 3)])
    assert [row["elsewhere"] for row in (*pair, *trio)] == [0] * 5
    assert sum(row["written"] for row in pair) == 4
    assert sum(row["written"] + row["done_before"] for row in trio) == 4
    assert content(one) == content(two) == content(three)
    reports = [(folder / "reports" / "extraction.json").read_bytes() for folder in (one, two, three)]
    assert reports[0] == reports[1] == reports[2]


class Refusing:
    """Claims of which another process has one."""

    def __init__(self, held: str) -> None:
        self.held, self.mine, self.dropped = held, [], []  # type: ignore[var-annotated]

    def take(self, key: str) -> bool:
        self.mine.append(key)
        return self.held not in key

    def drop(self, key: str) -> None:
        self.dropped.append(key)


def test_a_video_that_another_worker_is_at_or_has_done_is_left_to_it(template: Path, tmp_path: Path) -> None:
    backbone, entries = (
        Backbone.load(template / "models" / "backbone"),
        [entry for entry in Project(template).manifest() if entry.id != "text"],
    )
    how = ExtractSettings(batch=2, audio=False)

    def done(names: list[Entry], folder: Path, claims: Refusing | None = None, store: FeatureStore | None = None):  # type: ignore[no-untyped-def]
        kept = store or FeatureStore(folder / "features")
        report = ExtractionReport(folder / "extraction.json")
        return extract(names, backbone, how, store=kept, report=report, compute=CPU, claims=claims, progress=Silent())  # type: ignore[arg-type]

    seen_before = FeatureStore(tmp_path / "features")
    assert done(entries[:1], tmp_path).written == 1  # another process, which the store has not seen yet
    claims = Refusing(entries[1].id)
    found = done(entries, tmp_path, claims, seen_before)
    assert (found.written, found.elsewhere, found.done_before) == (2, 2, 0)
    assert FeatureStore(tmp_path / "features").video_ids(RGB) == tuple(entry.id for entry in (entries[0], *entries[2:]))
    assert len(claims.mine) == 4
    assert sorted(claims.dropped) == sorted(key for key in claims.mine if entries[1].id not in key)


def test_copies_of_a_project_are_gathered(template: Path, tmp_path: Path) -> None:
    backbone = Backbone.load(template / "models" / "backbone")
    copies = []
    for number in (1, 2):
        home = Project(shutil.copytree(template, tmp_path / f"copy {number}"))
        report = ExtractionReport(home.reports_folder / "extraction.json")
        share, store = Share(number, 2), home.features()
        extract(
            tuple(home.manifest()), backbone, ExtractSettings(batch=2), store=store, report=report, compute=CPU,
            share=share, progress=Silent(),
        )  # fmt: skip
        copies.append(home)
    whole, together = Project(template), Project(shutil.copytree(template, tmp_path / "together"))
    report = ExtractionReport(whole.reports_folder / "extraction.json")
    store = whole.features()
    extract(
        tuple(whole.manifest()), backbone, ExtractSettings(batch=2), store=store, report=report, compute=CPU,
        progress=Silent(),
    )  # fmt: skip
    assert gather(together, together.features(), copies) == 5  # four videos, and the sound of one
    assert gather(together, together.features(), copies) == 0
    assert content(together.folder) == content(whole.folder)
    rows = json.loads((together.reports_folder / "extraction.json").read_text())["videos"]
    assert [row["id"] for row in rows] == ["text"]


def test_features_of_another_backbone_or_of_other_windows_are_not_gathered(template: Path, tmp_path: Path) -> None:
    """Nothing is taken, not even from the folders that would fit; without anything of one's own copies must agree."""
    home = Project(shutil.copytree(template, tmp_path / "home"))
    entries = tuple(entry for entry in home.manifest() if entry.id != "text")

    def worker(name: str, seed: int, **how: float) -> Project:
        copy = Project(shutil.copytree(template, tmp_path / name))
        torch.manual_seed(seed)
        backbone, report = Backbone(SHAPE, SHAPE.build().eval()), ExtractionReport(tmp_path / f"{name}.json")
        settings = ExtractSettings(audio=False, **how)  # type: ignore[arg-type]
        extract(entries[:1], backbone, settings, store=copy.features(), report=report, compute=CPU, progress=Silent())
        return copy

    same, other = worker("same", 5), worker("other", 6)
    wider, denser = worker("wider", 5, window_seconds=2.0), worker("denser", 5, hop_seconds=0.25)
    for odd, told in ((other, "this project's are from r2plus1d@"), (wider, "windows of 2 s"), (denser, "each 0.25 s")):
        with pytest.raises(FeatureMismatch, match=rf"{odd.folder.name} has rgb features of .*{told}"):
            gather(home, home.features(), [same, odd])
        assert home.features().modalities() == ()
    assert gather(home, home.features(), [same]) == 1
    with pytest.raises(FeatureMismatch, match=r"Extract there again.*backbone and \[extract\]"):
        gather(home, home.features(), [denser])
    bare = Project(tmp_path / "bare")
    with pytest.raises(FeatureMismatch, match="other has rgb features"):
        gather(bare, bare.features(), [same, other])
    assert gather(bare, bare.features(), [other]) == 1


def test_the_stream_of_statistics_of_sound_is_no_backbones(template: Path) -> None:
    home = Project(template)
    with pytest.raises(SettingsError, match="holds statistics of the videos' sound"):
        take_backbone(home, "r3d_18", stream="audio")
    backbone, report = Backbone.load(home.backbone_folder), ExtractionReport(template / "extraction.json")
    with pytest.raises(SettingsError, match="statistics of the sound"):
        extract(
            tuple(home.manifest()), backbone, ExtractSettings(), store=home.features(), report=report, compute=CPU,
            stream="audio", progress=Silent(),
        )  # fmt: skip


def test_a_run_that_fails_lets_go_of_its_claims(template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its handle is closed, so that what the process was at is free, even where the process goes on."""
    closed: list[Claims] = []

    class Watched(Claims):
        def close(self) -> None:
            closed.append(self)
            super().close()

    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("whenabouts.recognition.shares.claims_of", lambda cache: Watched(cache / "extract.claims"))
    monkeypatch.setattr("whenabouts.recognition.extraction.extract", broken)
    with contextlib.suppress(KeyboardInterrupt):
        CliRunner().invoke(app, ["extract", "--project", str(template), "--device", "cpu"])
    assert len(closed) == 1
