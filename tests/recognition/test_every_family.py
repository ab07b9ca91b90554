"""Every family of nets as a project's backbone: trained on its labels, saved, and run over its videos."""

import dataclasses
import json
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from whenabouts.config import load
from whenabouts.core.errors import SettingsError
from whenabouts.core.progress import Silent
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.project import Project
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.backbone_settings import BackboneSettings, NonLocalSettings, SlowFastSettings
from whenabouts.recognition.extraction import ExtractSettings, extract
from whenabouts.recognition.extraction_report import ExtractionReport
from whenabouts.recognition.families import FAMILIES
from whenabouts.recognition.first_weights import first_net, settings_from
from whenabouts.recognition.labelled_videos import labelled_videos
from whenabouts.recognition.pretrain_settings import PretrainSettings
from whenabouts.recognition.pretraining import Run, pretrain_to
from whenabouts.training.devices import Compute

CPU = Compute(torch.device("cpu"), torch.float32)
PLAN = PretrainSettings(steps=2, batch=4, warmup=0)
TINY: dict[str, Any] = {
    "widths": (4, 8), "blocks": (1, 2), "frames": 4, "rate": 6.0, "height": 16, "width": 24, "input": "rgb",
}  # fmt: skip
SHAPES = {
    "r2plus1d": BackboneSettings(name="r2plus1d", stem=4, **TINY),
    "r2plus1d-time-first": BackboneSettings(name="r2plus1d-time-first", **TINY),
    "resnet": BackboneSettings(name="resnet", stem=4, pool=True, **TINY),
    "r3d": BackboneSettings(name="r3d", crop=12, **TINY),
    "mc3": BackboneSettings(name="mc3", **TINY),
    "ir-csn": BackboneSettings(name="ir-csn", **TINY),
    "ip-csn": BackboneSettings(name="ip-csn", resize="bilinear", **TINY),
    "i3d": BackboneSettings(name="i3d", nonlocals=NonLocalSettings(after=((0,), (1,))), **TINY),
    "slowfast": BackboneSettings(
        name="slowfast",
        slowfast=SlowFastSettings(alpha=2),
        nonlocals=NonLocalSettings(after=((), (0,)), affinity="dot_product"),
        **{**TINY, "widths": (8, 16)},
    ),
}


def test_no_family_is_left_out() -> None:
    assert SHAPES.keys() == FAMILIES.keys()


@pytest.mark.parametrize("name", SHAPES)
def test_a_family_is_trained_saved_and_extracted_with(archive: Project, tmp_path: Path, name: str) -> None:
    videos = labelled_videos(archive.manifest(), archive.vocabulary())[:4]
    run = Run(tmp_path / "cache", CPU, progress=Silent())
    trained = pretrain_to(tmp_path / "backbone", videos, archive.vocabulary(), SHAPES[name], PLAN, run)
    backbone = Backbone.load(tmp_path / "backbone")
    assert backbone.source == trained.backbone.source
    assert backbone.settings == SHAPES[name]
    entries = [entry for entry in archive.manifest() if entry.id in {item.video.id for item in videos[:2]}]
    found = {}
    for cache in (None, tmp_path / "cache"):  # freshly decoded, and the frames that the training kept
        folder = tmp_path / f"features {cache is None}"
        store, report = FeatureStore(folder), ExtractionReport(tmp_path / "extraction.json")
        how = ExtractSettings(batch=3, storage="float32", audio=False)
        done = extract(entries, backbone, how, store=store, report=report, compute=CPU, cache=cache, progress=Silent())
        assert done.written == 2
        found[cache is None] = [store.read(entry.id, "rgb").values for entry in entries]
    for one, other in zip(found[True], found[False], strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.shape[1] == backbone.width
        assert np.isfinite(one).all()
        assert len(np.unique(one, axis=0)) > 1


def saved(shape: BackboneSettings, seed: int) -> Backbone:
    torch.manual_seed(seed)
    return Backbone(shape, shape.build().eval(), None, Vocabulary(()))


@pytest.mark.parametrize("spread", ["mean", "centre"])
@pytest.mark.parametrize(("name", "block"), [("r3d", "basic"), ("mc3", "basic"), ("i3d", "bottleneck")])
def test_a_net_on_clips_begins_with_one_on_pictures(name: str, block: Any, spread: Any) -> None:
    """Of a clip of one still picture "centre" gives what that picture gives; "mean" has the same sum over time."""
    shape = {"block": block, "pool": name == "i3d", "stem": 4, "widths": (4, 8), "blocks": (2, 1)}
    pictures = saved(BackboneSettings(name="resnet", **{**TINY, **shape}, mean=(0.4,) * 3, std=(0.2,) * 3), 3)
    kept = settings_from(pictures, "rgb", name=name)
    made = load(BackboneSettings, {**kept, "name": name, "frames": 4}, "here")
    assert (made.mean, made.widths, made.height) == ((0.4,) * 3, (4, 8), 16)
    net = first_net(made, pictures, spread).eval()
    sums = [tensor for key, tensor in net.state_dict().items() if tensor.ndim == 5]
    ours = [tensor for key, tensor in pictures.net.state_dict().items() if tensor.ndim == 4]
    for clip, picture in zip(sums, ours, strict=True):
        torch.testing.assert_close(clip.sum(2), picture)
    clip = torch.randn(1, 3, 1, 16, 24).expand(1, 3, 6, 16, 24)
    if spread == "centre":
        with torch.inference_mode():
            torch.testing.assert_close(net(clip), pictures.net(clip), rtol=1e-4, atol=1e-5)


def test_a_net_goes_on_from_its_own_family_with_a_head_for_the_projects_labels(
    archive: Project, tmp_path: Path
) -> None:
    """With a learning rate near 0 a training keeps the weights with which it began."""
    start = saved(SHAPES["slowfast"], 5)
    shape = load(BackboneSettings, settings_from(start, "rgb"), "here")
    assert shape == start.settings
    videos = labelled_videos(archive.manifest(), archive.vocabulary())[:4]
    run = Run(tmp_path / "cache", CPU, progress=Silent(), start=start)
    plan = dataclasses.replace(PLAN, steps=1, learning_rate=1e-12, weight_decay=0.0)
    trained = pretrain_to(tmp_path / "backbone", videos, archive.vocabulary(), shape, plan, run)
    for name, tensor in start.net.state_dict().items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(trained.backbone.net.state_dict()[name], tensor)
    assert trained.backbone.fc is not None
    assert trained.backbone.fc.weight.shape == (2, start.width)


def test_what_does_not_fit_is_told() -> None:
    pictures, clips = saved(SHAPES["resnet"], 1), saved(SHAPES["r3d"], 1)
    with pytest.raises(SettingsError, match="slowfast is not inflated from a ResNet"):
        first_net(SHAPES["slowfast"], pictures)
    with pytest.raises(SettingsError, match="the nets differ in"):
        first_net(SHAPES["mc3"], saved(SHAPES["ip-csn"], 1))
    wider = dataclasses.replace(SHAPES["r3d"], widths=(8, 8))
    with pytest.raises(SettingsError, match=r"stem\.0\.weight has shape .* in one net"):
        first_net(wider, clips)


@pytest.mark.parametrize("name", SHAPES)
def test_a_family_compiles_in_one_piece(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.compile follows all of each net without a break, to the same features; its last step is left out here."""
    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
    backbone = saved(SHAPES[name], 2)
    windows = np.random.default_rng(1).integers(0, 256, (2, 4, 16, 24, 3), np.uint8)
    usual = backbone.vectors_on(CPU)(windows)
    compiled = backbone.vectors_on(dataclasses.replace(CPU, compiled=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # so that it is seen if the net ran as it was
        np.testing.assert_allclose(compiled(windows), usual, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(compiled(windows[:1]), usual[:1], rtol=1e-5, atol=1e-6)


def test_a_training_of_a_compiled_net_is_the_same_training(
    archive: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    videos = labelled_videos(archive.manifest(), archive.vocabulary())[:4]
    losses = []
    for compiled in (False, True):
        run = Run(tmp_path / f"{compiled}", dataclasses.replace(CPU, compiled=compiled), progress=Silent())
        plan = dataclasses.replace(PLAN, steps=3)
        trained = pretrain_to(run.cache / "backbone", videos, archive.vocabulary(), SHAPES["r3d"], plan, run)
        losses.append([row["loss"] for row in trained.history])
        card = json.loads((run.cache / "backbone" / "card.json").read_text())
        assert card["computed_on"] == ("cpu float32 compiled" if compiled else "cpu float32")
    assert losses[0]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
