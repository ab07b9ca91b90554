"""The feature store: whole or not at all, newest wins, several writers, broken files."""

import itertools
import json
import multiprocessing
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whenabouts.core.errors import FeatureMismatch, InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.timing import TimeGrid
from whenabouts.data import shards
from whenabouts.data.feature_store import FeatureStore


def features(
    video_id: str, value: float = 0.0, *, steps: int = 4, width: int = 3, modality: str = "rgb", source: str = "net@1",
    dtype: str = "float32",
) -> FeatureSequence:  # fmt: skip
    grid = TimeGrid(0.0, 0.5, 1.0, steps, steps * 0.5 + 0.1)
    values = (np.arange(steps * width).reshape(steps, width) + value).astype(dtype)
    return FeatureSequence(video_id, values, grid, modality, source)


def same(one: FeatureSequence, other: FeatureSequence) -> bool:
    return (
        (one.video_id, one.grid, one.modality, one.source) == (other.video_id, other.grid, other.modality, other.source)
        and one.values.dtype == other.values.dtype
        and np.array_equal(one.values, other.values)
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8"])
def test_what_is_written_is_read(tmp_path: Path, dtype: str) -> None:
    wanted = [features(f"v{k}", k, steps=k, dtype=dtype) for k in range(4)]
    assert FeatureStore(tmp_path).append(wanted) == 4
    store = FeatureStore(tmp_path)
    assert store.video_ids("rgb") == ("v0", "v1", "v2", "v3")
    assert all(same(store.read(item.video_id, "rgb"), item) for item in wanted)
    assert store.width("rgb") == 3
    assert store.source("rgb") == "net@1"
    assert store.grid("v2", "rgb") == wanted[2].grid


def test_read_values_can_be_changed_without_harm(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    store.append([features("a")])
    store.read("a", "rgb").values[:] = 7
    assert same(store.read("a", "rgb"), features("a"))


def test_modalities_do_not_mix(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    store.append([features("a", modality="rgb"), features("a", modality="audio", width=5), features("b", 1)])
    assert store.modalities() == ("audio", "rgb")
    assert store.video_ids("audio") == ("a",)
    assert (store.width("rgb"), store.width("audio")) == (3, 5)
    assert store.has("b", "rgb")
    assert not store.has("b", "audio")


def test_newest_wins_in_this_process_and_after_opening(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    for value in (1, 2, 3):
        store.append([features("a", value)])
    assert same(store.read("a", "rgb"), features("a", 3))
    assert same(FeatureStore(tmp_path).read("a", "rgb"), features("a", 3))


def test_newest_wins_although_the_clock_was_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FeatureStore(tmp_path).append([features("a", 1)])
    monkeypatch.setattr(time, "time_ns", lambda: 5)
    FeatureStore(tmp_path).append([features("a", 2)])
    assert same(FeatureStore(tmp_path).read("a", "rgb"), features("a", 2))


def test_has_can_ask_for_source_and_age(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    before = time.time_ns()
    store.append([features("a", source="net@1")])
    assert store.has("a", "rgb", source="net@1", newer_than_ns=before - 1)
    assert not store.has("a", "rgb", source="net@2")
    assert not store.has("a", "rgb", newer_than_ns=time.time_ns())


def test_two_makers_or_widths_in_one_modality_are_told(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    store.append([features("a"), features("b", source="net@2", width=7)])
    with pytest.raises(FeatureMismatch, match=r"net@1 \(1 videos\), net@2 \(1 videos\)"):
        store.source("rgb")
    with pytest.raises(FeatureMismatch, match=r"3 \(1 videos\), 7 \(1 videos\)"):
        store.width("rgb")
    with pytest.raises(FeatureMismatch, match="nothing"):
        store.width("audio")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_and_the_rest_is_kept(tmp_path: Path, bad: float) -> None:
    spoilt = features("spoilt")
    spoilt.values[2, 1] = bad
    with FeatureStore(tmp_path).writer(flush_count=10) as writer:
        writer.add(features("before"))
        with pytest.raises(InvalidData, match=r"spoilt: rgb features hold .* at step 2, column 1"):
            writer.add(spoilt)
        writer.add(features("after"))
    assert FeatureStore(tmp_path).video_ids("rgb") == ("after", "before")


def test_a_number_format_that_can_not_be_kept_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="int64; the store keeps float16"):
        FeatureStore(tmp_path).append([features("a", dtype="int64")])


def test_unknown_video_says_what_to_do(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "absent")
    assert store.modalities() == ()
    with pytest.raises(InvalidData, match=r"no rgb features of 'a' \(modalities there: none at all\).*extract"):
        store.read("a", "rgb")


def test_an_error_in_the_work_keeps_what_was_added(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    with pytest.raises(KeyboardInterrupt), store.writer(flush_count=100) as writer:
        writer.add(features("a"))
        raise KeyboardInterrupt
    assert FeatureStore(tmp_path).video_ids("rgb") == ("a",)


def test_a_writer_flushes_by_count_and_by_size(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    with store.writer(flush_count=3, flush_bytes=10**9) as writer:
        for k in range(7):
            writer.add(features(f"v{k}"))
    assert len(list(tmp_path.glob("*.safetensors"))) == 3
    with store.writer(flush_count=100, flush_bytes=4 * 12 * 2) as writer:
        for k in range(4):
            writer.add(features(f"w{k}"))
        assert len(list(tmp_path.glob("*.safetensors"))) == 5


def _append_many(folder: Path, first: int) -> None:
    store = FeatureStore(folder)
    with store.writer() as writer:
        for k in range(first, first + 40):
            writer.add(features(f"v{k}", k))


def test_two_processes_append_without_harm(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append_many, args=(tmp_path, first)) for first in (0, 30)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    store = FeatureStore(tmp_path)
    assert store.video_ids("rgb") == tuple(sorted(f"v{k}" for k in range(70)))
    assert all(same(store.read(f"v{k}", "rgb"), features(f"v{k}", k)) for k in range(70))
    assert not store.broken


def _append_for_ever(folder: Path) -> None:
    store = FeatureStore(folder)
    with store.writer() as writer:
        for k in itertools.count(len(store.video_ids("rgb"))):
            writer.add(features(f"v{k}", k, steps=500, width=64))
            if k % 50 == 49:
                store.compact()


def test_a_killed_process_loses_at_most_one_video(tmp_path: Path) -> None:
    before = 0
    for pause in (0.03, 0.1, 0.2):
        seen = set(tmp_path.iterdir())
        worker = multiprocessing.get_context("spawn").Process(target=_append_for_ever, args=(tmp_path,))
        worker.start()
        until = time.monotonic() + 60
        while set(tmp_path.iterdir()) <= seen and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(pause)
        worker.kill()
        worker.join()
        store = FeatureStore(tmp_path)
        count = len(store.video_ids("rgb"))
        assert not store.broken
        assert count >= before
        # No gap: whatever came before the last video is there, and whole.
        assert all(float(store.read(f"v{k}", "rgb").values[0, 0]) == k for k in range(count))
        before = count
    assert before > 2


def test_parts_of_killed_writers_are_not_seen(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    store.append([features("a")])
    whole = next(tmp_path.glob("*.safetensors"))
    part = tmp_path / ".0.0123456789ab.part"
    part.mkdir()
    (part / whole.name).write_bytes(whole.read_bytes()[:50])
    again = FeatureStore(tmp_path)
    assert again.video_ids("rgb") == ("a",)
    assert not again.broken
    again.compact()
    assert [path.name for path in tmp_path.iterdir()] == [whole.name]


def test_a_shard_that_another_process_merges_at_once_is_found_where_it_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FeatureStore(tmp_path).append([features("a")])
    store, plain = FeatureStore(tmp_path), shards.write_shard

    def merged_at_once(folder: Path, items: list[shards.Written]) -> Path:
        path = plain(folder, items)
        monkeypatch.undo()
        assert FeatureStore(folder).compact() == 1
        assert not path.exists()
        return path

    monkeypatch.setattr(shards, "write_shard", merged_at_once)
    store.append([features("b")])
    assert store.video_ids("rgb") == ("a", "b")
    assert len(store.read("b", "rgb")) == len(features("b"))


def test_times_of_writing_pass_the_time_that_a_file_was_found_changed(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    ahead = time.time_ns() + 10**15
    with store.writer(after_ns=ahead) as writer:
        writer.add(features("a"))
    assert store.has("a", "rgb", newer_than_ns=ahead)
    assert store.newest_ns > ahead


def test_every_cut_of_a_shard_is_noticed_and_told(tmp_path: Path) -> None:
    FeatureStore(tmp_path).append([features("a", steps=9), features("b")])
    path = next(tmp_path.glob("*.safetensors"))
    content = path.read_bytes()
    cuts = [0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1]
    for cut in cuts:
        path.write_bytes(content[:cut])
        store = FeatureStore(tmp_path)
        assert list(store.broken) == [path]
        assert not store.has("a", "rgb")
        with pytest.raises(InvalidData, match=re.escape(str(path))) as told:
            store.read("a", "rgb")
        assert "Delete it and run `whenabouts extract` again" in str(told.value)


def test_a_shard_cut_after_opening_is_told(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    store.append([features("a", steps=9)])
    path = next(tmp_path.glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InvalidData, match=r"cut off: a needs 108 bytes, 103 found"):
        store.read("a", "rgb")


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_damaged_header_never_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("store")
    FeatureStore(folder).append([features("a")])
    path = next(folder.glob("*.safetensors"))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 49))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    store = FeatureStore(folder)
    for modality in store.modalities():
        for video_id in store.video_ids(modality):
            assert store.read(video_id, modality).values.shape[0] == store.grid(video_id, modality).steps


def test_a_flipped_bit_in_the_values_is_told_and_survives_no_merging(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    for name in "abc":
        store.append([features(name)])
    path = sorted(tmp_path.iterdir())[1]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    store = FeatureStore(tmp_path)
    with pytest.raises(InvalidData, match=r"the values of b are not those that were written.*Delete it"):
        store.read("b", "rgb")
    assert store.compact() == 1
    assert len(list(tmp_path.iterdir())) == 2
    assert path.read_bytes() == content
    assert list(store.broken) == [path]
    assert same(store.read("a", "rgb"), features("a"))
    assert same(store.read("c", "rgb"), features("c"))


def test_shards_that_were_written_without_checksums_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = json.dumps
    monkeypatch.setattr(shards.json, "dumps", lambda rows, **more: whole([row[:5] for row in rows], **more))
    FeatureStore(tmp_path).append([features("a")])
    monkeypatch.undo()
    assert same(FeatureStore(tmp_path).read("a", "rgb"), features("a"))


def test_a_foreign_safetensors_file_is_named(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"weight": np.zeros(3, np.float32)}, tmp_path / "model.safetensors")
    store = FeatureStore(tmp_path)
    assert list(store.broken) == [tmp_path / "model.safetensors"]
    store.append([features("a")])
    assert store.has("a", "rgb")


def test_compacting_keeps_the_newest_and_saves_files(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    with store.writer() as writer:
        for k in range(20):
            writer.add(features(f"v{k % 15}", k))
    assert len(list(tmp_path.glob("*.safetensors"))) == 20
    assert store.compact() == 19
    for opened in (store, FeatureStore(tmp_path)):
        assert len(opened.video_ids("rgb")) == 15
        assert same(opened.read("v3", "rgb"), features("v3", 18))
        assert same(opened.read("v9", "rgb"), features("v9", 9))
    assert store.compact() == 0


def test_compacting_makes_shards_of_about_the_target_size(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    with store.writer() as writer:
        for k in range(10):
            writer.add(features(f"v{k}", k))
    store.compact(target_bytes=48 * 4)
    assert len(list(tmp_path.glob("*.safetensors"))) == 3
    assert store.compact(target_bytes=48 * 4) == 0


@pytest.mark.parametrize("unlinks", [0, 1, 3])
def test_a_kill_while_compacting_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unlinks: int) -> None:
    store = FeatureStore(tmp_path)
    with store.writer() as writer:
        for k in range(6):
            writer.add(features(f"v{k % 4}", k))
    left, remove = [unlinks], Path.unlink

    def dying(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".safetensors":
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
        remove(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "unlink", dying)
        store.compact()
    again = FeatureStore(tmp_path)
    assert [float(again.read(f"v{k}", "rgb").values[0, 0]) for k in range(4)] == [4, 5, 2, 3]
    again.compact()
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    assert [float(again.read(f"v{k}", "rgb").values[0, 0]) for k in range(4)] == [4, 5, 2, 3]


def test_a_reader_goes_on_while_another_process_compacts(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    with store.writer() as writer:
        for k in range(3):
            writer.add(features(f"v{k}", k))
    FeatureStore(tmp_path).compact()
    assert same(store.read("v1", "rgb"), features("v1", 1))


def test_refresh_shows_what_others_wrote(tmp_path: Path) -> None:
    reader = FeatureStore(tmp_path)
    FeatureStore(tmp_path).append([features("a")])
    assert not reader.has("a", "rgb")
    reader.refresh()
    assert reader.has("a", "rgb")


def test_ten_thousand_videos_open_fast(tmp_path: Path) -> None:
    FeatureStore(tmp_path).append(features(f"video {k}", k, steps=1) for k in range(10_000))
    began = time.process_time()
    store = FeatureStore(tmp_path)
    assert time.process_time() - began < 2
    assert len(store.video_ids("rgb")) == 10_000


def test_a_shard_is_plain_safetensors(tmp_path: Path) -> None:
    from safetensors import safe_open

    FeatureStore(tmp_path).append([features("ü / \udc80")])
    path = next(tmp_path.glob("*.safetensors"))
    with safe_open(path, framework="numpy") as file:
        assert file.metadata()["format"] == shards.FORMAT
        assert np.array_equal(file.get_tensor("0"), features("x").values)
    assert FeatureStore(tmp_path).video_ids("rgb") == ("ü / \udc80",)
