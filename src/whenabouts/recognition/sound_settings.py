"""The shape of a backbone of sound, and the nets that it may name."""

import difflib
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from whenabouts.config import as_table, settings
from whenabouts.core.errors import SettingsError
from whenabouts.nets.clip_net import FeatureNet
from whenabouts.nets.vggish import VGGish
from whenabouts.recognition.window_encoder import SOUND_BANDS, SoundForm

# No net has more than these; a file that asks for more is not to take time and memory before it is refused.
Count = Annotated[int, Field(ge=1, le=65_536)]
Widths = Annotated[tuple[Count, ...], Field(max_length=16)]
Blocks = Annotated[tuple[Annotated[int, Field(ge=1, le=256)], ...], Field(max_length=16)]

SOUND = "sound"
"""The stream of features that backbones of sound make."""


@settings
class SoundSettings:
    """Which net for sound, and its shape: see `nets/vggish.py`. `name` is one of `SOUND_BACKBONES`.

    It sees `rows` of log-mel, 100 a second and 64 bands each. The defaults are a net small enough to be trained on an
    archive; VGGish is widths (64, 128, 256, 512), blocks (1, 1, 2, 2), hidden (4096, 4096), without `norm`.
    """

    name: str = "vggish"
    widths: Widths = (16, 32, 64, 128)
    blocks: Blocks = (1, 1, 1, 1)
    hidden: Widths = (128,)
    embedding: Count = 128
    norm: bool = True
    rectified: bool = False
    rows: Count = 96

    @property
    def modality(self) -> str:
        """The stream of features that a net of sound makes."""
        return SOUND

    @property
    def form(self) -> SoundForm:
        """The windows that extraction cuts for this net."""
        return SoundForm(rows=self.rows)

    @property
    def window_seconds(self) -> float:
        """Time that a window looks at."""
        return self.form.window_seconds

    @property
    def channels(self) -> int:
        """Channels of the tensors that the net takes."""
        return 1

    def prepared(self, rows: NDArray[np.float32], device: torch.device) -> Tensor:
        """Windows (B, rows, 64) -> what the net takes, (B, 1, rows, 64), on a device."""
        return torch.from_numpy(rows).to(device).unsqueeze(1)

    def build(self) -> FeatureNet:
        """A fresh net of this shape, with random weights; raises SettingsError for a shape that can't be."""
        if self.name not in SOUND_BACKBONES:
            near = difflib.get_close_matches(self.name, SOUND_BACKBONES, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Choose from: {', '.join(SOUND_BACKBONES)}."
            raise SettingsError(f"sound.name is {self.name!r}, but there is no such net. {hint}")
        try:
            return SOUND_BACKBONES[self.name](self)
        except ValueError as error:
            raise SettingsError(f"sound: {error}") from None

    def identity(self) -> dict[str, Any]:
        """What decides features beside the weights, for checksums."""
        return as_table(self)


def _vggish(shape: SoundSettings) -> FeatureNet:
    return VGGish(
        widths=shape.widths,
        blocks=shape.blocks,
        hidden=shape.hidden,
        embedding=shape.embedding,
        size=(shape.rows, SOUND_BANDS),
        norm=shape.norm,
        rectified=shape.rectified,
    )


SOUND_BACKBONES: Mapping[str, Callable[[SoundSettings], FeatureNet]] = {"vggish": _vggish}
"""Every backbone of sound by name: a function from its settings to a fresh net."""
