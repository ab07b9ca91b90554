"""Files that would run something if they were read as their names suggest: none runs, each is refused with a reason.

Each hostile file would leave a marker. That it truly would is shown first, by reading it the careless way.
"""

import contextlib
import io
import os
import pickle
import pickletools
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from whenabouts.core.errors import InvalidData
from whenabouts.nets.conv3d import R2Plus1D
from whenabouts.recognition.published_list import PUBLISHED
from whenabouts.recognition.published_weights import load_clip_net

SMALL = partial(R2Plus1D, widths=(4,), blocks=(1,), stem=4)
Careless = Callable[[Path], object]


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: Callable[..., object], *given: object) -> None:
        self.call = (function, given)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def pickled(path: Path) -> object:
    with path.open("rb") as file:
        return pickle.load(file, encoding="latin1")


def torched(path: Path) -> object:
    return torch.load(path, weights_only=False)


def first_one_then_the_other(path: Path) -> object:
    """What many scripts do: where torch can't read it, it is a pickle."""
    try:
        return torch.load(path, weights_only=True)
    except Exception:
        return pickled(path)


def mkdir(marker: Path) -> Calls:
    return Calls(os.mkdir, str(marker))


def zipped(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def legacy(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def weights() -> dict[str, torch.Tensor]:
    return SMALL().state_dict() | {"fc.weight": torch.zeros(5, 4), "fc.bias": torch.zeros(5)}


def exchanged(program: bytes) -> bytes:
    """A true archive of weights whose pickle is another."""
    source, made = io.BytesIO(zipped(weights())), io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(name, program if name.endswith("data.pkl") else old.read(name))
    return made.getvalue()


def taken(value: object) -> bytes:
    """An old tar of weights, the kind that torch read before 2017."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name in ("sys_info", "storages", "tensors", "pickle"):
            data = pickle.dumps(value)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


def by_name(module: str, name: str, argument: str) -> bytes:
    """A pickle of protocol 0 that calls module.name(argument)."""
    return f"c{module}\n{name}\n(V{argument}\ntR.".encode()


def instanced(module: str, name: str, argument: str) -> bytes:
    """The same by the old opcode for instances."""
    return f"(V{argument}\ni{module}\n{name}\n.".encode()


def stacked(module: str, name: str, argument: str) -> bytes:
    """The same by the newer opcodes, under protocol 4."""
    body = b"".join(b"\x8c" + struct.pack("<B", len(text)) + text.encode() for text in (module, name))
    value = argument.encode()
    return b"\x80\x04" + body + b"\x93X" + struct.pack("<I", len(value)) + value + b"\x85R."


def object_array(marker: Path) -> np.ndarray:
    made = np.empty(1, dtype=object)
    made[0] = mkdir(marker)
    return made


def blobs(value: object, protocol: int = 2) -> bytes:
    return pickle.dumps({"blobs": value}, protocol=protocol)


def inner_load(marker: Path) -> Calls:
    return Calls(torch.storage._load_from_bytes, legacy(mkdir(marker)))


SAFETENSORS_HEAD = struct.pack("<Q", 2) + b"{}"

# What is published -> name of the file, what it holds, and who would run it.
HOSTILE: dict[str, tuple[str, str, Callable[[Path], bytes], Careless | None]] = {
    "a pickle as .pth": ("torch", "a.pth", lambda m: pickle.dumps(mkdir(m)), torched),
    "a pickle as .pt": ("torch", "a.pt", lambda m: pickle.dumps(mkdir(m)), torched),
    "a pickle as .pyth": ("torch", "a.pyth", lambda m: pickle.dumps(mkdir(m)), torched),
    "a pickle as .bin": ("torch", "a.bin", lambda m: pickle.dumps(mkdir(m)), torched),
    "a pickle as .npz": ("torch", "a.npz", lambda m: pickle.dumps(mkdir(m)), torched),
    "a pickle without extension": ("torch", "weights", lambda m: pickle.dumps(mkdir(m)), torched),
    "a pickle as .safetensors": ("torch", "a.safetensors", lambda m: pickle.dumps(mkdir(m)), pickled),
    "a pickle as .PKL": ("caffe2", "a.PKL", lambda m: pickle.dumps(mkdir(m)), pickled),
    "torch's zip": ("torch", "a.pth", lambda m: zipped(mkdir(m)), torched),
    "torch's older file": ("torch", "a.pth", lambda m: legacy(mkdir(m)), torched),
    "torch's oldest file": ("torch", "a.pth.tar", lambda m: taken(mkdir(m)), torched),
    "torch's zip renamed .pkl": ("caffe2", "a.pkl", lambda m: zipped(mkdir(m)), torched),
    "beside true weights": ("torch", "a.pth", lambda m: zipped({"state_dict": weights(), "meta": mkdir(m)}), torched),
    "among true weights": ("torch", "a.pth", lambda m: zipped(weights() | {"x": mkdir(m)}), torched),
    "as a key": ("torch", "a.pth", lambda m: zipped({(1, mkdir(m)): 1}), torched),
    "deep within": ("torch", "a.pth", lambda m: zipped({"model_state": {"a": [[{"b": (mkdir(m),)}]]}}), torched),
    "a true archive with another pickle": ("torch", "a.pth", lambda m: exchanged(pickle.dumps(mkdir(m), 2)), torched),
    "code as text": ("torch", "a.pth", lambda m: zipped(Calls(exec, f"import os; os.mkdir({str(m)!r})")), torched),
    "an expression": (
        "caffe2",
        "a.pkl",
        lambda m: blobs({"w": Calls(eval, f"__import__('os').mkdir({str(m)!r})")}),
        pickled,
    ),
    "a process": ("caffe2", "a.pkl", lambda m: blobs({"w": Calls(subprocess.call, ["mkdir", str(m)])}), pickled),
    "a shell": ("torch", "a.pth", lambda m: zipped(Calls(os.system, f"mkdir {m}")), torched),
    "torch's own loader within": ("torch", "a.pth", lambda m: zipped(inner_load(m)), torched),
    "torch's own loader in a blob": ("caffe2", "a.pkl", lambda m: blobs({"w": inner_load(m)}), pickled),
    "an array of objects": ("caffe2", "a.pkl", lambda m: blobs({"w": object_array(m)}), pickled),
    "a blob's name": ("caffe2", "a.pkl", lambda m: pickle.dumps({"blobs": {mkdir(m): 1}}, 2), pickled),
    "protocol 0": ("caffe2", "a.pkl", lambda m: by_name("os", "mkdir", str(m)), pickled),
    "an instance": ("caffe2", "a.pkl", lambda m: instanced("os", "mkdir", str(m)), pickled),
    "protocol 4": ("caffe2", "a.pkl", lambda m: stacked("posix", "mkdir", str(m)), pickled),
    "protocol 5": ("caffe2", "a.pkl", lambda m: blobs({"w": mkdir(m)}, 5), pickled),
    "bait: a broken archive before a pickle": (
        "torch",
        "a.pth",
        lambda m: pickle.dumps(mkdir(m)) + b"PK\x05\x06" + bytes(18),
        first_one_then_the_other,
    ),
    "bait: what weights_only refuses": ("torch", "a.pth", lambda m: blobs({"w": mkdir(m)}), first_one_then_the_other),
    "bait: a pickle behind a head of safetensors": (
        "torch",
        "a.safetensors",
        lambda m: SAFETENSORS_HEAD + pickle.dumps(mkdir(m)),
        None,
    ),
}


@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_runs_and_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, forced: bool
) -> None:
    kind, file, make, careless = HOSTILE[name]
    marker, path = tmp_path / "marker", tmp_path / file
    path.write_bytes(make(marker))
    if careless and not forced:
        with contextlib.suppress(Exception):  # Some break after they ran.
            careless(path)
        assert marker.is_dir()
        marker.rmdir()
    if forced:  # Torch heeds this where a reader leaves weights_only open.
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    for reading in {kind, "torch", "caffe2"}:
        published = replace(PUBLISHED["r2plus1d_18"], build=SMALL, classes=5, kind=reading)  # type: ignore[arg-type]
        monkeypatch.setitem(PUBLISHED, "r2plus1d_18", published)
        with pytest.raises(InvalidData, match=r"is refused: .{8}") as told:
            load_clip_net("r2plus1d_18", path=path)
        assert str(path) in str(told.value)
        assert not marker.exists()


def test_there_are_thirty() -> None:
    assert len(HOSTILE) >= 30


def test_true_weights_pass_where_these_do_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(PUBLISHED, "r2plus1d_18", replace(PUBLISHED["r2plus1d_18"], build=SMALL, classes=5))
    path = tmp_path / "a.pth"
    for made in (zipped(weights()), legacy(weights()), zipped({"state_dict": weights(), "meta": {"epoch": 1}})):
        path.write_bytes(made)
        assert load_clip_net("r2plus1d_18", path=path).report.reinitialised == ()


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n"
KIND = b"cnumpy\ndtype\n(Vf4\nK\x00K\x01tR"


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (b"cnumpy\nload\n(Vx\ntR.", "asks for numpy.load"),
        (b"cnumpy.core.multiarray\nfromfile\n(Vx\ntR.", "asks for numpy.core.multiarray.fromfile"),
        (b"cos\nsystem\n.", "asks for os.system"),
        (b"c_codecs\nencode\n(Vx\nVrot13\ntR.", "encodes something as ('rot13',)"),
        (b"cnumpy\ndtype\n}b.", "change what it names"),
        (b"cnumpy\ndtype\n(N}Vkind\nVarray\nstb.", "change what it names"),
        (b"cnumpy\nndarray\n(I999999999999\ntR.", "which only stands for a type"),
        (b"cnumpy\ndtype\n(VO\ntR.", "numbers of kind 'O'"),
        (b"cnumpy\ndtype\n(VV8\ntR.", "numbers of kind 'V8'"),
        (ARRAY + b"(cnumpy\ndtype\n(I0\ntVb\ntR.", "a type other than numpy's"),
        (b"Pid\n.", "the order PERSID"),
        (b"\x80\x02\x82\x01.", "the order EXT1"),
        (b"(dVblobs\n(dVw\n(dss.", "neither an array nor a number"),
        (b"(dVblobs\n(dsVmore\nI1\ns.", 'dictionary of "blobs"'),
        (b")\x94.", 'dictionary of "blobs"'),
        (b"]\x94.", "the order EMPTY_LIST"),
        (b"(dI1\nI2\ns.", "a name of int"),
        (b"Va\nVb\nVc\ns.", "no dictionary"),
        (b"Va\n)R.", "calls something that is no name"),
        (b"Va\nN\x81.", "the order NEWOBJ"),
        (b"(dVblobs\n(ds. and more", "behind the pickle's end"),
        (b"", "no whole pickle"),
        (b"\x80\x02}X\xff\xff\xff\x7f", "no whole pickle"),
    ],
)
def test_pickles_may_name_arrays_alone(tmp_path: Path, program: bytes, told: str) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(program)
    published = PUBLISHED["slowfast_50_8x8"]
    assert published.kind == "caffe2"
    with pytest.raises(InvalidData, match="is refused: ") as error:
        load_clip_net("slowfast_50_8x8", path=path)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ((1, (2,), np.dtype("f4"), False, b"1234"), "4 bytes for an array"),
        ((1, (10**15,), np.dtype("f4"), False, b"1234"), "4 bytes for an array"),
        ((1, (-1,), np.dtype("f4"), False, b"1234"), "of shape"),
        ((1, (1,), np.dtype("O"), False, [1]), "numbers of kind 'O8'"),
        ((1, (1,), np.dtype("f4"), False, 7), "array of objects"),
        ((1, (1,), np.dtype("f4"), False, [1]), "the order EMPTY_LIST"),
        ((1, (1,), None, False, b"1234"), "array of objects"),
        ((1, (1,)), "in a way that numpy does not"),
        (None, "in a way that numpy does not"),
    ],
)
def test_arrays_are_of_the_bytes_that_the_file_holds(tmp_path: Path, state: object, told: str) -> None:
    class Described:
        def __reduce__(self) -> tuple[object, ...]:
            return np.zeros(1).__reduce__()[0], (np.ndarray, (0,), b"b"), state or ()

    data = pickle.dumps({"blobs": {"w": Described()}}, protocol=2)
    assert b"_reconstruct" in data
    assert pickletools.genops(data)
    path = tmp_path / "a.pkl"
    path.write_bytes(data)
    with pytest.raises(InvalidData, match="is refused: ") as error:
        load_clip_net("slowfast_50_8x8", path=path)
    assert told in str(error.value)
