"""How published nets were fed: colours, sizes, frames. Weights and this belong together."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from whenabouts.core.errors import InvalidData

Triple = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class ClipPreparation:
    """What a net's training made of a video.

    Colours are red, green, blue in [0, 1], less `mean`, over `std`, then in the net's `order`. Pictures are resized,
    bilinearly, to `resize`: (height, width), or that length of the shorter side; then the middle `crop` x `crop` pixels
    are taken. A clip is `frames` pictures, every `stride`-th of a video of `rate` pictures a second.
    """

    mean: Triple
    std: Triple
    resize: tuple[int, int] | int
    crop: int
    frames: int
    stride: int = 1
    rate: float = 30.0
    order: Literal["rgb", "bgr"] = "rgb"

    @property
    def clip_seconds(self) -> float:
        """From the first picture of a clip to that after its last."""
        return self.frames * self.stride / self.rate

    def sizes(self, height: int, width: int) -> tuple[int, int]:
        """What pictures of this height and width are resized to."""
        if isinstance(self.resize, tuple):
            return self.resize
        short = min(height, width)
        return max(self.crop, self.resize * height // short), max(self.crop, self.resize * width // short)

    def __call__(self, pictures: NDArray[np.uint8]) -> Tensor:
        """uint8 (T, H, W, 3), red first, or (B, T, H, W, 3) -> float32 (B, 3, T, crop, crop)."""
        clips = torch.from_numpy(np.ascontiguousarray(pictures))
        clips = clips.unsqueeze(0) if clips.ndim == 4 else clips
        if clips.ndim != 5 or clips.shape[-1] != 3 or clips.dtype != torch.uint8 or not clips.numel():
            raise InvalidData(
                f"A clip is uint8 (T, H, W, 3), but this is {clips.dtype} {tuple(pictures.shape)}. Decode it first."
            )
        batch, frames, height, width, _ = clips.shape
        flat = clips.flatten(0, 1).permute(0, 3, 1, 2).float().div_(255)
        flat = functional.interpolate(flat, size=self.sizes(height, width), mode="bilinear", align_corners=False)
        top, left = (flat.shape[2] - self.crop) // 2, (flat.shape[3] - self.crop) // 2
        flat = flat[:, :, top : top + self.crop, left : left + self.crop]
        mean, std = (torch.tensor(three)[:, None, None] for three in (self.mean, self.std))
        flat = (flat - mean) / std
        flat = flat.flip(1) if self.order == "bgr" else flat
        return flat.reshape(batch, frames, *flat.shape[1:]).transpose(1, 2)


SMALL = ClipPreparation(
    mean=(0.43216, 0.394666, 0.37645), std=(0.22803, 0.22145, 0.216989), resize=(128, 171), crop=112, frames=32
)
"""torchvision, VMZ and ig65m-pytorch."""
KINETICS = ClipPreparation(mean=(0.45, 0.45, 0.45), std=(0.225, 0.225, 0.225), resize=256, crop=256, frames=32)
"""PySlowFast and pytorchvideo, as they test."""
MIDWAY = ClipPreparation(
    mean=(123.675 / 255, 116.28 / 255, 103.53 / 255),
    std=(58.395 / 255, 57.12 / 255, 57.375 / 255),
    resize=256,
    crop=256,
    frames=32,
)
"""mmaction2's own trainings, as they test: ImageNet's colours."""
PICTURES = replace(MIDWAY, crop=224, frames=1, rate=2.0)
"""torchvision's nets on single pictures; their publisher names no frame rate."""
