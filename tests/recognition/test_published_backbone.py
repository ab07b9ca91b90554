import dataclasses
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from whenabouts.core.errors import SettingsError
from whenabouts.core.progress import Silent
from whenabouts.core.timing import nearest_frame
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.project import Project
from whenabouts.media.reader import VideoReader
from whenabouts.media.transforms import ClipTransform
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.backbone_settings import BackboneSettings, NonLocalSettings, SlowFastSettings
from whenabouts.recognition.clip_preparation import SMALL, ClipPreparation
from whenabouts.recognition.extraction import ExtractSettings, extract
from whenabouts.recognition.extraction_report import ExtractionReport
from whenabouts.recognition.key_maps import same
from whenabouts.recognition.published_backbone import as_backbone, settings_of
from whenabouts.recognition.published_list import PUBLISHED
from whenabouts.recognition.published_weights import load_clip_net
from whenabouts.training.devices import Compute

# One name for each net: entries that share one differ in their files.
NETS = {repr((entry.build, entry.clips.frames)): name for name, entry in PUBLISHED.items()}


@pytest.mark.parametrize("name", NETS.values())
def test_settings_build_the_published_net_to_the_last_stride_and_epsilon(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(torch.nn.modules.conv._ConvNd, "reset_parameters", lambda _: None)
    monkeypatch.setattr("torch.nn.init.kaiming_normal_", lambda *_, **__: None)
    shape = settings_of(name)
    with torch.device("meta"):
        ours, theirs = shape.build(), PUBLISHED[name].build()
    assert repr(list(ours.children())) == repr(list(theirs.children()))
    assert getattr(ours, "alpha", None) == getattr(theirs, "alpha", None)
    assert getattr(ours, "slow_frames", None) == getattr(theirs, "slow_frames", None)
    assert (shape.frames, shape.channels) == (PUBLISHED[name].clips.frames, 3)


def test_clips_come_at_the_publishers_size_rate_and_colours() -> None:
    shape = settings_of("r2plus1d_18")
    assert (shape.box, shape.crop, shape.rate, shape.frames) == ((128, 171), 112, 15.0, 16)
    csn = settings_of("ir_csn_152_kinetics").form
    assert (csn.size, csn.crop, csn.rate, csn.window_seconds) == (256, 256, 15.0, pytest.approx(32 / 15))
    pictures = np.random.default_rng(1).integers(0, 256, (1, 4, 128, 171, 3), dtype=np.uint8)
    made = shape.transform().test(torch.from_numpy(pictures))
    torch.testing.assert_close(made[..., 8:120, 29:141], SMALL(pictures))


@pytest.mark.parametrize("own", [False, True], ids=["box", "own shape"])
@pytest.mark.parametrize("colours", ["rgb", "bgr"])
def test_extraction_feeds_a_net_as_its_publisher_did(
    archive: Project, tmp_path: Path, own: bool, colours: Literal["rgb", "bgr"]
) -> None:
    """Frames at their own size through the publisher's preparation, and through decoder and settings, agree."""
    clips = ClipPreparation(
        mean=SMALL.mean, std=SMALL.std, resize=20 if own else (18, 30), crop=16, frames=4, rate=6.0, order=colours
    )
    size: dict[str, Any] = {"short_side": 20, "own_shape": True} if own else {"height": 18, "width": 30}
    shape = BackboneSettings(
        name="slowfast", widths=(8, 16), blocks=(1, 1), input="rgb", frames=4, rate=6.0, crop=16,
        mean=SMALL.mean, std=SMALL.std, colours=colours, resize="bilinear", **size,
    )  # fmt: skip
    torch.manual_seed(3)
    backbone, entry = Backbone(shape, shape.build().eval()), next(iter(archive.manifest()))
    how = ExtractSettings(hop_seconds=4 / 6, batch=2, storage="float32", audio=False)
    store = FeatureStore(tmp_path / "features")
    report = ExtractionReport(tmp_path / "extraction.json")
    compute = Compute(torch.device("cpu"), torch.float32)
    extract([entry], backbone, how, store=store, report=report, compute=compute, progress=Silent())
    found = store.read(entry.id, "rgb")
    frames = np.stack([pixels for _, pixels in VideoReader(entry.video.path, rate=6.0)])
    assert frames.shape[1:] == (32, 48, 3)
    with torch.inference_mode():
        first = nearest_frame(float(found.grid.begin(1)), 6.0)
        wanted = backbone.net(clips(frames[first : first + 4]))
    # Resized pictures are rounded to 8 bits on the way here, and there they are not.
    np.testing.assert_allclose(found.values[1], wanted[0].numpy(), atol=0.02 * float(wanted.abs().max()))


def test_a_published_net_is_a_projects_backbone_from_its_folder(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = PUBLISHED["mc3_18"].build().eval()
    assert PUBLISHED["mc3_18"].layout is same
    torch.save(net.state_dict() | {"fc.weight": torch.zeros(400, 512), "fc.bias": torch.zeros(400)}, tmp_path / "a.pth")
    as_backbone(load_clip_net("mc3_18", path=tmp_path / "a.pth")).save(tmp_path / "backbone")
    found = Backbone.load(tmp_path / "backbone")
    clip = torch.randn(1, 3, 4, 32, 32)
    with torch.inference_mode():
        assert torch.equal(found.net(clip), net(clip))
    assert found.settings == settings_of("mc3_18")
    assert found.source.startswith("mc3@")


def test_what_is_not_published_and_half_a_normalisation_are_told() -> None:
    with pytest.raises(SettingsError, match="No backbone is published here as 'mc3_19'"):
        settings_of("mc3_19")
    with pytest.raises(SettingsError, match="mean and std go together"):
        BackboneSettings(mean=(0.5, 0.5, 0.5)).build()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "r3d", "slowfast": SlowFastSettings(alpha=8)}, "'r3d' has no 'slowfast'"),
        ({"name": "mc3", "nonlocals": NonLocalSettings(after=((0,),))}, "'mc3' has no 'nonlocals'"),
        ({"name": "i3d", "nonlocals": NonLocalSettings(after=((), (4,)))}, "block 4 of stage 2, which is not there"),
        ({"name": "r3d", "crop": 50}, "crop 50 is more than the 48 pixels"),
    ],
)
def test_settings_that_would_change_nothing_are_refused(changes: dict[str, Any], told: str) -> None:
    usual = BackboneSettings(widths=(8, 8), blocks=(1, 1))
    with pytest.raises(SettingsError, match=told):
        dataclasses.replace(usual, **changes).build()


def test_colours_of_other_nets_stay_as_they_were() -> None:
    pictures = torch.arange(2 * 3 * 4 * 5 * 3, dtype=torch.uint8).reshape(2, 3, 4, 5, 3)
    plain = ClipTransform(differences=False)
    before = pictures.float().mul(1 / (255 * 0.225)).sub(0.45 / 0.225)
    assert torch.equal(plain.test(pictures).permute(0, 2, 3, 4, 1), before)
    assert "mean" not in BackboneSettings().identity()
    assert "mean" in settings_of("r3d_18").identity()
