"""Published weights of nets for sound."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.media.mel import log_mel
from whenabouts.nets.clip_net import FeatureNet
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.checkpoint_files import read_weights
from whenabouts.recognition.downloads import Download, cache_folder, fetched
from whenabouts.recognition.published_weights import LoadReport, checked_weight
from whenabouts.recognition.sound_settings import SoundSettings

VGGISH = "vggish_audioset"

# torchvggish (Apache-2.0), a port of the authors' TensorFlow weights; the address is that of its hubconf.py, and the 8
# digits in the file's name are the first of its SHA-256. Its code has a ReLU behind the embedding, and so have we.
_SHAPE = SoundSettings(
    widths=(64, 128, 256, 512), blocks=(1, 1, 2, 2), hidden=(4096, 4096), embedding=128, norm=False, rectified=True
)
_FILE = Download(
    "https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth", sha256="10086976"
)

PUBLISHED_SOUND = {VGGISH: (_SHAPE, _FILE, "Apache-2.0")}
"""All weights of nets for sound that are known by name: shape, file and licence."""

# What torchvggish's trainers may save beside the net: the PCA that AudioSet's released features went through.
_BESIDE = ("pproc.",)


@dataclass(frozen=True)
class SoundPreparation:
    """How sound is made into a net's patches: log-mel, 100 rows of 64 bands a second, `rows` of them one after another.

    Sound behind the last whole patch is left out, as the authors of VGGish do.
    """

    rows: int

    def __call__(self, wave: NDArray[np.float32]) -> Tensor:
        """A mono wave (samples,) at 16 kHz, in [-1, 1] -> patches (B, 1, rows, 64) float32.

        InvalidData where it is no such wave, or too short for one patch.
        """
        if wave.ndim != 1 or not np.issubdtype(wave.dtype, np.floating):
            raise InvalidData(f"Sound is a float wave (samples,) at 16 kHz, but this is {wave.dtype} {wave.shape}.")
        found = log_mel(wave.astype(np.float32))
        if len(found) < self.rows:
            raise InvalidData(f"{len(wave)} samples at 16 kHz make {len(found)} rows; a patch has {self.rows}.")
        whole = len(found) // self.rows * self.rows
        return torch.from_numpy(found[:whole].reshape(-1, 1, self.rows, found.shape[1]))


@dataclass(frozen=True)
class PublishedSound:
    """A net for sound with published weights, how patches are made for it, and where it comes from."""

    name: str
    net: FeatureNet
    settings: SoundSettings
    clips: SoundPreparation
    licence: str
    report: LoadReport
    remark: str = ""


def load_sound_net(
    name: str, *, path: str | Path | None = None, cache: Path | None = None, say: Callable[[str], None] = print
) -> PublishedSound:
    """The net for sound published under `name`, downloaded once, or from a file at `path` in the same layout.

    The file may hold the PCA of AudioSet's features beside the net; it is not used. Any other weight that is missing,
    unexpected, of another shape or not finite raises InvalidData, an unknown name SettingsError.
    """
    if name not in PUBLISHED_SOUND:
        raise SettingsError(f"No net for sound is published here as {name!r}. Known: {', '.join(PUBLISHED_SOUND)}.")
    shape, download, licence = PUBLISHED_SOUND[name]
    path = Path(path) if path is not None else fetched(download, (cache or cache_folder()) / "weights", say=say)
    found = read_weights(path, "safetensors" if path.suffix == ".safetensors" else "torch")
    net = shape.build()
    unused = tuple(sorted(key for key in found if key.startswith(_BESIDE)))
    tensors = _matched(net, {key: tensor for key, tensor in found.items() if key not in unused}, path)
    net.load_state_dict(tensors)
    report = LoadReport(tuple(tensors), (), unused)
    return PublishedSound(name, net.eval(), shape, SoundPreparation(shape.rows), licence, report)


def sound_backbone(published: PublishedSound) -> Backbone:
    """A backbone to save as a project's models/backbone-sound."""
    return Backbone(published.settings, published.net)


def _matched(net: FeatureNet, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    wanted = {key: tuple(tensor.shape) for key, tensor in net.state_dict().items()}
    odd = sorted(wanted.keys() ^ tensors.keys())
    if odd:
        raise InvalidData(f"{path} does not hold these weights: {odd[0]} is only in one of file and net.")
    return {key: checked_weight(key, tensors[key], shape, path) for key, shape in wanted.items()}
