"""Decoded clips to what a net takes: shifts, colours, frame differences, and controls of what motion adds.

Clips come as uint8 (B, T, H, W, 3) and leave as float32 (B, C, T, H, W) of the same height and width; fields of flow
come as (B, T, H, W, 2). There is no mirroring: it would make left of right.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Colours = tuple[float, float, float]
FrameOrder = Literal["ordered", "single", "shuffled"]

# About the mean and the spread of natural pictures in [0, 1].
_CENTRE, _SPREAD = 0.45, 0.225

# How quantised flow says that nothing moves.
STILL = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipTransform:
    """How clips become tensors.

    `differences` adds what changed since the frame before as 3 more channels (0 for the first frame). `frames` is a
    control: `single` repeats the middle frame, `shuffled` destroys the order, so that a comparison with `ordered`
    tells what motion adds. For training, `shift` is the largest move in either direction as a share of height and
    width, with the border drawn out, and `colour` the largest change of brightness, contrast and each channel.
    `mean` and `std` of red, green and blue in [0, 1] are taken out of pictures: nets with published weights have their
    own. With `blue_first` blue is the first channel then, and red the last.

    With `stack` above 0 clips are quantised flow. Each `stack` fields that follow each other make up one input of
    2 `stack` channels, x and y of the first, x and y of the second and so on (Simonyan and Zisserman, "Two-stream
    convolutional networks", Eq. 1), so that T fields are T - `stack` + 1 inputs; no motion is 0. Differences and
    colours are of pictures alone.
    """

    differences: bool = True
    frames: FrameOrder = "ordered"
    shift: float = 0.0
    colour: float = 0.0
    stack: int = 0
    mean: Colours = (_CENTRE, _CENTRE, _CENTRE)
    std: Colours = (_SPREAD, _SPREAD, _SPREAD)
    blue_first: bool = False

    @property
    def channels(self) -> int:
        """Channels (C) of the tensors made: 3, or 6 with differences, or 2 for each field of a stack."""
        if self.stack:
            return 2 * self.stack
        return 6 if self.differences else 3

    def train(self, clips: Tensor, generator: torch.Generator) -> Tensor:
        """uint8 (B, T, H, W, 3 or 2) -> float32 (B, C, T', H, W), each clip changed at random in its own way."""
        clips = _shifted(_ordered(clips, self.frames, generator), self.shift, generator)
        if self.stack:
            return _stacked(clips, self.stack)
        return _laid_out(_coloured(self._normal(clips), self.colour, generator), self.differences)

    def test(self, clips: Tensor) -> Tensor:
        """uint8 (B, T, H, W, 3 or 2) -> float32 (B, C, T', H, W), the same at every call."""
        ordered = _ordered(clips, self.frames, None)
        if self.stack:
            return _stacked(ordered, self.stack)
        return _laid_out(self._normal(ordered), self.differences)

    def _normal(self, clips: Tensor) -> Tensor:
        pictures = _pictures(clips, self.mean, self.std)
        return pictures.flip(-1) if self.blue_first else pictures


def _ordered(clips: Tensor, frames: FrameOrder, generator: torch.Generator | None) -> Tensor:
    count = clips.shape[1]
    if frames == "single":
        return clips[:, count // 2 : count // 2 + 1].expand_as(clips)
    if frames == "shuffled":
        drawing = generator or torch.Generator().manual_seed(0)
        orders = [torch.randperm(count, generator=drawing) for _ in clips]
        if generator is None:
            orders = orders[:1] * len(clips)
        return torch.stack([clip[order] for clip, order in zip(clips, orders, strict=True)]) if orders else clips
    return clips


def _shifted(clips: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Move each clip by up to `share` of its size; pixels of the border fill what becomes free."""
    if share <= 0:
        return clips
    batch, _, height, width, _ = clips.shape
    moves = 2 * torch.rand(batch, 2, generator=generator) - 1
    moved = []
    for clip, (down, across) in zip(clips, (moves * torch.tensor([height, width]) * share).round().long(), strict=True):
        rows = (torch.arange(height) + down).clamp(0, height - 1)
        columns = (torch.arange(width) + across).clamp(0, width - 1)
        moved.append(clip[:, rows][:, :, columns])
    return torch.stack(moved)


def _pictures(clips: Tensor, mean: Colours, std: Colours) -> Tensor:
    """uint8 (B, T, H, W, 3) -> float32 of the same shape with mean 0 and spread 1 for natural pictures."""
    if len({*mean}) == len({*std}) == 1:  # One number for all colours is faster than three.
        return clips.float().mul_(1 / (255 * std[0])).sub_(mean[0] / std[0])
    centre, spread = (torch.tensor(three, device=clips.device) for three in (mean, std))
    return clips.float().mul_(1 / (255 * spread)).sub_(centre / spread)


def _coloured(pictures: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """One contrast, one brightness and one gain per channel for each clip: frames of a clip change alike."""
    if amount <= 0:
        return pictures
    batch = len(pictures)
    contrast, light = (2 * torch.rand(2, batch, 1, generator=generator) - 1) * amount
    gains = (2 * torch.rand(batch, 3, generator=generator) - 1) * (amount / 2)
    scale, offset = (1 + contrast) * (1 + gains), light.expand(batch, 3) / (2 * _SPREAD)
    return pictures.mul_(scale[:, None, None, None]).add_(offset[:, None, None, None])


def _laid_out(pictures: Tensor, differences: bool) -> Tensor:
    """(B, T, H, W, 3) -> (B, C, T, H, W), in memory still with channels last: the layout that convolutions like."""
    if differences:
        changes = torch.zeros_like(pictures)
        torch.sub(pictures[:, 1:], pictures[:, :-1], out=changes[:, 1:])
        pictures = torch.cat([pictures, changes], dim=-1)
    return pictures.permute(0, 4, 1, 2, 3)


def _stacked(fields: Tensor, stack: int) -> Tensor:
    """uint8 (B, T, H, W, 2) -> float32 (B, 2 stack, T - stack + 1, H, W), scaled as pictures are, still is 0."""
    values = fields.float().sub_(STILL).mul_(1 / (255 * _SPREAD))
    runs = values.unfold(1, stack, 1)  # (B, T', H, W, 2, stack)
    return runs.transpose(4, 5).flatten(4).permute(0, 4, 1, 2, 3)
