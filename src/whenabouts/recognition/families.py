"""The nets that a backbone may be, from its settings: a new one is a function and a line in `FAMILIES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from whenabouts.nets.clip_net import ClipNet
from whenabouts.nets.conv2d import ResNet2D
from whenabouts.nets.conv3d import R2Plus1D, mc3, r3d, time_first_r2plus1d
from whenabouts.nets.csn import Interaction, csn_of
from whenabouts.nets.i3d import i3d_of
from whenabouts.nets.pathways import NonLocals
from whenabouts.nets.slowfast import slowfast_of

if TYPE_CHECKING:
    from whenabouts.recognition.backbone_settings import BackboneSettings


@dataclass(frozen=True)
class Family:
    """How a net is made from settings, and which of `OF_FAMILIES` it has a use for."""

    build: Callable[[BackboneSettings], ClipNet]
    has: tuple[str, ...] = ()


OF_FAMILIES = ("mid", "stem", "block", "pool", "slowfast", "nonlocals", "last_stride")
"""Settings that not all families have; any value but the default is refused where it would change nothing."""


def _r2plus1d(shape: BackboneSettings) -> ClipNet:
    return R2Plus1D(
        shape.channels,
        widths=shape.widths,
        blocks=shape.blocks,
        stem=shape.stem,
        mid=shape.mid,
        bottleneck=shape.block == "bottleneck",
        pool=shape.pool,
        last_stride=shape.last_stride,
        epsilon=shape.epsilon,
    )


def _time_first(shape: BackboneSettings) -> ClipNet:
    return time_first_r2plus1d(
        shape.channels,
        widths=shape.widths,
        blocks=shape.blocks,
        last_stride=shape.last_stride,
        epsilon=shape.epsilon,
    )


def _resnet(shape: BackboneSettings) -> ClipNet:
    return ResNet2D(
        shape.channels,
        widths=shape.widths,
        blocks=shape.blocks,
        stem=shape.stem,
        block=shape.block,
        pool=shape.pool,
        epsilon=shape.epsilon,
    )


def _r3d(shape: BackboneSettings) -> ClipNet:
    return r3d(
        shape.channels,
        widths=shape.widths,
        blocks=shape.blocks,
        bottleneck=shape.block == "bottleneck",
        pool=shape.pool,
        last_stride=shape.last_stride,
        epsilon=shape.epsilon,
    )


def _mc3(shape: BackboneSettings) -> ClipNet:
    return mc3(
        shape.channels,
        widths=shape.widths,
        blocks=shape.blocks,
        last_stride=shape.last_stride,
        epsilon=shape.epsilon,
    )


def _csn(shape: BackboneSettings, interaction: Interaction) -> ClipNet:
    return csn_of(
        shape.blocks,
        shape.channels,
        interaction=interaction,
        widths=shape.widths,
        last_stride=shape.last_stride,
        epsilon=shape.epsilon,
    )


def _i3d(shape: BackboneSettings) -> ClipNet:
    return i3d_of(
        shape.blocks,
        shape.channels,
        widths=shape.widths,
        nonlocals=_nonlocals(shape),
        last_stride=shape.last_stride,
        epsilon=shape.epsilon,
    )


def _slowfast(shape: BackboneSettings) -> ClipNet:
    own = shape.slowfast
    return slowfast_of(
        shape.blocks,
        shape.channels,
        widths=shape.widths,
        alpha=own.alpha,
        time_blocks=(own.slow_time_blocks, own.fast_time_blocks),
        lateral_frames=own.lateral_frames,
        lateral_norm=own.lateral_norm,
        slow_frames=own.slow_frames,
        nonlocals=_nonlocals(shape),
        last_stride=shape.last_stride,
        epsilon=shape.epsilon,
    )


def _nonlocals(shape: BackboneSettings) -> NonLocals | None:
    """Non-local blocks in their places; a place that the net does not have is a ValueError."""
    own = shape.nonlocals
    after = {number: places for number, places in enumerate(own.after, start=1) if places}
    for number, places in after.items():
        if number > len(shape.blocks) or max(places) >= shape.blocks[number - 1]:
            raise ValueError(f"nonlocals.after names block {max(places)} of stage {number}, which is not there.")
    return NonLocals(after, own.affinity, own.pool) if after else None


FAMILIES: dict[str, Family] = {
    "r2plus1d": Family(_r2plus1d, ("mid", "stem", "block", "pool", "last_stride")),
    "r2plus1d-time-first": Family(_time_first, ("last_stride",)),
    "resnet": Family(_resnet, ("stem", "block", "pool")),
    "r3d": Family(_r3d, ("block", "pool", "last_stride")),
    "mc3": Family(_mc3, ("last_stride",)),
    "ir-csn": Family(partial(_csn, interaction="reduced"), ("last_stride",)),
    "ip-csn": Family(partial(_csn, interaction="preserved"), ("last_stride",)),
    "i3d": Family(_i3d, ("nonlocals", "last_stride")),
    "slowfast": Family(_slowfast, ("slowfast", "nonlocals", "last_stride")),
}
"""Every family of backbones by name."""
