"""The backbone of docs/add-backbone.md is trained, saved and extracted with as every family is, and sees motion."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from whenabouts.core.errors import SettingsError
from whenabouts.data.project import Project
from whenabouts.recognition import families
from whenabouts.recognition.backbone_settings import BackboneSettings

from . import test_every_family as every_family


@pytest.fixture
def shift(code_of: Callable[[str, int, str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The page's net, with its line in the dict of families until the test ends."""
    monkeypatch.setattr(families, "FAMILIES", families.FAMILIES)
    monkeypatch.setitem(families.FAMILIES, "shift", families.FAMILIES["resnet"])  # Taken away again in the end.
    net = code_of("add-backbone.md", 0, "whenabouts.nets.shift")
    code_of("add-backbone.md", 1, "own_script")
    return net


def test_it_is_trained_saved_and_extracted_with(
    shift: ModuleType, archive: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = BackboneSettings(name="shift", **every_family.TINY)
    assert isinstance(shape.build(), shift.ShiftNet)
    monkeypatch.setitem(every_family.SHAPES, "shift", shape)
    every_family.test_a_family_is_trained_saved_and_extracted_with(archive, tmp_path, "shift")
    with pytest.raises(SettingsError, match="stem"):
        BackboneSettings(name="shift", stem=4, **every_family.TINY).build()


def test_channels_come_from_before_and_after(shift: ModuleType) -> None:
    maps = torch.arange(1.0, 5 * 3 + 1).reshape(1, 5, 3, 1, 1)
    moved = shift.shifted(maps, 2)[0, :, :, 0, 0]
    assert moved.tolist() == [[0, 1, 2], [0, 4, 5], [8, 9, 0], [11, 12, 0], [13, 14, 15]]
    torch.manual_seed(0)
    net = shift.ShiftNet(3, widths=(8, 16), blocks=(1, 1)).eval()
    clip = torch.rand(1, 3, 4, 16, 16)
    assert net(clip).shape == (1, 16)
    assert not torch.allclose(net(clip), net(clip.flip(2)))  # A net on single pictures could not tell.
