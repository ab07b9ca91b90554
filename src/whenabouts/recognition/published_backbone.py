"""Published nets as backbones of a project: their settings, so that `whenabouts extract` runs them from a folder."""

from collections.abc import Mapping
from typing import Any

from whenabouts.core.errors import SettingsError
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.backbone_settings import BackboneSettings, NonLocalSettings, SlowFastSettings
from whenabouts.recognition.published_list import PUBLISHED
from whenabouts.recognition.published_weights import PublishedBackbone

_WIDTHS = (64, 128, 256, 512)
_R18, _R34, _R101, _R152 = (2, 2, 2, 2), (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)

# More than the blocks of any stage: all of them look at time.
_ALL = 1000


def _slowfast(blocks: tuple[int, ...], lateral_frames: int, **more: Any) -> dict[str, Any]:
    nonlocals = more.pop("nonlocals", NonLocalSettings())
    own = SlowFastSettings(lateral_frames=lateral_frames, **more)
    return {"name": "slowfast", "blocks": blocks, "slowfast": own, "nonlocals": nonlocals}


def _all_time(blocks: tuple[int, ...], lateral_frames: int, **more: Any) -> dict[str, Any]:
    return _slowfast(blocks, lateral_frames, slow_time_blocks=_ALL, fast_time_blocks=_ALL, **more)


_BARE: dict[str, Any] = {"lateral_norm": False, "slow_frames": "every"}
_IN_SLOWFAST = NonLocalSettings(after=((), (), (6, 13, 20), ()), affinity="dot_product", pool=(2, 2, 2))
_IN_I3D = NonLocalSettings(after=((), (1, 3), (1, 3, 5), ()))
_PICTURES: dict[str, Any] = {"name": "resnet", "stem": 64, "pool": True}

# The first of these that a published name begins with tells its net.
_SHAPES: dict[str, Mapping[str, Any]] = {
    "r2plus1d_18": {"name": "r2plus1d", "blocks": _R18, "stem": 45, "mid": "per_block"},
    "r2plus1d_34": {"name": "r2plus1d", "blocks": _R34, "stem": 45, "epsilon": 1e-3},
    "r2plus1d_152": {"name": "r2plus1d", "blocks": _R152, "stem": 45, "epsilon": 1e-3, "block": "bottleneck"},
    "r2plus1d_50": {"name": "r2plus1d-time-first", "blocks": _R34},
    "r3d_18": {"name": "r3d", "blocks": _R18},
    "mc3_18": {"name": "mc3", "blocks": _R18},
    "ir_csn_152": {"name": "ir-csn", "blocks": _R152, "epsilon": 1e-3},
    "ip_csn_152": {"name": "ip-csn", "blocks": _R152, "epsilon": 1e-3},
    "ir_csn_101": {"name": "ir-csn", "blocks": _R101},
    "i3d_nonlocal_50": {"name": "i3d", "blocks": _R34, "nonlocals": _IN_I3D},
    "slowfast_50_4x16_mmaction2": _all_time(_R34, 5, alpha=8, **_BARE),
    "slowfast_50_8x8_mmaction2": _all_time(_R34, 7, **_BARE),
    "slowfast_101_8x8_mmaction2": _all_time(_R101, 7, **_BARE),
    "slowfast_50_4x16": _slowfast(_R34, 5, alpha=8),
    "slowfast_50_8x8": _slowfast(_R34, 7),
    "slowfast_101_8x8_nonlocal": _slowfast(_R101, 5, nonlocals=_IN_SLOWFAST),
    "slowfast_101_16x8_nonlocal": _slowfast(_R101, 5, nonlocals=_IN_SLOWFAST),
    "slowfast_101_8x8": _all_time(_R101, 5),
    "slowfast_101_16x8": _slowfast(_R101, 5),
    "resnet_18": {**_PICTURES, "blocks": _R18},
    "resnet_34": {**_PICTURES, "blocks": _R34},
    "resnet_50": {**_PICTURES, "blocks": _R34, "block": "bottleneck"},
}


def settings_of(name: str) -> BackboneSettings:
    """Settings that build the net published under `name`, and the clips that it was fed with.

    Pictures are resized and cropped as its publisher did, at its frame rate and in its colours. Where only the shorter
    side was given a size, each video keeps its own shape. Unknown names raise SettingsError.
    """
    shape = next((shape for start, shape in _SHAPES.items() if name.startswith(start)), None)
    if shape is None or name not in PUBLISHED:
        raise SettingsError(f"No backbone is published here as {name!r}. Known: {', '.join(sorted(PUBLISHED))}.")
    clips = PUBLISHED[name].clips
    taken: dict[str, Any] = {
        "widths": _WIDTHS,
        "frames": clips.frames,
        "rate": clips.rate / clips.stride,
        "input": "rgb",
        "mean": clips.mean,
        "std": clips.std,
        "colours": clips.order,
        "resize": "bilinear",
        "crop": clips.crop,
    }
    if isinstance(clips.resize, tuple):
        return BackboneSettings(**{**taken, **shape}, height=clips.resize[0], width=clips.resize[1])
    return BackboneSettings(**{**taken, **shape}, short_side=clips.resize, own_shape=True)


def as_backbone(published: PublishedBackbone) -> Backbone:
    """A backbone to save as a project's models/backbone; it has no classifier, whose classes aren't the project's."""
    return Backbone(settings_of(published.name), published.net)
