"""Published nets as backbones of a project: their settings, so that `whenabouts extract` runs them from a folder."""

from collections.abc import Mapping
from typing import Any

from whenabouts.core.errors import SettingsError
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.backbone_settings import BackboneSettings
from whenabouts.recognition.published_list import PUBLISHED
from whenabouts.recognition.published_weights import PublishedBackbone

_WIDTHS = (64, 128, 256, 512)
_R34, _R101, _R152 = (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)

# The first name that a published name begins with.
_SHAPES: dict[str, Mapping[str, Any]] = {
    "r2plus1d_18": {"name": "r2plus1d", "blocks": (2, 2, 2, 2), "stem": 45, "mid": "per_block"},
    "r2plus1d_34": {"name": "r2plus1d", "blocks": _R34, "stem": 45, "epsilon": 1e-3},
    "r2plus1d_152": {"name": "r2plus1d", "blocks": _R152, "stem": 45, "epsilon": 1e-3, "block": "bottleneck"},
    "r3d_18": {"name": "r3d", "blocks": (2, 2, 2, 2)},
    "mc3_18": {"name": "mc3", "blocks": (2, 2, 2, 2)},
    "ir_csn_152": {"name": "ir-csn", "blocks": _R152, "epsilon": 1e-3},
    "ip_csn_152": {"name": "ip-csn", "blocks": _R152, "epsilon": 1e-3},
    "ir_csn_101": {"name": "ir-csn", "blocks": _R101},
}


def settings_of(name: str, *, aspect: float = 16 / 9) -> BackboneSettings:
    """Settings that build the net published under `name`, and the clips that it was fed with.

    Clips are whole pictures at the size to which its publisher resized them, where the publisher then took the middle:
    nothing is cut off. Where that size has only a shorter side, `aspect` (width over height) says the other. Nets that
    no settings describe (SlowFast and non-local ones, pytorchvideo's R(2+1)D) raise SettingsError.
    """
    shape = next((shape for start, shape in _SHAPES.items() if name.startswith(start)), None)
    if shape is None or name not in PUBLISHED:
        known = ", ".join(sorted(key for key in PUBLISHED if key.startswith(tuple(_SHAPES))))
        raise SettingsError(f"{name!r} has no settings of a project's backbone. Those that have: {known}.")
    clips = PUBLISHED[name].clips
    taken: dict[str, Any] = {
        "widths": _WIDTHS,
        "frames": clips.frames,
        "rate": clips.rate / clips.stride,
        "input": "rgb",
        "mean": clips.mean,
        "std": clips.std,
    }
    if isinstance(clips.resize, tuple):
        return BackboneSettings(**shape, **taken, height=clips.resize[0], width=clips.resize[1])
    return BackboneSettings(**shape, **taken, short_side=clips.resize).boxed(aspect)


def as_backbone(published: PublishedBackbone, *, aspect: float = 16 / 9) -> Backbone:
    """A backbone to save as a project's models/backbone; it has no classifier, whose classes aren't the project's."""
    return Backbone(settings_of(published.name, aspect=aspect), published.net)
