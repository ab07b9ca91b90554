import importlib
import json
import math
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from whenabouts.core.progress import Silent
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project
from whenabouts.media.probe import probe
from whenabouts.media.writing import Encoding, Sound, write_video
from whenabouts.recognition import window_source
from whenabouts.recognition.backbone import Backbone, BackboneSettings
from whenabouts.recognition.extraction import AUDIO, RGB, Extracted, ExtractSettings, computed, extract
from whenabouts.recognition.extraction_report import ExtractionReport
from whenabouts.recognition.frame_cache import FrameCache, FrameFormat
from whenabouts.recognition.window_source import End, Finished, Windows
from whenabouts.training.devices import Compute

CPU = Compute(torch.device("cpu"), torch.float32)
SHAPE = BackboneSettings(widths=(4, 8), blocks=(1, 1), stem=4, frames=4, rate=6.0, height=16, width=24)
HOW = ExtractSettings(hop_seconds=0.5, batch=3, storage="float32")
WINDOW = 4 / 6


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    torch.manual_seed(2)
    return Backbone(SHAPE, SHAPE.build().eval(), None, Vocabulary(()))


def extracted(
    entries: Manifest | list[Entry],
    backbone: Backbone,
    folder: Path,
    how: ExtractSettings = HOW,
    *,
    workers: int = 1,
    cache: Path | None = None,
) -> tuple[FeatureStore, ExtractionReport, Extracted]:
    store, report = FeatureStore(folder / "features"), ExtractionReport(folder / "extraction.json")
    done = extract(
        tuple(entries),
        backbone,
        how,
        store=store,
        report=report,
        compute=CPU,
        cache=cache,
        workers=workers,
        progress=Silent(),
    )
    return store, report, done


def assert_same(one: FeatureStore, other: FeatureStore) -> None:
    assert one.modalities() == other.modalities()
    compared = 0
    for modality in one.modalities():
        assert one.video_ids(modality) == other.video_ids(modality)
        for video_id in one.video_ids(modality):
            first, second = one.read(video_id, modality), other.read(video_id, modality)
            assert first.grid == second.grid
            np.testing.assert_array_equal(first.values, second.values)
            compared += 1
    assert compared > 0


def test_every_video_gets_a_row_per_step_from_this_backbone(
    archive: Project, backbone: Backbone, tmp_path: Path
) -> None:
    store, report, done = extracted(archive.manifest(), backbone, tmp_path)
    assert (done.written, done.done_before, done.failed_before) == (20, 0, 0)
    assert store.video_ids(RGB) == archive.manifest().ids
    assert store.video_ids(AUDIO) == ("video 00",)
    for entry in archive.manifest():
        found = store.read(entry.id, RGB)
        assert found.grid.window_seconds == pytest.approx(WINDOW)
        assert found.grid.duration_seconds == pytest.approx(entry.video.duration_seconds)
        assert len(found) == math.ceil((entry.video.duration_seconds - 0.25) / 0.5 - 1e-9)
        assert (found.width, found.source) == (8, backbone.source)
        found.check_finite()
    assert done.steps == sum(len(store.read(video_id, RGB)) for video_id in store.video_ids(RGB))
    assert report.count("partial") == report.count("unreadable") == 0


@pytest.mark.parametrize("workers", [2, 4])
def test_the_number_of_workers_changes_nothing(
    archive: Project, backbone: Backbone, tmp_path: Path, workers: int
) -> None:
    one, _, _ = extracted(archive.manifest(), backbone, tmp_path / "one")
    many, _, _ = extracted(archive.manifest(), backbone, tmp_path / "many", workers=workers)
    assert_same(one, many)


def test_cached_frames_give_the_same_features(archive: Project, backbone: Backbone, tmp_path: Path) -> None:
    entries = list(archive.manifest())[:3]
    frames = FrameCache(tmp_path / "cache" / "frames", FrameFormat(SHAPE.rate, *SHAPE.box))
    for entry in entries[:2]:
        frames.add(entry.video)
    one, _, _ = extracted(entries, backbone, tmp_path / "one")
    other, _, _ = extracted(entries, backbone, tmp_path / "other", cache=tmp_path / "cache")
    assert_same(one, other)


@pytest.mark.parametrize("start", [0.0, 1.5])
def test_a_flash_and_a_beep_land_in_the_steps_of_their_second(backbone: Backbone, tmp_path: Path, start: float) -> None:
    """At 7.2 s of a video whose clock may begin later, the picture is white and a tone sounds for 0.4 s."""
    flash, length, rate = 7.2, 12.0, 25
    times = [start + k / rate for k in range(round(length * rate))]
    light = [255 if flash <= k / rate < flash + 0.4 else 0 for k in range(len(times))]
    wave = np.zeros(round(length * 16000), np.float32)
    tone = slice(round(flash * 16000), round((flash + 0.4) * 16000))
    wave[tone] = 0.8 * np.sin(np.arange(tone.stop - tone.start) * 0.4)
    encoding = Encoding(options={"preset": "ultrafast", "threads": "1"})
    pictures = (np.full((32, 48, 3), value, np.uint8) for value in light)
    sound = Sound(wave, start_seconds=start)
    write_video(tmp_path / "flash.mp4", pictures, times, rate=Fraction(rate), encoding=encoding, sound=sound)
    store, _, _ = extracted([Entry(probe(tmp_path / "flash.mp4"))], backbone, tmp_path)
    grid = store.grid("flash", RGB)
    middle = int(grid.step_at(flash + 0.2))
    for modality in (RGB, AUDIO):
        found = store.read("flash", modality)
        assert found.grid == grid
        change = np.abs(found.values - found.values[2]).max(axis=1)
        touched = np.flatnonzero(change > 0.05 * change.max())
        windows = grid.start_seconds + np.arange(grid.steps) * 0.5
        overlapping = np.flatnonzero((windows < flash + 0.4) & (windows + WINDOW > flash))
        assert middle in touched
        assert set(touched) <= {*overlapping, overlapping[0] - 1, overlapping[-1] + 1}
        assert abs(float(grid.centre(touched).mean()) - (flash + 0.2)) < 0.3, modality


def test_broken_and_partial_videos_are_told_of_and_kept_from_silent_retries(
    backbone: Backbone, tmp_path: Path, moving_video: Callable[..., None]
) -> None:
    moving_video(tmp_path / "good.mp4", 4.0, 2, seed=1)
    content = (tmp_path / "good.mp4").read_bytes()
    moving_video(tmp_path / "cut.mkv", 4.0, 2, seed=1)
    cut = (tmp_path / "cut.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(cut[: len(cut) * 6 // 10])
    (tmp_path / "headless.mp4").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.mp4").write_text("not a video")
    entries = [Entry(probe(tmp_path / name)) for name in ("good.mp4", "cut.mkv", "headless.mp4", "text.mp4")]
    entries.append(Entry(probe(tmp_path / "gone.mp4")))
    store, _, done = extracted(entries, backbone, tmp_path)
    assert done.written == 2
    assert store.video_ids(RGB) == ("cut", "good")
    rows = {row["id"]: row for row in json.loads((tmp_path / "extraction.json").read_text())["videos"]}
    assert {name: row["status"] for name, row in rows.items()} == {
        "cut": "partial",
        "headless": "unreadable",
        "text": "unreadable",
        "gone": "unreadable",
    }
    assert all(row["reason"] for row in rows.values())
    part = store.read("cut", RGB)
    assert 0.3 < rows["cut"]["coverage"] < 0.95
    assert 1.0 < part.grid.duration_seconds < 3.8
    assert len(part) < len(store.read("good", RGB))

    _, _, again = extracted(entries, backbone, tmp_path)
    assert (again.written, again.done_before, again.failed_before) == (0, 2, 3)
    (tmp_path / "text.mp4").write_bytes(content)
    _, report, mended = extracted(entries, backbone, tmp_path)
    assert (mended.written, mended.failed_before) == (1, 2)
    assert report.count("unreadable") == 2


def test_what_is_there_is_not_done_again_unless_backbone_grid_or_file_changed(
    own_archive: Project, backbone: Backbone, tmp_path: Path
) -> None:
    entries = list(own_archive.manifest())
    store, _, _ = extracted(entries, backbone, tmp_path)
    assert extracted(entries, backbone, tmp_path)[2].done_before == 4
    finer = ExtractSettings(hop_seconds=0.25, batch=3, storage="float32")
    assert extracted(entries, backbone, tmp_path, finer)[2].written == 4
    torch.manual_seed(9)
    other = Backbone(SHAPE, SHAPE.build().eval())
    assert extracted(entries, other, tmp_path, finer)[2].written == 4
    store.refresh()
    changed = [Entry(entries[0].video, changed_ns=store.next_ns()), *entries[1:]]
    assert extracted(changed, other, tmp_path, finer)[2].written == 1


def test_an_interrupted_extraction_repeats_at_most_what_was_under_way(
    archive: Project, backbone: Backbone, tmp_path: Path
) -> None:
    class Stopping(Silent):
        def track(self, items, *, total, title):  # type: ignore[no-untyped-def]
            for number, item in enumerate(items):
                if number == 7:
                    raise KeyboardInterrupt
                yield item

    store, report = FeatureStore(tmp_path / "cut" / "features"), ExtractionReport(tmp_path / "cut" / "extraction.json")
    with pytest.raises(KeyboardInterrupt):
        extract(
            tuple(archive.manifest()),
            backbone,
            HOW,
            store=store,
            report=report,
            compute=CPU,
            workers=2,
            progress=Stopping(),
        )
    assert len(FeatureStore(tmp_path / "cut" / "features").video_ids(RGB)) == 7
    resumed, _, done = extracted(archive.manifest(), backbone, tmp_path / "cut")
    assert (done.done_before, done.written) == (7, 13)
    whole, _, _ = extracted(archive.manifest(), backbone, tmp_path / "whole")
    assert_same(resumed, whole)


def test_half_precision_storage_is_near_and_half_the_size(
    own_archive: Project, backbone: Backbone, tmp_path: Path
) -> None:
    half = ExtractSettings(hop_seconds=0.5, batch=3)
    one, _, _ = extracted(own_archive.manifest(), backbone, tmp_path / "whole")
    other, _, _ = extracted(own_archive.manifest(), backbone, tmp_path / "half", half)
    for video_id in one.video_ids(RGB):
        exact, rounded = one.read(video_id, RGB).values, other.read(video_id, RGB).values
        assert (exact.dtype, rounded.dtype) == (np.float32, np.float16)
        np.testing.assert_allclose(rounded, exact, rtol=6e-4, atol=1e-6)


def test_the_features_are_the_nets_own(own_archive: Project, backbone: Backbone, tmp_path: Path) -> None:
    entry = next(iter(own_archive.manifest()))
    store, _, _ = extracted([entry], backbone, tmp_path)
    cached = FrameCache(tmp_path / "frames", FrameFormat(SHAPE.rate, *SHAPE.box)).add(entry.video)
    clip = torch.from_numpy(cached.read(3, 7))[None]
    with torch.inference_mode():
        expected = backbone.net(SHAPE.transform().test(clip))[0]
    np.testing.assert_allclose(store.read(entry.id, RGB).values[1], expected, rtol=1e-4, atol=1e-5)


def test_removed_videos_are_left_out(own_archive: Project, backbone: Backbone, tmp_path: Path) -> None:
    entries = list(own_archive.manifest())
    os.unlink(entries[0].video.path)  # noqa: PTH108 (the file of a removed entry)
    entries[0] = Entry(entries[0].video, removed=True)
    store, report, done = extracted(entries, backbone, tmp_path)
    assert done.written == len(store.video_ids(RGB)) == 3
    assert report.count("unreadable") == 0


CRASHING = """
import os, signal
from whenabouts.recognition import clip_parts as real

def clip_parts(path, **how):
    for part in real.clip_parts(path, **how):
        yield part
        if isinstance(part, dict) and path.stem == "video 01":
            os.kill(os.getpid(), signal.SIGSEGV)
"""


WITHOUT_MEMORY = """
from whenabouts.recognition import clip_parts as real

def clip_parts(path, **how):
    for part in real.clip_parts(path, **how):
        yield part
        if path.stem == "video 01" or isinstance(part, dict) and path.stem == "video 02":
            raise MemoryError
"""


def test_what_the_system_is_to_blame_for_is_told_but_tried_again(
    own_archive: Project, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "greedy_parts.py").write_text(WITHOUT_MEMORY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(window_source, "clip_parts", importlib.import_module("greedy_parts").clip_parts)
    store, report, _ = extracted(own_archive.manifest(), backbone, tmp_path)
    assert store.video_ids(RGB) == ("video 00", "video 03")
    assert (report.count("partial"), report.count("unreadable")) == (1, 1)
    monkeypatch.undo()
    _, report, done = extracted(own_archive.manifest(), backbone, tmp_path)
    assert (done.written, done.done_before, done.failed_before) == (2, 2, 0)
    assert report.count("partial") == report.count("unreadable") == 0


def test_a_decoder_that_crashes_ends_one_video_and_not_the_run(
    own_archive: Project, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crashing_parts.py").write_text(CRASHING)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(window_source, "clip_parts", importlib.import_module("crashing_parts").clip_parts)
    store, report, done = extracted(own_archive.manifest(), backbone, tmp_path, workers=2)
    assert done.written == 4
    assert report.count("partial") == 1
    (row,) = json.loads(report.path.read_text())["videos"]
    assert row["id"] == "video 01"
    assert "SIGSEGV" in row["reason"]
    monkeypatch.undo()
    whole, _, _ = extracted(own_archive.manifest(), backbone, tmp_path / "whole")
    np.testing.assert_array_equal(store.read("video 02", RGB).values, whole.read("video 02", RGB).values)


def test_batches_of_several_short_videos_are_computed_at_the_same_time(tmp_path: Path) -> None:
    meeting = threading.Barrier(2, timeout=20)

    def forward(clips: np.ndarray) -> np.ndarray:
        meeting.wait()
        return clips.reshape(len(clips), -1)[:, :1].astype(np.float32)

    def pieces() -> Iterator[Windows | End]:
        for number in range(6):
            yield Windows(number, np.full((2, 1, 1, 1, 3), number, np.uint8))
            yield End(number, Finished(Video(str(number), tmp_path), None, None))

    with ThreadPoolExecutor(2) as pool:
        found = list(computed(pieces(), forward, pool, waiting=4))
    assert [finished.video.id for finished, _ in found] == ["0", "1", "2", "3", "4", "5"]
    assert [values[:, 0].tolist() for _, values in found] == [[number, number] for number in range(6)]
