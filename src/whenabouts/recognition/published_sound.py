"""Published weights of nets for sound."""

from collections.abc import Callable
from pathlib import Path

from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.checkpoint_files import read_weights
from whenabouts.recognition.downloads import Download, cache_folder, fetched
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


def published_sound(
    name: str, *, path: Path | None = None, cache: Path | None = None, say: Callable[[str], None] = print
) -> Backbone:
    """The net for sound published under `name`, downloaded once, or from a file at `path` in the same layout.

    The file may hold the PCA of AudioSet's features beside the net; it is not used. Any other weight that is missing,
    unexpected, of another shape or not finite raises InvalidData.
    """
    if name not in PUBLISHED_SOUND:
        raise SettingsError(f"No net for sound is published here as {name!r}. Known: {', '.join(PUBLISHED_SOUND)}.")
    shape, download, _ = PUBLISHED_SOUND[name]
    path = path or fetched(download, (cache or cache_folder()) / "weights", say=say)
    found = read_weights(path, "safetensors" if path.suffix == ".safetensors" else "torch")
    tensors = {key: tensor.float() for key, tensor in found.items() if not key.startswith(_BESIDE)}
    net = shape.build()
    wanted = {key: tuple(tensor.shape) for key, tensor in net.state_dict().items()}
    if wanted.keys() != tensors.keys():
        first = sorted(wanted.keys() ^ tensors.keys())[0]
        raise InvalidData(f"{path} does not hold these weights: {first} is only in one of file and net.")
    for key, tensor in tensors.items():
        if tuple(tensor.shape) != wanted[key] or not tensor.isfinite().all():
            raise InvalidData(f"{path}: {key} of shape {tuple(tensor.shape)} is not {wanted[key]}, or is not finite.")
    net.load_state_dict(tensors)
    return Backbone(shape, net.eval())
