"""VGGish: a VGG over patches of a log-mel spectrogram (Hershey et al. 2017, arXiv 1609.09430, and their code)."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from whenabouts.nets.clip_net import FeatureNet


class VGGish(FeatureNet):
    """Patches (B, 1, T, M) of T rows of M mel bands -> features (B, `embedding`).

    Stage i holds `blocks[i]` 3x3 convolutions of `widths[i]` channels, with `norm` followed by a batch norm, and ends
    with a 2x2 max pool; then come linear layers of `hidden` numbers, and one of `embedding`, with a ReLU behind it if
    `rectified`. The defaults are the published net, of 72,141,184 parameters, under the names of torchvggish; its
    authors give what stands before that ReLU, torchvggish what stands behind it.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        blocks: Sequence[int] = (1, 1, 2, 2),
        hidden: Sequence[int] = (4096, 4096),
        embedding: int = 128,
        size: tuple[int, int] = (96, 64),
        norm: bool = False,
        rectified: bool = False,
    ) -> None:
        super().__init__()
        if not widths or len(widths) != len(blocks):
            raise ValueError(f"VGGish needs as many widths as numbers of blocks, but got {widths} and {blocks}.")
        rows, bands = (side >> len(widths) for side in size)
        if not rows or not bands:
            raise ValueError(f"Patches of {size} rows and bands are halved to nothing by {len(widths)} stages.")
        self.width, self.size = embedding, size
        self.features = nn.Sequential()
        before = 1
        for width, count in zip(widths, blocks, strict=True):
            for _ in range(count):
                self.features.append(nn.Conv2d(before, width, 3, padding=1))
                if norm:
                    self.features.append(nn.BatchNorm2d(width))
                self.features.append(nn.ReLU(inplace=True))
                before = width
            self.features.append(nn.MaxPool2d(2, stride=2))
        self.embeddings = nn.Sequential()
        for given, made in pairwise((before * rows * bands, *hidden, embedding)):
            self.embeddings.append(nn.Linear(given, made))
            self.embeddings.append(nn.ReLU(inplace=True))
        if not rectified:
            del self.embeddings[-1]
        self._initialise()

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (B, 1, T, M) -> features (B, embedding) float32; patches of another size raise ValueError."""
        if patches.ndim != 4 or tuple(patches.shape[2:]) != self.size or patches.shape[1] != 1:
            raise ValueError(f"VGGish of {self.size} takes (B, 1, rows, bands), but got {tuple(patches.shape)}.")
        maps = self.features(patches)
        # Channels come last, as in TensorFlow, where its published weights are from.
        made: Tensor = self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))
        return made.float()

    def _initialise(self) -> None:
        """He initialisation by fan-in; biases 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
