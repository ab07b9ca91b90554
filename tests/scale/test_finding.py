"""Moments that a cluster finds are those of one machine, byte by byte, broken features and all."""

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core import Moments, Video
from whenabouts.core.progress import Silent
from whenabouts.data import shards
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.worlds.features import WorldShape, planted_world
from whenabouts.localizers import WinnersOut, load_localizer
from whenabouts.localizers.finding import Searched
from whenabouts.scale.finding import Asked, Task, _Way, worker_for
from whenabouts.scale.folders import packed

# Ray leaves handles and sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Twelve videos with features, one without, and a localizer of a few steps."""
    shape = WorldShape(classes=3, seconds=(12.0, 20.0), widths={"rgb": 16})
    world = planted_world(12, np.random.default_rng(8), shape)
    home = Project.create(tmp_path_factory.mktemp("trained") / "project")
    names = world.vocabulary.names
    entries = [
        Entry(Video(example.video_id, home.folder / f"{example.video_id}.mp4", duration_seconds=20.0),
              tuple(WeakLabel(names[index]) for index in example.labels.classes))
        for example in world.examples
    ]  # fmt: skip
    home.write_vocabulary(world.vocabulary)
    home.write_manifest(Manifest((*entries, Entry(Video("without", home.folder / "without.mp4", 20.0)))))
    home.features().append(sequence for example in world.examples for sequence in example.features.values())
    settings = WinnersOut.Settings(epochs=2, attentions=3)
    WinnersOut.fit(world.examples, settings, Silent(), vocabulary=world.vocabulary).save(home.localizer_folder)
    return home


def found(folder: Path, *words: str) -> dict[str, Any]:
    told = CliRunner().invoke(app, ["find", "--project", str(folder), "--device", "cpu", "--json", *words])
    assert told.exit_code == 0, told.output
    # The cluster of all tests lives on after the command, and Ray may tell of nodes that earlier tests have stopped.
    return dict(json.loads(told.stdout.splitlines()[-1]))


def with_a_broken_video(home: Project, folder: Path) -> Project:
    """A copy in which the features of the video that stands last are not those that were written."""
    copy = Project(shutil.copytree(home.folder, folder))
    (shard,) = copy.features_folder.glob("*.safetensors")
    content = bytearray(shard.read_bytes())
    content[-3] ^= 255
    shard.write_bytes(content)
    return copy


WORDS = ("--set", "train.winners_share=0.5")


def check_the_same(here: Project, alone: dict[str, Any], there: Project, together: dict[str, Any]) -> None:
    assert alone["left_out"] == together["left_out"] == {"without features": 1, "broken features": 1}
    assert alone["videos"] == together["videos"] == 11
    assert alone["moments"] > 0
    assert [alone[name] for name in ("moments", "covered")] == [together[name] for name in ("moments", "covered")]
    written = [(project.moments_folder / "moments.json").read_bytes() for project in (here, there)]
    assert written[0] == written[1]


def count_readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The videos whose features this process reads; workers are other processes."""
    read, real = list[str](), shards.read_values
    monkeypatch.setattr(shards, "read_values", lambda record: read.append(record.video_id) or real(record))
    return read


def test_a_cluster_finds_what_one_machine_finds(
    cluster: Any, trained: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One video has no features, and those of another are broken; workers see the folder, and read the others."""
    home = with_a_broken_video(trained, tmp_path / "here")
    there = Project(shutil.copytree(home.folder, tmp_path / "there"))
    alone = found(home.folder, *WORDS)
    read = count_readings(monkeypatch)
    together = found(there.folder, "--on", "ray", *WORDS)
    check_the_same(home, alone, there, together)
    store = home.features()
    (broken,) = set(read)
    assert broken == max(store.video_ids("rgb"), key=lambda name: store.record(name, "rgb").offset)


def test_features_that_workers_do_not_see_are_sent(
    cluster: Any, trained: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder bears a name that means another one in each process."""
    home = with_a_broken_video(trained, tmp_path / "here")
    there = Project(shutil.copytree(home.folder, tmp_path / "there"))
    alone = found(home.folder, *WORDS)
    read = count_readings(monkeypatch)
    monkeypatch.chdir(there.folder)
    together = found(Path("/proc/self/cwd"), "--on", "ray", *WORDS)
    check_the_same(home, alone, there, together)
    assert sorted(read) == sorted(home.features().video_ids("rgb"))


def test_a_worker_takes_nothing_but_what_is_asked_for(trained: Project, tmp_path: Path) -> None:
    """Files that are missing, cut off or others give no moments; the very features give those of this process."""
    home = Project(shutil.copytree(trained.folder, tmp_path / "here"))
    store = home.features()
    first, second, *_ = store.video_ids("rgb")
    record, other = store.record(first, "rgb"), store.record(second, "rgb")
    work = worker_for(Task(packed(home.localizer_folder), {}, "cpu"))
    (told,) = work((Asked(0, first, {"rgb": record}),))
    features = {"rgb": store.read(first, "rgb")}
    expected = load_localizer(home.localizer_folder, device="cpu").localize(features)
    assert isinstance(told, Moments)
    assert told.to_json() == expected.to_json() == work((Asked(0, first, features),))[0].to_json()
    elsewhere = [record.shard.with_name("none.safetensors"), tmp_path, tmp_path / "short"]
    (tmp_path / "short").write_bytes(record.shard.read_bytes()[: record.offset + 8])
    wrong = [*(replace(record, shard=place) for place in elsewhere), replace(record, offset=other.offset)]
    assert work(tuple(Asked(0, first, {"rgb": one}) for one in wrong)) == [None] * 4
    content = bytearray(record.shard.read_bytes())
    content[record.offset] ^= 1
    record.shard.write_bytes(content)
    assert work((Asked(0, first, {"rgb": record}), Asked(1, second, {"rgb": other})))[0] is None


def names_of(way: _Way, count: int) -> list[list[tuple[int, str]]]:
    """The next jobs: the videos' numbers, and whether features or places go out."""
    jobs = itertools.islice(way.jobs(), count)
    return [[(asked.number, type(asked.features["rgb"]).__name__) for asked in job] for job in jobs]


def test_features_go_out_once_places_have_gone_in_vain(trained: Project) -> None:
    """More than three without a reading; one that a worker has read makes up for one."""
    store = trained.features()
    videos = [Searched(name, store, ("rgb",), 1.0) for name in store.video_ids("rgb")]
    way, nothing = _Way(iter(videos)), Moments.concatenate([], trained.vocabulary())
    asked = next(way.jobs())
    assert [type(one.features["rgb"]).__name__ for one in asked] == ["Record"] * 8
    for one, result in zip(asked, (nothing, None, None, None, None, None, nothing, nothing), strict=True):
        way.take(one, result)
    assert [video.video_id for video, _ in way.ready()] == [videos[0].video_id]
    sent = [[(number, "FeatureSequence")] for number in (1, 2, 3, 4, 5)]
    assert names_of(way, 6) == [*sent, [(number, "Record") for number in (8, 9, 10, 11)]]


def test_features_without_a_sum_are_sent(trained: Project) -> None:
    """Files of before there were such sums: no worker could check what it sees."""

    class Old(FeatureStore):
        def record(self, video_id: str, modality: str) -> shards.Record:
            return replace(super().record(video_id, modality), crc32=None)

    store = Old(trained.features_folder)
    way = _Way(iter([Searched(name, store, ("rgb",), 1.0) for name in store.video_ids("rgb")[:2]]))
    assert names_of(way, 9) == [[(0, "FeatureSequence")], [(1, "FeatureSequence")]]
    assert not way.has_more
