"""The non-local block: every place of a clip looks at every other (Wang et al., "Non-local Neural Networks", 2018)."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from whenabouts.nets.residual import LimitedPool

Affinity = Literal["softmax", "dot_product"]


class NonLocalBlock(nn.Module):
    """Adds to each place of (B, width, T, H, W) a mean of all places, weighted by their affinity to it; same shape.

    theta, phi and g project to width / 2; phi and g look at a max-pooled clip (window `pool`: time, height, width).
    The affinity of two places is the dot product of theta and phi: put through a softmax after division by
    sqrt(width / 2) ("softmax", the embedded Gaussian), or divided by the number of places ("dot_product"). The batch
    norm behind the last projection starts at scale 0, so that the block begins as the identity.
    """

    def __init__(
        self,
        width: int,
        *,
        affinity: Affinity = "softmax",
        pool: tuple[int, int, int] = (1, 2, 2),
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__()
        inner = width // 2
        self.affinity = affinity
        self.pool = LimitedPool(pool)
        self.theta = nn.Conv3d(width, inner, 1)
        self.phi = nn.Conv3d(width, inner, 1)
        self.g = nn.Conv3d(width, inner, 1)
        self.out = nn.Conv3d(inner, width, 1)
        self.bn = nn.BatchNorm3d(width, eps=epsilon)
        self.reset()

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, T, H, W) -> the same shape."""
        pooled = self.pool(x)
        theta, phi, g = (part.flatten(2) for part in (self.theta(x), self.phi(pooled), self.g(pooled)))
        if self.affinity == "softmax":
            turned = (part.transpose(1, 2) for part in (theta, phi, g))
            # Contiguous, for else the batch norm's backward pass over places that lie apart takes most of the time.
            seen = functional.scaled_dot_product_attention(*turned).transpose(1, 2).contiguous()
        else:
            # (theta phi') g, summed from the right: no matrix of all pairs of places is ever made.
            seen = (g @ phi.transpose(1, 2)) @ theta / phi.shape[-1]
        result: Tensor = x + self.bn(self.out(seen.reshape(theta.shape[:2] + x.shape[2:])))
        return result

    def reset(self) -> None:
        """Normal weights of spread 0.01 and a batch norm of scale 0, as the paper trains."""
        for part in (self.theta, self.phi, self.g, self.out):
            nn.init.normal_(part.weight, std=0.01)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        nn.init.zeros_(self.bn.weight)
