"""Projects in an object store: on a server that speaks S3, started here, and in other stores of fsspec's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core.errors import InvalidData, ProjectError, SettingsError
from whenabouts.core.features import FeatureSequence
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Silent
from whenabouts.core.timing import TimeGrid
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.object_store import FORMAT, VERSIONS, Copied, ObjectStore, Version, put, take
from whenabouts.data.project import Project

pytest.importorskip("fsspec", reason="needs fsspec: pip install 'whenabouts[cluster]'")
# The server and s3fs leave sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def bucket(object_server: Any) -> str:
    """A bucket of a server that speaks S3."""
    return str(object_server.bucket("copies"))


def features_of(video_id: str, seed: int, steps: int = 5) -> FeatureSequence:
    values = np.random.default_rng(seed).standard_normal((steps, 4)).astype(np.float32)
    return FeatureSequence(video_id, values, TimeGrid(0.0, 0.5, 1.0, steps, 2.5), "rgb", "net@1")


def filled(folder: Path) -> Project:
    """A manifest, a vocabulary, features, a model's files and moments."""
    home = Project.create(folder)
    vocabulary = Vocabulary(("jump", "run"))
    entries = [Entry(Video(name, folder / "media" / f"{name}.mp4", 2.5), (WeakLabel("jump"),)) for name in ("a", "b")]
    home.write_manifest(Manifest(tuple(entries)))
    home.write_vocabulary(vocabulary)
    home.features().append(features_of(name, number) for number, name in enumerate(("a", "b")))
    model = home.models_folder / "localizer"
    model.mkdir(parents=True)
    (model / "card.json").write_text("{}\n")
    (model / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    found = Moments(
        np.array(["a"]), np.array([[0.5, 1.5]]), np.array([1]), np.array([0.7]), np.array(["found"]), vocabulary
    )
    home.moments_folder.mkdir()
    (home.moments_folder / "moments.json").write_text(json.dumps(found.to_json()))
    (home.cache_folder).mkdir()
    (home.cache_folder / "frames").write_bytes(b"can be made again")
    (home.features_folder / ".half.0123456789ab.part").mkdir()
    return home


def same(one: Project, other: Project) -> None:
    assert one.manifest().ids == other.manifest().ids
    assert one.vocabulary().names == other.vocabulary().names
    for name in one.manifest().ids:
        np.testing.assert_array_equal(
            one.features().read(name, "rgb").values, other.features().read(name, "rgb").values
        )
    for name in ("models/localizer/model.safetensors", "moments/moments.json"):
        assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes()


def test_a_project_goes_there_and_comes_back(bucket: str, tmp_path: Path) -> None:
    """The second time nothing goes over the net; what is changed does, and what is gone goes there, too."""
    home, address = filled(tmp_path / "home"), f"{bucket}/there"
    copied = put(home.folder, address, Silent())
    assert (copied.files, copied.same) == (6, 0)
    assert put(home.folder, address, Silent()) == Copied(0, 6, 0)
    other = Project.create(tmp_path / "other")
    assert take(address, other.folder, Silent()).files == 6
    same(home, other)
    assert not other.cache_folder.exists()
    assert take(address, other.folder, Silent()) == Copied(0, 6, 0)

    (shard,) = home.features_folder.glob("*.safetensors")
    home.features().append([features_of("a", 7), features_of("b", 8)])
    home.features().compact()
    assert not shard.exists()
    (home.moments_folder / "moments.json").unlink()
    changed = put(home.folder, address, Silent())
    assert (changed.files, changed.same) == (1, 4)
    third = Project.create(tmp_path / "third")
    assert take(address, third.folder, Silent()).files == 5
    assert not (third.moments_folder / "moments.json").exists()
    np.testing.assert_array_equal(third.features().read("a", "rgb").values, features_of("a", 7).values)


def test_copies_are_gathered_from_there(bucket: str, tmp_path: Path) -> None:
    """What a worker elsewhere has extracted comes by way of the store."""
    home, worker = filled(tmp_path / "home"), filled(tmp_path / "worker")
    worker.features().append([features_of("b", 9)])
    put(worker.folder, f"{bucket}/worker", Silent())
    words = ["extract", "--project", str(home.folder), "--gather", f"{bucket}/worker", "--json"]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    np.testing.assert_array_equal(home.features().read("b", "rgb").values, features_of("b", 9).values)


def test_the_verb_goes_both_ways(bucket: str, tmp_path: Path) -> None:
    home, address = filled(tmp_path / "home"), f"{bucket}/verb/"
    there = CliRunner().invoke(app, ["sync", address, "--project", str(home.folder), "--json"])
    assert there.exit_code == 0, there.output
    assert json.loads(there.stdout.splitlines()[-1])["files"] == 6
    back = CliRunner().invoke(app, ["sync", address, "--back", "--project", str(tmp_path / "back"), "--json"])
    assert back.exit_code == 0, back.output
    same(home, Project(tmp_path / "back"))


def test_what_is_damaged_there_never_gets_its_name_here(bucket: str, tmp_path: Path) -> None:
    import s3fs

    home, address = filled(tmp_path / "home"), f"{bucket}/damaged"
    put(home.folder, address, Silent())
    (model,) = s3fs.S3FileSystem().glob("copies/damaged/models/localizer/model.safetensors.*")
    s3fs.S3FileSystem().pipe_file(model, b"other bytes")
    other = tmp_path / "other"
    with pytest.raises(InvalidData, match=r"model\.safetensors is not what was put there"):
        take(address, other, Silent())
    assert not (other / "models" / "localizer" / "model.safetensors").exists()
    assert not (other / "manifest.jsonl").exists()
    s3fs.S3FileSystem().rm_file(model)
    with pytest.raises(InvalidData, match="is noted, but is not there"):
        take(address, other, Silent())


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside", "..\\outside", ""])
def test_notes_lead_nowhere_outside(name: str, tmp_path: Path) -> None:
    there = tmp_path / "there" / VERSIONS
    there.mkdir(parents=True)
    (there / "0000000001.json").write_text(json.dumps({"format": FORMAT, "files": {name: "0", "manifest.jsonl": "0"}}))
    with pytest.raises(InvalidData, match="outside the project"):
        take((tmp_path / "there").as_uri(), tmp_path / "here" / "project", Silent())
    assert not (tmp_path / "here").exists() or not list((tmp_path / "here").rglob("outside"))


@pytest.mark.parametrize(
    "name",
    [
        ".git/hooks/post-checkout",
        "media/a.mp4",
        ".sync/state.json",
        "models/.hidden/a",
        "features",
        "setup.py",
        "models/\0",
    ],
)
def test_notes_name_nothing_but_what_projects_are_made_of(name: str, tmp_path: Path) -> None:
    there = tmp_path / "there" / VERSIONS
    there.mkdir(parents=True)
    (there / "0000000001.json").write_text(json.dumps({"format": FORMAT, "files": {name: "0", "manifest.jsonl": "0"}}))
    with pytest.raises(InvalidData, match="none of a project's"):
        take((tmp_path / "there").as_uri(), tmp_path / "here", Silent())
    assert not (tmp_path / "here").exists()


def test_who_reads_a_version_that_others_replace_takes_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The objects of the first are gone by then."""
    home, address = filled(tmp_path / "home"), (tmp_path / "there").as_uri()
    put(home.folder, address, Silent())
    weights, inner, asked = home.models_folder / "localizer" / "model.safetensors", ObjectStore.take, list[str]()

    def take_late(store: ObjectStore, name: str, digest: str, path: Path) -> int:
        asked.append(name)
        if len(asked) == 2:
            weights.write_bytes(b"others")
            put(home.folder, address, Silent())
        return inner(store, name, digest, path)

    monkeypatch.setattr(ObjectStore, "take", take_late)
    copied = take(address, tmp_path / "other", Silent())
    same(home, Project(tmp_path / "other"))
    assert (copied.files, copied.same) == (6, 0)
    assert len(asked) > 6


def test_what_is_no_project_and_no_address_is_told(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="There is no project at"):
        take(f"{bucket}/nothing", tmp_path, Silent())
    with pytest.raises(ProjectError, match="no manifest"):
        put(tmp_path, f"{bucket}/nothing", Silent())
    with pytest.raises(SettingsError, match="no address that fsspec speaks"):
        take("nonsense://somewhere", tmp_path, Silent())
    (tmp_path / "there" / VERSIONS).mkdir(parents=True)
    (tmp_path / "there" / VERSIONS / "0000000001.json").write_text("[1]")
    with pytest.raises(InvalidData, match="can't be read"):
        take((tmp_path / "there").as_uri(), tmp_path / "here", Silent())
    told = CliRunner().invoke(app, ["sync", str(tmp_path / "folder"), "--project", str(tmp_path)])
    assert told.exit_code != 0


def test_of_two_that_put_the_next_version_one_is_told(bucket: str, tmp_path: Path) -> None:
    """So is who comes so late that the number of his version is free again; old versions go, and their objects."""
    import s3fs

    store = ObjectStore(f"{bucket}/versions")
    assert store.latest() == Version()
    file = tmp_path / "a"
    file.write_text("a")
    store.put(file, "a", "0" * 64)
    assert store.commit(Version(), {"a": "0" * 64})
    first = store.latest()
    assert first == Version(1, {"a": "0" * 64})
    assert not store.commit(Version(), {})
    assert store.commit(first, {})
    assert s3fs.S3FileSystem().glob("copies/versions/a*") == []
    assert not store.commit(first, {"b": "1" * 64})
    for number in range(3, 14):
        assert store.commit(store.latest(), {"b": str(number) * 32})
    listed = s3fs.S3FileSystem().ls(f"copies/versions/{VERSIONS}", detail=False)
    assert sorted(int(path[-15:-5]) for path in listed) == list(range(4, 14))
    assert not store.commit(first, {"c": "2" * 64})
    assert store.latest() == Version(13, {"b": "13" * 32})
    assert len(s3fs.S3FileSystem().ls(f"copies/versions/{VERSIONS}", detail=False)) == 10


def test_a_store_that_refuses_is_told(object_server: Any, bucket: str, tmp_path: Path) -> None:
    home = filled(tmp_path / "home")
    object_server.forbidden.add("/refused/")
    try:
        with pytest.raises(ProjectError, match="Access Denied"):
            put(home.folder, f"{bucket}/refused", Silent())
    finally:
        object_server.forbidden.clear()
    with pytest.raises(ProjectError, match="does not answer as it should"):
        put(home.folder, "s3://no-such-bucket/project", Silent())
