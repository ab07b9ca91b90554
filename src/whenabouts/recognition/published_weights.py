"""Published backbones by name: downloaded, checked and read so that no file can run anything."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.nets.clip_net import ClipNet
from whenabouts.recognition.checkpoint_files import read_weights
from whenabouts.recognition.clip_preparation import ClipPreparation
from whenabouts.recognition.downloads import cache_folder, fetched
from whenabouts.recognition.key_maps import COUNTER
from whenabouts.recognition.published_list import PUBLISHED, Published

# What Caffe2's trainers keep among the blobs beside the weights.
_TRAINERS = ("lr", "model_iter")
_HEAD = ("fc.weight", "fc.bias")


@dataclass(frozen=True)
class LoadReport:
    """Names of the weights that were loaded and made anew, and of those that the file holds and nothing used."""

    loaded: tuple[str, ...]
    reinitialised: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        anew = f"{len(self.reinitialised)} made anew ({', '.join(self.reinitialised)})" if self.reinitialised else ""
        left = f"{len(self.unused)} in the file unused ({', '.join(self.unused[:3])}...)" if self.unused else ""
        return ", ".join(part for part in (f"{len(self.loaded)} weights loaded", anew, left) if part)


@dataclass(frozen=True)
class PublishedBackbone:
    """A net with published weights, its classifier, how clips are made for it, and where it comes from."""

    name: str
    net: ClipNet
    fc: nn.Linear
    clips: ClipPreparation
    labels: str
    licence: str
    remark: str
    report: LoadReport

    def scores(self, clips: Tensor) -> Tensor:
        """Clips (B, 3, T, H, W), as `self.clips` makes them -> scores (B, L) before the softmax."""
        found: Tensor = self.fc(self.net(clips))
        return found


def load_clip_net(
    name: str,
    *,
    path: str | Path | None = None,
    classes: int | None = None,
    cache: Path | None = None,
    say: Callable[[str], None] = print,
) -> PublishedBackbone:
    """The net for clips with the weights published under `name` (see `PUBLISHED`), ready to compute.

    The file is downloaded into `cache` once (see `downloads.cache_folder`); a file at `path` works the same, and needs
    no network. `classes` other than the published head's makes a new classifier, and the report says so; every other
    weight must be in the file, of the right shape and finite, and every weight in the file must be used, else
    InvalidData tells the first that isn't. Unknown names raise SettingsError with the nearest known one.
    """
    entry = _entry(name)
    if path is None:
        folder = (cache or cache_folder()) / "weights"
        path = fetched(entry.download, folder, say=say)
    tensors = read_weights(Path(path), "safetensors" if Path(path).suffix == ".safetensors" else entry.kind)
    with torch.device("meta"):
        net = ClassifiedNet(entry.build(), entry.classes)
    report, weights = _matched(net.shapes(), tensors, entry, Path(path), headless=classes is not None)
    if classes is not None and (classes != entry.classes or _HEAD[0] not in weights):
        report = LoadReport(
            tuple(n for n in report.loaded if n not in _HEAD), (*report.reinitialised, *_HEAD), report.unused
        )
        net.fc = nn.Linear(net.net.width, classes)
        weights |= {f"fc.{key}": tensor for key, tensor in net.fc.state_dict().items()}
    net.load(weights)
    return PublishedBackbone(
        name, net.net.eval(), net.fc, entry.clips, entry.labels, entry.licence, entry.remark, report
    )


class ClassifiedNet:
    """A net and its classifier while their weights are put in: both under one set of names."""

    def __init__(self, net: ClipNet, classes: int) -> None:
        self.net = net
        self.fc = nn.Linear(net.width, classes)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """All names, the classifier's as `fc.weight` and `fc.bias`, with their shapes."""
        named = self.net.state_dict() | {f"fc.{name}": tensor for name, tensor in self.fc.state_dict().items()}
        return {name: tuple(tensor.shape) for name, tensor in named.items()}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Put all weights in."""
        head = {name.removeprefix("fc."): tensor for name, tensor in weights.items() if name.startswith("fc.")}
        self.fc.load_state_dict(head, assign=True)
        body = {name: tensor for name, tensor in weights.items() if not name.startswith("fc.")}
        self.net.load_state_dict(body, assign=True)


def _entry(name: str) -> Published:
    if name not in PUBLISHED:
        raise SettingsError(f"No net for clips is published here as {name!r}. Known: {', '.join(sorted(PUBLISHED))}.")
    return PUBLISHED[name]


def _matched(
    shapes: Mapping[str, tuple[int, ...]],
    tensors: Mapping[str, Tensor],
    entry: Published,
    path: Path,
    *,
    headless: bool,
) -> tuple[LoadReport, dict[str, Tensor]]:
    """Each weight from its place in the file; counters of batches may be missing, and begin at 0.

    `headless` lets the classifier be missing, whole.
    """
    theirs = {ours: given.replace("*", str(entry.classes)) for ours, given in entry.layout(list(shapes)).items()}
    if headless and not any(theirs[name] in tensors for name in _HEAD):
        theirs = {ours: given for ours, given in theirs.items() if ours not in _HEAD}
    unused = tuple(sorted(set(tensors) - set(theirs.values())))
    strange = [name for name in unused if not (entry.kind == "caffe2" and _is_trainers(name))]
    missing = [name for name in theirs.values() if name not in tensors and not name.endswith(COUNTER)]
    if missing or strange:
        raise InvalidData(
            f"{path} does not hold these weights: {len(missing)} are missing (first: {missing[:1]}), "
            f"{len(strange)} are unexpected (first: {strange[:1]}). Is it another net's file?"
        )
    weights, anew = {}, []
    for ours, shape in shapes.items():
        if theirs.get(ours) in tensors:
            weights[ours] = checked_weight(theirs[ours], tensors[theirs[ours]], shape, path)
        elif ours.endswith(COUNTER):
            weights[ours] = torch.zeros(shape, dtype=torch.int64)
            anew.append(ours)
    return LoadReport(tuple(name for name in weights if name not in set(anew)), tuple(anew), unused), weights


def _is_trainers(name: str) -> bool:
    return name in _TRAINERS or name.endswith("_momentum")


def checked_weight(name: str, tensor: Tensor, shape: tuple[int, ...], path: Path) -> Tensor:
    """A tensor of a file as float32 (counters as int64); InvalidData for another shape, integers, NaN and infinity."""
    if tuple(tensor.shape) != shape:
        raise InvalidData(f"{path}: {name} has shape {tuple(tensor.shape)}, but this net asks for {shape}.")
    if name.endswith(COUNTER):
        return tensor.to(torch.int64)
    if not tensor.is_floating_point():
        raise InvalidData(f"{path}: {name} holds {tensor.dtype}, not weights.")
    made = tensor.to(torch.float32).contiguous()
    if not made.isfinite().all():
        raise InvalidData(f"{path}: {name} holds values that are not finite. The file is damaged.")
    return made
