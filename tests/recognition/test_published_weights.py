import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

import whenabouts
from whenabouts.core.errors import InvalidData, ProjectError, SettingsError
from whenabouts.nets.clip_net import ClipNet
from whenabouts.nets.conv3d import R2Plus1D, time_first_r2plus1d
from whenabouts.nets.csn import csn_of
from whenabouts.nets.i3d import i3d_of
from whenabouts.nets.pathways import NonLocals
from whenabouts.nets.slowfast import slowfast_of
from whenabouts.recognition.clip_preparation import KINETICS, SMALL
from whenabouts.recognition.key_maps import COUNTER, pyslowfast
from whenabouts.recognition.published_list import PUBLISHED, Published
from whenabouts.recognition.published_weights import load_clip_net

Fill = Callable[[str, tuple[int, ...]], np.ndarray]
SHAPE = {"widths": (8, 16), "blocks": (1, 2)}

# One small net for each published layout.
SMALL_NETS: dict[str, tuple[str, Callable[[], ClipNet]]] = {
    "torchvision": ("r2plus1d_18", partial(R2Plus1D, **SHAPE)),
    "vmz_csn": ("ip_csn_152_ig65m", partial(csn_of, (1, 2), widths=(8, 16), interaction="preserved")),
    "vmz_caffe2": ("r2plus1d_34_ig65m_32f_caffe2", partial(R2Plus1D, **SHAPE, mid="per_convolution")),
    "vmz_caffe2_bottleneck": ("r2plus1d_152_sports1m_caffe2", partial(R2Plus1D, **SHAPE, bottleneck=True)),
    "pyslowfast_caffe2": ("slowfast_50_8x8", partial(slowfast_of, (1, 2), widths=(8, 16))),
    "pyslowfast_i3d": (
        "i3d_nonlocal_50_8x8",
        partial(i3d_of, (1, 2), widths=(8, 16), nonlocals=NonLocals({2: (1,)})),
    ),
    "pytorchvideo": ("slowfast_50_8x8_pytorchvideo", partial(slowfast_of, (1, 2), widths=(8, 16))),
    "pytorchvideo_r2plus1d": ("r2plus1d_50_pytorchvideo", partial(time_first_r2plus1d, **SHAPE)),
    "mmaction2_csn": ("ir_csn_152_kinetics_mmaction2", partial(csn_of, (1, 2), widths=(8, 16))),
    "mmaction2_slowfast": (
        "slowfast_101_8x8_mmaction2",
        partial(slowfast_of, (1, 2), widths=(8, 16), lateral_norm=False, slow_frames="every"),
    ),
}


def small(monkeypatch: pytest.MonkeyPatch, layout: str) -> tuple[str, Published]:
    """The published entry of a layout with a small net in its place."""
    name, build = SMALL_NETS[layout]
    entry = replace(PUBLISHED[name], build=build, classes=5)
    monkeypatch.setitem(PUBLISHED, name, entry)
    return name, entry


def theirs(entry: Published, fill: Fill) -> dict[str, np.ndarray]:
    """What the publisher's file would hold: values by the golden rule, under the publisher's names."""
    net = entry.build()
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    shapes |= {"fc.weight": (entry.classes, net.width), "fc.bias": (entry.classes,)}
    values = {}
    for ours, name in entry.layout(list(shapes)).items():
        name = name.replace("*", str(entry.classes))
        counter = ours.endswith(COUNTER)
        values[name] = np.array(7) if counter else fill(ours, shapes[ours])
    return values


def written(entry: Published, values: dict[str, np.ndarray], folder: Path, pickled: Callable[..., bytes]) -> Path:
    """A file as the publisher writes it."""
    path = folder / entry.download.file_name
    tensors = {name: torch.from_numpy(array.copy()) for name, array in values.items()}
    if entry.kind == "caffe2":
        path.write_bytes(pickled(values))
    elif "pytorchvideo" in entry.download.address:
        torch.save({"model_state": tensors}, path)
    elif "mmaction" in entry.download.address:
        torch.save({"meta": {"epoch": 3, "iter": 9}, "state_dict": tensors, "optimizer": {"state": {}}}, path)
    else:
        torch.save(tensors, path)
    return path


@pytest.mark.parametrize("layout", SMALL_NETS)
def test_a_file_in_each_published_layout_fills_every_weight(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fill: Fill, pickled: Callable[..., bytes], layout: str
) -> None:
    name, entry = small(monkeypatch, layout)
    path = written(entry, theirs(entry, fill), tmp_path, pickled)
    found = load_clip_net(name, path=path)
    state = found.net.state_dict() | {f"fc.{key}": tensor for key, tensor in found.fc.state_dict().items()}
    for key, tensor in state.items():
        if key.endswith(COUNTER):
            assert int(tensor) == (0 if entry.kind == "caffe2" else 7)
        else:
            np.testing.assert_array_equal(tensor.numpy(), fill(key, tuple(tensor.shape)), key)
    counters = {key for key in state if key.endswith(COUNTER)}
    assert set(found.report.reinitialised) == (counters if entry.kind == "caffe2" else set())
    assert set(found.report.loaded) | set(found.report.reinitialised) == set(state)
    assert found.report.unused == ()
    assert not found.net.training
    with torch.inference_mode():
        scores = found.scores(found.clips(np.full((found.clips.frames, 20, 30, 3), 99, np.uint8)))
    assert scores.shape == (1, 5)
    assert scores.isfinite().all()


def test_every_published_entry_says_where_from_and_under_which_terms() -> None:
    addresses = [entry.download.address for entry in PUBLISHED.values()]
    assert len(set(addresses)) == len(addresses)
    for entry in PUBLISHED.values():
        assert entry.download.address.startswith("https://")
        assert entry.licence in ("Apache-2.0", "BSD-3-Clause", "MIT")
        checksum = entry.download.sha256
        assert checksum is None or (len(checksum) == 8 and checksum in entry.download.file_name)
        assert entry.kind == ("caffe2" if entry.download.file_name.endswith(".pkl") else "torch")


def test_every_published_layout_has_one_name_for_each_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.modules.conv._ConvNd, "reset_parameters", lambda _: None)
    monkeypatch.setattr("torch.nn.init.kaiming_normal_", lambda *_, **__: None)
    nets: dict[str, list[str]] = {}
    for entry in PUBLISHED.values():
        if repr(entry.build) not in nets:
            with torch.device("meta"):
                nets[repr(entry.build)] = [*entry.build().state_dict(), "fc.weight", "fc.bias"]
        names = entry.layout(nets[repr(entry.build)])
        assert len(set(names.values())) == len(names)


@pytest.mark.golden
def test_a_whole_published_net_computes_what_the_reference_does(
    shared: Path, tmp_path: Path, fill: Fill, pickled: Callable[..., bytes]
) -> None:
    """SlowFast-50 by way of a Caffe2 pickle: names, reading and graph together give the golden features."""
    entry = PUBLISHED["slowfast_50_8x8"]
    with torch.device("meta"):
        net = entry.build()
        shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    shapes |= {"fc.weight": (400, 2304), "fc.bias": (400,)}
    blobs = entry.layout(list(shapes))
    reference = pyslowfast(list(shapes))
    path = tmp_path / "SLOWFAST_8x8_R50.pkl"
    path.write_bytes(pickled({blob: fill(reference[ours], shapes[ours]) for ours, blob in blobs.items()}))
    found = load_clip_net("slowfast_50_8x8", path=path)
    i = np.arange(3 * 16 * 64 * 64, dtype=np.float64)
    clip = torch.from_numpy((np.sin(0.01 * i) + 0.5 * np.cos(0.37 * i)).astype(np.float32).reshape(1, 3, 16, 64, 64))
    golden = shared / "golden" / "backbones" / "pyslowfast_slowfast_8x8_r50__1x3x16x64x64.npz"
    with np.load(golden, allow_pickle=False) as expected, torch.inference_mode():
        for values, key in ((found.net(clip), "feat"), (found.scores(clip), "logits")):
            scale = float(np.abs(expected[key]).max())
            np.testing.assert_allclose(values.numpy(), expected[key], rtol=1e-4, atol=1e-4 * scale)


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> Published:
    return small(monkeypatch, "torchvision")[1]


def saved(values: dict[str, np.ndarray], path: Path) -> Path:
    torch.save({name: torch.from_numpy(array) for name, array in values.items()}, path)
    return path


def test_other_classes_make_a_new_head_and_say_so(tmp_path: Path, entry: Published, fill: Fill) -> None:
    path = saved(theirs(entry, fill), tmp_path / "a.pth")
    found = load_clip_net("r2plus1d_18", path=path, classes=3)
    assert found.fc.weight.shape == (3, 16)
    assert found.report.reinitialised == ("fc.weight", "fc.bias")
    assert "2 made anew (fc.weight, fc.bias)" in str(found.report)
    assert load_clip_net("r2plus1d_18", path=path, classes=5).report.reinitialised == ()
    headless = {name: array for name, array in theirs(entry, fill).items() if not name.startswith("fc.")}
    assert load_clip_net("r2plus1d_18", path=saved(headless, path), classes=5).fc.weight.isfinite().all()
    with pytest.raises(InvalidData, match=r"2 are missing \(first: \['fc.weight'\]\)"):
        load_clip_net("r2plus1d_18", path=path)


def without_a_weight(values: dict[str, np.ndarray]) -> None:
    del values["layer2.0.conv1.0.3.weight"]


def with_one_more(values: dict[str, np.ndarray]) -> None:
    values["layer9.weight"] = np.zeros(1, np.float32)


def of_another_shape(values: dict[str, np.ndarray]) -> None:
    values["stem.0.weight"] = values["stem.0.weight"][:, :, :, :5]


def not_finite(values: dict[str, np.ndarray]) -> None:
    values["stem.1.bias"][2] = np.nan


def of_integers(values: dict[str, np.ndarray]) -> None:
    values["stem.1.bias"] = values["stem.1.bias"].astype(np.int64)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without_a_weight, r"1 are missing \(first: \['layer2.0.conv1.0.3.weight'\]\)"),
        (with_one_more, r"1 are unexpected \(first: \['layer9.weight'\]\)"),
        (of_another_shape, "stem.0.weight has shape"),
        (not_finite, "stem.1.bias holds values that are not finite"),
        (of_integers, "stem.1.bias holds torch.int64"),
    ],
)
def test_anything_unexpected_is_an_error(
    tmp_path: Path, entry: Published, fill: Fill, change: Callable[[dict[str, np.ndarray]], None], told: str
) -> None:
    values = theirs(entry, fill)
    change(values)
    with pytest.raises(InvalidData, match=told):
        load_clip_net("r2plus1d_18", path=saved(values, tmp_path / "a.pth"))


def test_what_stands_beside_the_weights_is_known_or_refused(tmp_path: Path, entry: Published, fill: Fill) -> None:
    tensors = {name: torch.from_numpy(array) for name, array in theirs(entry, fill).items()}
    path = tmp_path / "a.pth"
    torch.save({"state_dict": tensors, "extra": 1}, path)
    with pytest.raises(InvalidData, match="holds \\['extra'\\], which is unexpected"):
        load_clip_net("r2plus1d_18", path=path)
    for value in ([1, 2], {"a": 1}, {}, {"state_dict": [1]}):
        torch.save(value, path)
        with pytest.raises(InvalidData, match=r"not named weights|not a tensor"):
            load_clip_net("r2plus1d_18", path=path)


def test_caffe2_trainers_numbers_are_told_as_unused_and_others_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fill: Fill, pickled: Callable[..., bytes]
) -> None:
    name, entry = small(monkeypatch, "vmz_caffe2")
    values = theirs(entry, fill)
    more = {"conv1_w_momentum": np.zeros((2, 2), np.float32), "lr": np.float32([0.1])}
    path = tmp_path / "a.pkl"
    path.write_bytes(pickled(values | more))
    report = load_clip_net(name, path=path).report
    assert report.unused == ("conv1_w_momentum", "lr")
    assert "2 in the file unused (conv1_w_momentum, lr...)" in str(report)
    path.write_bytes(pickled(values | {"comp_99_conv_1_w": np.zeros(1, np.float32)}))
    with pytest.raises(InvalidData, match="comp_99_conv_1_w"):
        load_clip_net(name, path=path)


def test_todays_pickles_of_arrays_are_read_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fill: Fill) -> None:
    name, entry = small(monkeypatch, "pyslowfast_caffe2")
    values = theirs(entry, fill) | {"lr": np.float64(0.1), "model_iter": 3}
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"blobs": values}, protocol=2))
    assert load_clip_net(name, path=path).report.unused == ("lr", "model_iter")


def test_safetensors_hold_the_publishers_names_as_well(tmp_path: Path, entry: Published, fill: Fill) -> None:
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file({n: torch.from_numpy(a.copy()) for n, a in theirs(entry, fill).items()}, path)
    assert load_clip_net("r2plus1d_18", path=path).report.reinitialised == ()


def test_unknown_names_and_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Did you mean 'r2plus1d_34_ig65m_32f'"):
        whenabouts.load_backbone("r2plus1d_34_ig65_32f")
    with pytest.raises(SettingsError, match="Did you mean 'vggish_audioset'"):
        whenabouts.load_backbone("vggish_audioste")
    with pytest.raises(SettingsError, match="No net for clips is published here as 'vggish_audioset'"):
        load_clip_net("vggish_audioset")
    with pytest.raises(SettingsError, match="has no classifier"):
        whenabouts.load_backbone("vggish_audioset", classes=3)
    with pytest.raises(ProjectError, match="no weights at"):
        whenabouts.load_backbone("r3d_18", path=tmp_path / "none.pth")
    with pytest.raises(AttributeError, match="no attribute 'load_backbones'"):
        whenabouts.load_backbones  # noqa: B018


def test_clips_are_prepared_as_the_publisher_did() -> None:
    pictures = np.zeros((4, 20, 40, 3), np.uint8)
    pictures[..., 0], pictures[..., 2] = 255, 51
    clip = SMALL(pictures)
    assert clip.shape == (1, 3, 4, 112, 112)
    expected = [(1 - 0.43216) / 0.22803, -0.394666 / 0.22145, (0.2 - 0.37645) / 0.216989]
    torch.testing.assert_close(clip[0, :, 2, 50, 60], torch.tensor(expected))
    assert KINETICS.sizes(480, 640) == (256, 341)
    assert KINETICS.sizes(640, 480) == (341, 256)
    assert KINETICS(np.stack([pictures] * 2)).shape == (2, 3, 4, 256, 256)
    assert replace(KINETICS, frames=32, stride=2).clip_seconds == pytest.approx(64 / 30)
    with pytest.raises(InvalidData, match="uint8"):
        SMALL(pictures.astype(np.float32))  # type: ignore[arg-type]


def test_the_middle_of_the_picture_is_taken() -> None:
    pictures = np.zeros((1, 128, 171, 3), np.uint8)
    pictures[:, 8:120, 29:141] = 255
    assert (SMALL(pictures)[0, 1] > 0).all()
    kept: Tensor = SMALL(np.roll(pictures, 1, axis=2))[0, 1]
    assert (kept[:, :, 0] < 0).all()
