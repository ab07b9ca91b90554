"""What all backbones have in common: windows in, one feature each out."""

import torch
from torch import Tensor, nn


class FeatureNet(nn.Module):
    """A net that turns each window of a batch into a feature (B, `width`). A classifier is not part of it."""

    width: int


class ClipNet(FeatureNet):
    """A net for clips: (B, C, T, H, W) -> features (B, `width`)."""

    def forward(self, clips: Tensor) -> Tensor:
        """Clips (B, C, T, H, W) -> features (B, width), the mean of the maps over time and picture, float32."""
        return self.maps(clips).mean(dim=(2, 3, 4), dtype=torch.float32)

    def maps(self, clips: Tensor) -> Tensor:
        """Clips (B, C, T, H, W) -> feature maps (B, width, T', H', W') of the last stage."""
        raise NotImplementedError
