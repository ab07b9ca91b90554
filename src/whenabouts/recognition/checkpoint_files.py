"""Weights out of published files, by what a file is published as: no other way of reading it is tried."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.recognition.inert_pickle import read_arrays

FileKind = Literal["torch", "caffe2", "safetensors"]

# What trainers keep beside the weights.
_BESIDE = {
    "cfg",
    "epoch",
    "iter",
    "message_hub",
    "meta",
    "optimizer",
    "optimizer_state",
    "param_schedulers",
    "scaler_state",
}
_CONTAINERS = ("model_state", "state_dict")


def read_weights(path: Path, kind: FileKind) -> dict[str, Tensor]:
    """Names and tensors of a file published as `kind`.

    "torch" is read with `weights_only`, "caffe2" by `inert_pickle`: nothing in a file runs, whatever its name says.
    In a "torch" file the weights may stand under "model_state" or "state_dict", beside what trainers keep. A missing
    file raises ProjectError, all else that isn't such weights InvalidData with the reason.
    """
    if not path.is_file():
        raise ProjectError(f"There are no weights at {path}. Give the path of the file itself.")
    if kind == "caffe2":
        return {name: torch.from_numpy(_native(array)) for name, array in read_arrays(path).items()}
    return _tensors(_safetensors(path) if kind == "safetensors" else _torch(path), path)


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return dict(safetensors.torch.load_file(path))
    except (safetensors.SafetensorError, OSError) as error:
        raise InvalidData(f"{path} is refused: it is no safetensors file ({error}).") from None


def _torch(path: Path) -> Any:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("constants.pkl") for name in archive.namelist()):
                raise InvalidData(f"{path} is refused: it is a TorchScript program, not weights.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # A broken file may raise anything: with weights_only none of it has run.
        raise InvalidData(
            f"{path} is refused: it is no file of torch weights alone ({_reason(str(error))}). It was not run."
        ) from None


def _reason(text: str) -> str:
    """The sentence of torch's long message that tells what was found."""
    for line in text.splitlines():
        for mark in ("Unsupported global:", "Unsupported class", "Unsupported operand", "Trying to", "Can only"):
            if mark in line:
                return line[line.index(mark) :].strip().rstrip(".")
    kept = " ".join(text.split())
    return kept[:200].rstrip(".") or "it is broken"


def _tensors(found: Any, path: Path) -> dict[str, Tensor]:
    """The dictionary of tensors in what a file held."""
    container = next((name for name in _CONTAINERS if isinstance(found, Mapping) and name in found), None)
    if container is not None:
        strange = sorted(str(name) for name in found if name != container and name not in _BESIDE)
        if strange:
            raise InvalidData(f"{path} is refused: beside {container!r} it holds {strange[:3]}, which is unexpected.")
        found = found[container]
    if not isinstance(found, Mapping) or not found:
        raise InvalidData(f"{path} is refused: it holds {type(found).__name__}, not named weights.")
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise InvalidData(f"{path} is refused: {name!r} is {type(tensor).__name__}, not a tensor.")
    return {name: tensor.detach() for name, tensor in found.items()}


def _native(array: Any) -> Any:
    """An array of its own, in this machine's order of bytes; a number becomes an array of no dimensions."""
    made = np.array(array)
    return made.astype(made.dtype.newbyteorder("="))
