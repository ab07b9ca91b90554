"""The stream of motion: its windows, its cache, its training and its start from a net for pictures."""

import dataclasses
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from whenabouts.core.errors import SettingsError
from whenabouts.core.progress import Silent
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project
from whenabouts.media.probe import probe
from whenabouts.media.watch import Limits
from whenabouts.media.writing import Encoding, write_video
from whenabouts.recognition.backbone import Backbone, BackboneSettings
from whenabouts.recognition.backbone_settings import FlowSettings
from whenabouts.recognition.extraction import FLOW, RGB, Extracted, ExtractSettings, extract
from whenabouts.recognition.extraction_report import ExtractionReport
from whenabouts.recognition.frame_cache import FrameCache
from whenabouts.recognition.labelled_videos import labelled_videos
from whenabouts.recognition.pretrain_settings import PretrainSettings
from whenabouts.recognition.pretraining import Pretrained, Run, checkpoint_of, pretrain, pretrain_to
from whenabouts.recognition.window_source import End, Windows, WindowSource
from whenabouts.training.devices import Compute

CPU = Compute(torch.device("cpu"), torch.float32)
SHAPE = BackboneSettings(
    name="resnet", widths=(8, 16), blocks=(1, 1), stem=8, frames=1, rate=12.0, height=24, width=36,
    input="flow", flow=FlowSettings(side=32, bound=8.0, stack=3),
)  # fmt: skip
CLIPS = dataclasses.replace(SHAPE, name="r2plus1d", frames=4)
PLAN = PretrainSettings(steps=40, batch=12, learning_rate=1e-2, warmup=5, checkpoint_every=20)
HOW = ExtractSettings(hop_seconds=0.5, batch=3, storage="float32")


def backbone_of(shape: BackboneSettings, seed: int = 2) -> Backbone:
    torch.manual_seed(seed)
    return Backbone(shape, shape.build().eval())


def extracted(
    entries: Manifest | list[Entry], backbone: Backbone, folder: Path, *, workers: int = 1, cache: Path | None = None
) -> tuple[FeatureStore, ExtractionReport, Extracted]:
    store, report = FeatureStore(folder / "features"), ExtractionReport(folder / "extraction.json")
    done = extract(
        tuple(entries), backbone, HOW, store=store, report=report, compute=CPU, cache=cache, workers=workers,
        progress=Silent(),
    )  # fmt: skip
    return store, report, done


def values_of(store: FeatureStore) -> dict[str, np.ndarray]:
    return {video_id: store.read(video_id, FLOW).values for video_id in store.video_ids(FLOW)}


def assert_equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    assert one
    for video_id, values in one.items():
        np.testing.assert_array_equal(values, other[video_id])


@pytest.mark.parametrize("shape", [SHAPE, CLIPS])
def test_a_clip_of_motion_spans_its_fields(shape: BackboneSettings) -> None:
    assert shape.pictures == shape.frames + 2
    assert shape.window_seconds == pytest.approx(shape.pictures / 12)
    assert (shape.channels, shape.modality) == (6, "flow")
    clips = torch.randint(0, 256, (2, shape.pictures, 24, 36, 2), dtype=torch.uint8)
    made = shape.transform().test(clips)
    assert made.shape == (2, 6, shape.frames, 24, 36)
    assert shape.build().eval()(made).shape == (2, 16)
    still = BackboneSettings(input="rgb")
    assert (still.pictures, still.modality, still.channels) == (8, "rgb", 3)


def test_any_number_of_workers_and_a_cache_give_the_same_stream(archive: Project, tmp_path: Path) -> None:
    backbone, entries = backbone_of(CLIPS), list(archive.manifest())[:5]
    store, report, done = extracted(entries, backbone, tmp_path / "1")
    assert (done.written, store.modalities()) == (5, (FLOW,))
    for entry in entries:
        found = store.read(entry.id, FLOW)
        assert found.source == backbone.source
        assert found.grid.duration_seconds == pytest.approx(entry.video.duration_seconds)
        assert found.grid.window_seconds == pytest.approx(0.5)
        found.check_finite()
    assert report.count("partial") == report.count("unreadable") == 0
    for workers in (2, 4):
        many, _, _ = extracted(entries, backbone, tmp_path / str(workers), workers=workers)
        assert_equal(values_of(store), values_of(many))
    cache = FrameCache(tmp_path / "cache" / "frames", CLIPS.frame_format())
    for entry in entries[:3]:
        assert cache.add(entry.video).read(0, 2).shape == (2, 24, 36, 2)
    assert cache.folder.name == "12_24x36_dis-32-8"
    cached, _, _ = extracted(entries, backbone, tmp_path / "cached", cache=tmp_path / "cache")
    assert_equal(values_of(store), values_of(cached))
    _, _, again = extracted(entries, backbone, tmp_path / "1")
    assert (again.written, again.done_before) == (0, 5)


def test_a_window_is_the_net_on_the_fields_of_its_time(archive: Project, tmp_path: Path) -> None:
    backbone, entry = backbone_of(CLIPS), next(iter(archive.manifest()))
    store, _, _ = extracted([entry], backbone, tmp_path)
    found, cached = store.read(entry.id, FLOW), FrameCache(tmp_path / "c", CLIPS.frame_format()).add(entry.video)
    assert found.grid.begin(1) == pytest.approx(0.5)  # Field k lies between frames k and k + 1.
    first = 6
    clip = torch.from_numpy(cached.read(first, first + 6)[None])
    with torch.inference_mode():
        expected = backbone.net(CLIPS.transform().test(clip))[0]
    np.testing.assert_allclose(found.values[1], expected, rtol=1e-4, atol=1e-5)


def test_a_jerk_lands_in_the_steps_of_its_time_on_both_sides_alike(tmp_path: Path) -> None:
    """The picture jumps between the frames of 2.9 and 3.0 s: the windows that see it lie around 2.95 s."""
    ground = np.random.default_rng(1).integers(0, 255, (8, 12, 3)).repeat(4, 0).repeat(4, 1).astype(np.uint8)
    pictures = (ground if k < 30 else np.roll(ground, 4, 1) for k in range(60))
    encoding = Encoding(options={"preset": "ultrafast", "threads": "1", "crf": "5"})
    write_video(tmp_path / "jerk.mp4", pictures, [k / 10 for k in range(60)], rate=Fraction(10), encoding=encoding)
    shape = dataclasses.replace(SHAPE, rate=10.0, frames=2)
    source = WindowSource(shape.form, 0.1, 100, False)
    windows, end = source.read([(0, probe(tmp_path / "jerk.mp4"))])
    assert isinstance(windows, Windows)
    assert isinstance(end, End)
    grid = end.finished.grid
    assert grid is not None
    seen = np.flatnonzero((np.abs(windows.clips.astype(int) - 128).max((2, 3, 4)) > 8).any(1))
    begins, spans = grid.begin(seen), grid.window_seconds
    assert len(seen) == 4
    assert float((begins + spans / 2).mean()) == pytest.approx(2.95)


def test_both_streams_stand_side_by_side(archive: Project, tmp_path: Path) -> None:
    entries = list(archive.manifest())[:2]
    pictures = backbone_of(dataclasses.replace(CLIPS, input="rgb", flow=FlowSettings()))
    extracted(entries, backbone_of(CLIPS), tmp_path)
    store, _, done = extracted(entries, pictures, tmp_path)
    assert done.written == 2
    assert store.modalities() == ("audio", FLOW, RGB)
    assert store.source(RGB) != store.source(FLOW)


def test_broken_and_cut_videos_are_told_as_for_pictures(tmp_path: Path, moving_video: Callable[..., None]) -> None:
    for name in ("whole", "cut"):
        moving_video(tmp_path / f"{name}.ts", 3.0, 2, seed=1)
    cut = tmp_path / "cut.ts"
    content = cut.read_bytes()
    damaged = bytearray(content)
    damaged[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    cut.write_bytes(damaged)
    (tmp_path / "text.ts").write_text("not a video")
    entries = [Entry(probe(tmp_path / f"{name}.ts")) for name in ("whole", "cut", "text")]
    pictures = backbone_of(dataclasses.replace(CLIPS, input="rgb", flow=FlowSettings()))
    rows = {}
    for name, backbone in (("flow", backbone_of(CLIPS)), ("rgb", pictures)):
        extracted(entries, backbone, tmp_path / name)
        found = json.loads((tmp_path / name / "extraction.json").read_text())["videos"]
        rows[name] = [{key: row[key] for key in ("id", "status", "coverage", "reason")} for row in found]
    assert rows["flow"] == rows["rgb"]
    assert [(row["id"], row["status"]) for row in rows["flow"]] == [("cut", "partial"), ("text", "unreadable")]


def trained(archive: Project, cache: Path, shape: BackboneSettings, **how: object) -> Pretrained:
    vocabulary = archive.vocabulary()
    run = Run(cache, CPU, **{"seed": 4, "workers": 1, **how})  # type: ignore[arg-type]
    return pretrain(labelled_videos(archive.manifest(), vocabulary), vocabulary, shape, PLAN, run)


def test_single_inputs_of_motion_tell_left_from_right(archive: Project, tmp_path: Path) -> None:
    """Each input is 3 fields, too few to see where something goes on single pictures; classes differ in that alone."""
    made = trained(archive, tmp_path / "one", SHAPE)
    twin = trained(archive, tmp_path / "one", SHAPE, workers=3)
    assert made.history[-1]["accuracy"] > 0.9
    assert made.backbone.source == twin.backbone.source
    right = 0
    for number, entry in enumerate(archive.manifest().of_split("test")):
        cached = FrameCache(tmp_path / "one" / "frames", SHAPE.frame_format()).add(entry.video)
        clips = torch.from_numpy(np.stack([cached.read(first, first + 3) for first in range(0, 20, 4)]))
        assert made.backbone.fc is not None
        with torch.inference_mode():
            scores = made.backbone.fc(made.backbone.net.eval()(SHAPE.transform().test(clips)))
        right += int(scores.mean(0).argmax()) == number % 2
    assert right == 8


def test_training_begins_with_the_net_for_pictures(archive: Project, tmp_path: Path) -> None:
    start = backbone_of(dataclasses.replace(SHAPE, input="rgb", flow=FlowSettings()), seed=7)
    vocabulary, plan = archive.vocabulary(), dataclasses.replace(PLAN, steps=1, learning_rate=1e-30, weight_decay=0.0)
    run = Run(tmp_path / "cache", CPU, seed=4, workers=1, start=start)
    videos = labelled_videos(archive.manifest(), vocabulary)[:4]
    made = pretrain_to(tmp_path / "backbone-flow", videos, vocabulary, SHAPE, plan, run).backbone
    known, found = start.net.state_dict(), made.net.state_dict()
    torch.testing.assert_close(
        found["conv1.weight"], known["conv1.weight"].mean(1, keepdim=True).expand(-1, 6, -1, -1) / 2
    )
    assert torch.equal(found["layer2.0.conv2.weight"], known["layer2.0.conv2.weight"])
    card = json.loads((tmp_path / "backbone-flow" / "card.json").read_text())
    assert (card["began_from"], card["modality"]) == (start.source, "flow")
    assert not checkpoint_of(run.cache, "flow").exists()
    assert Backbone.load(tmp_path / "backbone-flow").source == made.source


def test_what_does_not_fit_is_told(archive: Project, tmp_path: Path) -> None:
    start = backbone_of(dataclasses.replace(SHAPE, input="rgb", flow=FlowSettings(), widths=(8, 12)))
    with pytest.raises(SettingsError, match=r"can't begin from resnet@.*layer2.*--start random"):
        trained(archive, tmp_path, SHAPE, start=start)
    with pytest.raises(SettingsError, match="but no other from any"):
        trained(archive, tmp_path, SHAPE, start=backbone_of(SHAPE))
    with pytest.raises(SettingsError, match="input 'rgb' has no 'flow'"):
        BackboneSettings(input="rgb", flow=FlowSettings(stack=3)).build()


def test_the_source_tells_ways_to_measure_motion_apart() -> None:
    torch.manual_seed(1)
    net = SHAPE.build()
    others = [FlowSettings(side=64, bound=8.0, stack=3), FlowSettings(side=32, bound=20.0, stack=3),
              FlowSettings(side=32, bound=8.0, stack=3, method="tvl1")]  # fmt: skip
    shapes = [SHAPE, *(dataclasses.replace(SHAPE, flow=flow) for flow in others)]
    assert len({Backbone(shape, net).source for shape in shapes}) == 4
    assert len({shape.frame_format().name for shape in shapes}) == 4


def test_the_slow_way_to_measure_motion_has_the_time_it_needs(archive: Project, tmp_path: Path) -> None:
    slow = dataclasses.replace(SHAPE, rate=2.0, flow=FlowSettings(method="tvl1", side=16, bound=8.0, stack=3))
    limits = slow.frame_format().limits
    assert limits is not None
    assert limits.total_seconds > 24 * 3600
    assert limits.silence_seconds == Limits().silence_seconds
    assert SHAPE.frame_format().limits is None
    store, _, done = extracted(list(archive.manifest())[:1], backbone_of(slow), tmp_path)
    assert done.written == 1
    assert len(store.read("video 00", FLOW)) == 4
