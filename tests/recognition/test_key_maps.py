"""Every golden list of names and every golden output, through this package's own nets and key maps."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from whenabouts.nets.conv3d import R2Plus1D, mc3, r2plus1d, r3d, time_first_r2plus1d
from whenabouts.nets.csn import csn
from whenabouts.nets.i3d import i3d
from whenabouts.nets.residual import VideoResNet
from whenabouts.nets.slowfast import SlowFast, slowfast
from whenabouts.recognition import key_maps
from whenabouts.recognition.key_maps import Layout

Net = VideoResNet | SlowFast
Fill = Callable[[str, tuple[int, ...]], np.ndarray]


def all_time(depth: int, **more: object) -> SlowFast:
    return slowfast(depth, slow_time_blocks=None, fast_time_blocks=None, **more)  # type: ignore[arg-type]


NETS: dict[str, tuple[Callable[[], Net], Layout]] = {
    "torchvision_r3d_18": (r3d, key_maps.same),
    "torchvision_mc3_18": (mc3, key_maps.same),
    "torchvision_r2plus1d_18": (R2Plus1D, key_maps.same),
    "vmz_r2plus1d_18_caffe2mid": (lambda: r2plus1d(18), key_maps.same),
    "ig65m_r2plus1d_34_8f": (lambda: r2plus1d(34), key_maps.same),
    "ig65m_r2plus1d_34_32f": (lambda: r2plus1d(34), key_maps.same),
    "vmz_r2plus1d_101": (lambda: r2plus1d(101), key_maps.same),
    "vmz_r2plus1d_152_nopool1": (lambda: r2plus1d(152), key_maps.same),
    "vmz_r2plus1d_152_pool1": (lambda: r2plus1d(152, pool=True), key_maps.same),
    "vmz_ip_csn_152": (lambda: csn(152, interaction="preserved"), key_maps.same),
    "vmz_ir_csn_152": (lambda: csn(152), key_maps.same),
    "mmaction2_ip_csn_152": (lambda: csn(152, interaction="preserved"), key_maps.mmaction2),
    "mmaction2_ir_csn_152": (lambda: csn(152), key_maps.mmaction2),
    "mmaction2_slowfast_r50_8x8": (lambda: all_time(50, lateral_norm=False), key_maps.mmaction2),
    "mmaction2_slowfast_r101_8x8": (
        lambda: all_time(101, lateral_norm=False, lateral_frames=7),
        key_maps.mmaction2,
    ),
    "pyslowfast_slowfast_8x8_r50": (lambda: slowfast(50), key_maps.pyslowfast),
    "pyslowfast_slowfast_8x8_r101_50_50": (lambda: slowfast(101), key_maps.pyslowfast),
    "pyslowfast_slowfast_8x8_r101_101_101": (lambda: all_time(101), key_maps.pyslowfast),
    "pyslowfast_slowfast_nln_16x8_r101_50_50": (lambda: slowfast(101, nonlocal_blocks=True), key_maps.pyslowfast),
    "pyslowfast_i3d_nln_8x8_r50": (lambda: i3d(50), key_maps.pyslowfast),
    "pyslowfast_i3d_nln_r101_six": (lambda: i3d(101, time_blocks=6), key_maps.pyslowfast),
    "pytorchvideo_csn_r101": (lambda: csn(101, epsilon=1e-5), key_maps.pytorchvideo),
    "pytorchvideo_r2plus1d_r50": (time_first_r2plus1d, key_maps.pytorchvideo),
    "pytorchvideo_slowfast_r50": (lambda: slowfast(50), key_maps.pytorchvideo),
    "pytorchvideo_slowfast_r101": (lambda: all_time(101), key_maps.pytorchvideo),
}


def with_classifier(net: Net, classes: int) -> Net:
    net.add_module("fc", nn.Linear(net.width, classes))
    return net


@pytest.mark.golden
def test_no_golden_list_is_left_out(shared: Path) -> None:
    found = {path.name.removesuffix(".keys.json") for path in (shared / "golden" / "backbones").glob("*.keys.json")}
    assert found == set(NETS)


@pytest.mark.golden
@pytest.mark.parametrize("name", NETS)
def test_names_shapes_and_counts_are_the_references(shared: Path, name: str) -> None:
    golden = json.loads((shared / "golden" / "backbones" / f"{name}.keys.json").read_text())
    expected = {key: tuple(shape) for key, shape, _ in golden["keys"]}
    build, layout = NETS[name]
    classes = next(shape[0] for key, shape in reversed(expected.items()) if key.endswith("bias"))
    with torch.device("meta"):
        net = with_classifier(build(), classes)
    ours = net.state_dict()
    theirs = layout(ours)
    assert {theirs[key]: tuple(tensor.shape) for key, tensor in ours.items()} == expected
    assert len(set(theirs.values())) == len(ours) == golden["num_keys"]
    assert sum(parameter.numel() for parameter in net.parameters()) == golden["num_parameters"]
    bare = sum(p.numel() for m in net.modules() if isinstance(m, nn.Conv3d | nn.Linear) for p in m.parameters())
    assert bare == golden["num_conv_and_fc_parameters"]
    epsilons = {module.eps for module in net.modules() if isinstance(module, nn.BatchNorm3d)}
    assert epsilons == set(golden["bn_eps"])


@pytest.mark.golden
@pytest.mark.parametrize(
    ("mapped", "ours", "theirs"),
    [
        ("pyslowfast_slowfast_8x8_r50_to_pytorchvideo", key_maps.pyslowfast, key_maps.pytorchvideo),
        ("pyslowfast_slowfast_8x8_r101_101_101_to_pytorchvideo", key_maps.pyslowfast, key_maps.pytorchvideo),
        ("vmz_ip_csn_152_to_mmaction2", key_maps.same, key_maps.mmaction2),
        ("vmz_ir_csn_152_to_mmaction2", key_maps.same, key_maps.mmaction2),
    ],
)
def test_two_layouts_of_one_net_map_as_the_references_do(
    shared: Path, mapped: str, ours: Layout, theirs: Layout
) -> None:
    golden = json.loads((shared / "golden" / "backbones" / f"map_{mapped}.json").read_text())
    with torch.device("meta"):
        net = with_classifier(NETS[mapped.rpartition("_to_")[0]][0](), 400)
    names = list(net.state_dict())
    first, second = ours(names), theirs(names)
    assert {first[name]: second[name] for name in names} == dict(golden)


def filled(name: str, classes: int, fill: Fill) -> Net:
    build, layout = NETS[name]
    net = with_classifier(build(), classes).eval()
    state = net.state_dict()
    theirs = layout(state)
    values = {
        key: tensor if key.endswith(key_maps.COUNTER) else torch.from_numpy(fill(theirs[key], tuple(tensor.shape)))
        for key, tensor in state.items()
    }
    net.load_state_dict(values)
    return net


def golden_input(shape: tuple[int, ...]) -> Tensor:
    i = np.arange(np.prod(shape), dtype=np.float64)
    return torch.from_numpy((np.sin(0.01 * i) + 0.5 * np.cos(0.37 * i)).astype(np.float32).reshape(shape))


def watched(net: Net) -> dict[str, Tensor]:
    """What comes out of each stage, under the golden files' names; filled when the net runs."""
    seen: dict[str, Tensor] = {}

    def watch(module: nn.Module, out: str, into: str | None = None) -> None:
        def hook(_: nn.Module, given: tuple[Tensor, ...], found: Tensor) -> None:
            seen[out] = found.clone()
            if into:
                seen[into] = given[0].clone()

        module.register_forward_hook(hook)

    if isinstance(net, VideoResNet):
        for stage in ("stem", *(f"layer{number}" for number in range(1, 5))):
            watch(net.get_submodule(stage), stage)
        return seen
    for path, pathway in enumerate((net.slow, net.fast)):
        watch(pathway.stem, f"s1.path{path}")
        for number in range(1, 5):
            part = pathway.get_submodule(f"layer{number}")
            watch(part, f"s{number + 1}.path{path}", f"s{number}_fuse.path{path}")
    return seen


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "classes", "shapes"),
    [
        ("torchvision_r2plus1d_18", 400, ["1x3x8x64x64", "2x3x16x40x56"]),
        ("vmz_r2plus1d_18_caffe2mid", 400, ["1x3x8x64x64"]),
        ("ig65m_r2plus1d_34_32f", 359, ["1x3x8x64x64", "1x3x32x32x32"]),
        ("vmz_ip_csn_152", 400, ["1x3x8x64x64"]),
        ("pyslowfast_slowfast_8x8_r50", 400, ["1x3x16x64x64"]),
    ],
)
def test_outputs_of_all_stages_are_the_references(
    shared: Path, fill: Fill, name: str, classes: int, shapes: list[str]
) -> None:
    net = filled(name, classes, fill)
    seen = watched(net)
    for shape in shapes:
        path = shared / "golden" / "backbones" / f"{name}__{shape}.npz"
        stages = json.loads(path.with_suffix(".json").read_text())["stages"]
        with torch.inference_mode():
            features = net(golden_input(tuple(int(side) for side in shape.split("x"))))
            logits = net.get_submodule("fc")(features)
        with np.load(path, allow_pickle=False) as golden:
            outcomes = {"feat": features, "logits": logits, "eval_output_softmax": logits.softmax(1)}
            for key in golden:
                near(outcomes[key].numpy(), golden[key], float(np.abs(golden[key]).max()))
        assert set(seen) == set(stages)
        for stage, expected in stages.items():
            found = seen[stage]
            assert list(found.shape) == expected["shape"], stage
            near(found.flatten()[expected["sample_index"]].numpy(), expected["sample"], expected["absmax"])
            assert float(found.norm()) == pytest.approx(expected["l2"], rel=1e-4)


def near(found: np.ndarray, expected: object, scale: float) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * scale)


@pytest.mark.golden
def test_no_golden_output_is_left_out(shared: Path) -> None:
    tested = {
        f"{case[0]}__{shape}.npz"
        for mark in test_outputs_of_all_stages_are_the_references.pytestmark
        if mark.name == "parametrize"
        for case in mark.args[1]
        for shape in case[2]
    }
    assert tested == {path.name for path in (shared / "golden" / "backbones").glob("*.npz")}


def test_names_of_caffe2_blobs_are_the_published_ones() -> None:
    with torch.device("meta"):
        r34 = key_maps.vmz_caffe2(with_classifier(r2plus1d(34), 400).state_dict())
        r101 = key_maps.vmz_caffe2(r2plus1d(101).state_dict())
        fast = key_maps.pyslowfast_caffe2(with_classifier(slowfast(50), 400).state_dict())
        deep = key_maps.pyslowfast_caffe2(slowfast(101, nonlocal_blocks=True).state_dict())
    assert r34["stem.0.weight"] == "conv1_middle_w"
    assert r34["stem.1.running_var"] == "conv1_middle_spatbn_relu_riv"
    assert r34["stem.3.weight"] == "conv1_w"
    assert r34["stem.4.bias"] == "conv1_spatbn_relu_b"
    assert r34["layer2.0.conv1.0.0.weight"] == "comp_3_conv_1_middle_w"
    assert r34["layer3.1.conv2.0.1.weight"] == "comp_8_spatbn_2_middle_s"
    assert r34["layer4.2.conv2.0.3.weight"] == "comp_15_conv_2_w"
    assert r34["layer4.2.conv2.1.running_mean"] == "comp_15_spatbn_2_rm"
    assert r34["layer4.0.downsample.0.weight"] == "shortcut_projection_13_w"
    assert r34["layer4.0.downsample.1.weight"] == "shortcut_projection_13_spatbn_s"
    assert r101["layer4.2.conv3.0.weight"] == "comp_32_conv_3_w"
    assert fast["slow.stem.0.weight"] == "conv1_w"
    assert fast["fast.stem.1.weight"] == "t_res_conv1_bn_s"
    assert fast["laterals.0.0.weight"] == "t_pool1_subsample_w"
    assert fast["laterals.3.1.running_mean"] == "t_res4_5_branch2c_bn_subsample_bn_rm"
    assert fast["slow.layer3.4.conv2.1.bias"] == "res4_4_branch2b_bn_b"
    assert fast["fast.layer1.0.downsample.0.weight"] == "t_res2_0_branch1_w"
    assert fast["fc.weight"] == "pred_w"
    assert deep["slow.layer3.nonlocal13.theta.bias"] == "nonlocal_conv4_13_theta_b"
    assert deep["slow.layer3.nonlocal13.bn.weight"] == "nonlocal_conv4_13_bn_s"
    for names in (r34, r101, fast, deep):
        assert len(set(names.values())) == len(names)


def test_a_net_of_another_family_has_no_name() -> None:
    with torch.device("meta"):
        names = list(r2plus1d(18).state_dict())
    for layout in (key_maps.pyslowfast, key_maps.pyslowfast_caffe2):
        with pytest.raises(ValueError, match="another family"):
            layout(names)
