from pathlib import Path

import numpy as np
import pytest
import torch

from whenabouts.core.errors import SettingsError
from whenabouts.media.transforms import ClipTransform
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.backbone_settings import BackboneSettings
from whenabouts.recognition.clip_preparation import SMALL
from whenabouts.recognition.key_maps import same
from whenabouts.recognition.published_backbone import as_backbone, settings_of
from whenabouts.recognition.published_list import PUBLISHED
from whenabouts.recognition.published_weights import load_backbone

NAMES = [
    "r2plus1d_18",
    "r2plus1d_34_ig65m_32f",
    "r2plus1d_152_kinetics",
    "r3d_18",
    "mc3_18",
    "ir_csn_152_ig65m",
    "ip_csn_152_ig65m",
    "ir_csn_101_pytorchvideo",
]


@pytest.mark.parametrize("name", NAMES)
def test_settings_build_the_published_net_to_the_last_stride_and_epsilon(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(torch.nn.modules.conv._ConvNd, "reset_parameters", lambda _: None)
    monkeypatch.setattr("torch.nn.init.kaiming_normal_", lambda *_, **__: None)
    shape = settings_of(name)
    with torch.device("meta"):
        ours, theirs = shape.build(), PUBLISHED[name].build()
    assert repr(list(ours.children())) == repr(list(theirs.children()))
    assert (shape.frames, shape.channels) == (PUBLISHED[name].clips.frames, 3)


def test_clips_come_at_the_publishers_size_rate_and_colours() -> None:
    shape = settings_of("r2plus1d_18")
    assert (shape.box, shape.rate, shape.frames) == ((128, 171), 15.0, 16)
    csn = settings_of("ir_csn_152_kinetics", aspect=4 / 3)
    assert (csn.box, csn.rate, csn.window_seconds) == ((256, 342), 15.0, pytest.approx(32 / 15))
    pictures = np.random.default_rng(1).integers(0, 256, (1, 4, 128, 171, 3), dtype=np.uint8)
    made = shape.transform().test(torch.from_numpy(pictures))
    torch.testing.assert_close(made[..., 8:120, 29:141], SMALL(pictures))


def test_a_published_net_is_a_projects_backbone_from_its_folder(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = PUBLISHED["mc3_18"].build().eval()
    assert PUBLISHED["mc3_18"].layout is same
    torch.save(net.state_dict() | {"fc.weight": torch.zeros(400, 512), "fc.bias": torch.zeros(400)}, tmp_path / "a.pth")
    as_backbone(load_backbone("mc3_18", path=tmp_path / "a.pth")).save(tmp_path / "backbone")
    found = Backbone.load(tmp_path / "backbone")
    clip = torch.randn(1, 3, 4, 32, 32)
    with torch.inference_mode():
        assert torch.equal(found.net(clip), net(clip))
    assert found.settings == settings_of("mc3_18")
    assert found.source.startswith("mc3@")


def test_what_no_settings_describe_is_told() -> None:
    for name in ("slowfast_50_8x8", "r2plus1d_50_pytorchvideo", "mc3_19"):
        with pytest.raises(SettingsError, match="has no settings of a project's backbone"):
            settings_of(name)
    with pytest.raises(SettingsError, match="mean and std go together"):
        BackboneSettings(mean=(0.5, 0.5, 0.5)).build()


def test_colours_of_other_nets_stay_as_they_were() -> None:
    pictures = torch.arange(2 * 3 * 4 * 5 * 3, dtype=torch.uint8).reshape(2, 3, 4, 5, 3)
    plain = ClipTransform(differences=False)
    before = pictures.float().mul(1 / (255 * 0.225)).sub(0.45 / 0.225)
    assert torch.equal(plain.test(pictures).permute(0, 2, 3, 4, 1), before)
    assert "mean" not in BackboneSettings().identity()
    assert "mean" in settings_of("r3d_18").identity()
