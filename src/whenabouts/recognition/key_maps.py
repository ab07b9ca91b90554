"""Names of weights as others publish them: each layout turns this package's names into its own.

A layout takes all names of a net and its classifier (`fc.weight`, `fc.bias`) and gives `{ours: theirs}`. Names are
translated by rules, never listed, so that one layout serves a family at every depth.
"""

import re
from collections.abc import Callable, Collection

Layout = Callable[[Collection[str]], dict[str, str]]
Rule = tuple[str, str]

_LETTERS = {"1": "a", "2": "b", "3": "c"}
_CAFFE2_ENDS = {"bias": "b", "running_mean": "rm", "running_var": "riv"}
COUNTER = "num_batches_tracked"


def same(names: Collection[str]) -> dict[str, str]:
    """torchvision, VMZ's PyTorch half and ig65m-pytorch: the names of this package for all nets of one pathway."""
    return {name: name for name in names}


def pyslowfast(names: Collection[str]) -> dict[str, str]:
    """PySlowFast's PyTorch checkpoints of SlowFast and I3D: `s2.pathway0_res0.branch2.a_bn.weight`."""
    return {name: _pyslowfast(name) for name in names}


def pyslowfast_caffe2(names: Collection[str]) -> dict[str, str]:
    """PySlowFast's Caffe2 pickles: `t_res4_5_branch2c_bn_s`; they count no batches."""
    return {name: _pyslowfast_blob(name, names) for name in names if not name.endswith(COUNTER)}


def pytorchvideo(names: Collection[str]) -> dict[str, str]:
    """pytorchvideo's CSN, R(2+1)D and SlowFast: `blocks.1.multipathway_blocks.0.res_blocks.0.branch2.conv_a.weight`."""
    two = any(name.startswith("slow.") for name in names)
    rules = _pytorchvideo_rules(two)
    return {name: _by_rules(name, rules) for name in names}


def mmaction2(names: Collection[str]) -> dict[str, str]:
    """mmaction2's CSN and SlowFast: `backbone.layer1.0.conv2.1.bn.weight`."""
    preserved = any(re.search(r"conv2\.0\.2\.weight$", name) for name in names)
    two = any(name.startswith("slow.") for name in names)
    rules = _mmaction2_rules(two, preserved)
    return {name: _by_rules(name, rules) for name in names}


def vmz_caffe2(names: Collection[str]) -> dict[str, str]:
    """VMZ's Caffe2 pickles of R(2+1)D: `comp_3_conv_1_middle_w`, where blocks are counted over the whole net."""
    return {name: _vmz_blob(name, names) for name in names if not name.endswith(COUNTER)}


def _by_rules(name: str, rules: list[Rule]) -> str:
    for pattern, replacement in rules:
        found, count = re.subn(pattern, replacement, name)
        if count:
            return found
    raise ValueError(f"{name} has no name in this layout: it belongs to another family of nets.")


def _pathway(name: str) -> tuple[int, str]:
    """Number of the pathway (slow or single 0, fast 1) and the name within it."""
    for number, prefix in enumerate(("slow.", "fast.")):
        if name.startswith(prefix):
            return number, name.removeprefix(prefix)
    return 0, name


def _pyslowfast(name: str) -> str:
    if lateral := re.fullmatch(r"laterals\.(\d+)\.([01])\.(\w+)", name):
        return f"s{int(lateral[1]) + 1}_fuse.{('conv_f2s', 'bn')[int(lateral[2])]}.{lateral[3]}"
    path, rest = _pathway(name)
    if rest.startswith("fc."):
        return rest.replace("fc", "head.projection")
    if stem := re.fullmatch(r"stem\.([01])\.(\w+)", rest):
        return f"s1.pathway{path}_stem.{('conv', 'bn')[int(stem[1])]}.{stem[2]}"
    if found := re.fullmatch(r"layer(\d+)\.nonlocal(\d+)\.(\w+)\.(\w+)", rest):
        part = found[3] if found[3] == "bn" else f"conv_{found[3]}"
        return f"s{int(found[1]) + 1}.pathway{path}_nonlocal{found[2]}.{part}.{found[4]}"
    if found := re.fullmatch(r"layer(\d+)\.(\d+)\.(conv[123]|downsample)\.([01])\.(\w+)", rest):
        branch = "branch1" if found[3] == "downsample" else f"branch2.{_LETTERS[found[3][-1]]}"
        norm = "_bn" if found[4] == "1" else ""
        return f"s{int(found[1]) + 1}.pathway{path}_res{found[2]}.{branch}{norm}.{found[5]}"
    raise ValueError(f"{name} has no name in PySlowFast's layout: it belongs to another family of nets.")


def _pyslowfast_blob(name: str, names: Collection[str]) -> str:
    stem, _, end = _pyslowfast(name).rpartition(".")
    norm = stem.endswith("bn")
    letter = _CAFFE2_ENDS.get(end, "s" if norm else "w")
    if stem == "head.projection":
        return f"pred_{letter}"
    if found := re.fullmatch(r"s1\.pathway([01])_stem\.(conv|bn)", stem):
        return f"{'t_' * int(found[1])}{'res_conv1_bn' if norm else 'conv1'}_{letter}"
    if found := re.fullmatch(r"s(\d+)\.pathway0_nonlocal(\d+)\.(?:conv_)?(\w+)", stem):
        return f"nonlocal_conv{found[1]}_{found[2]}_{found[3]}_{letter}"
    if found := re.fullmatch(r"s(\d+)_fuse\.(conv_f2s|bn)", stem):
        last = _blocks(names, f"fast.layer{int(found[1]) - 1}") - 1
        before = "t_pool1" if found[1] == "1" else f"t_res{found[1]}_{last}_branch2c_bn"
        return f"{before}_subsample{'_bn' if norm else ''}_{letter}"
    found = re.fullmatch(r"s(\d+)\.pathway([01])_res(\d+)\.branch([12])(?:\.([abc]))?(?:_bn)?", stem)
    if found is None:
        raise ValueError(f"{name} has no name among PySlowFast's Caffe2 blobs.")
    branch = f"{'t_' * int(found[2])}res{found[1]}_{found[3]}_branch{found[4]}{found[5] or ''}"
    return f"{branch}{'_bn' if norm else ''}_{letter}"


def _blocks(names: Collection[str], layer: str) -> int:
    """Number of blocks in a stage."""
    found = {match[1] for name in names if (match := re.match(rf"{re.escape(layer)}\.(\d+)\.", name))}
    return len(found)


def _pytorchvideo_rules(two: bool) -> list[Rule]:
    head = 6 if two else 5
    rules: list[Rule] = [(r"^fc\.", rf"blocks.{head}.proj.")]
    rules += [(rf"^laterals\.{n}\.0\.", rf"blocks.{n}.multipathway_fusion.conv_fast_to_slow.") for n in range(4)]
    rules += [(rf"^laterals\.{n}\.1\.", rf"blocks.{n}.multipathway_fusion.norm.") for n in range(4)]
    for prefix, path in (("slow.", "multipathway_blocks.0."), ("fast.", "multipathway_blocks.1."), ("", "")):
        start = "^" + re.escape(prefix)
        rules += [(rf"{start}stem\.0\.", rf"blocks.0.{path}conv."), (rf"{start}stem\.1\.", rf"blocks.0.{path}norm.")]
        block, named = rf"{start}layer(\d+)\.(\d+)\.", rf"blocks.\1.{path}res_blocks.\2."
        rules += [(rf"{block}downsample\.0\.", rf"{named}branch1_conv.")]
        rules += [(rf"{block}downsample\.1\.", rf"{named}branch1_norm.")]
        inside = {"0": "conv_t", "1": "norm", "3": "conv_xy"}
        rules += [(rf"{block}conv2\.0\.{i}\.", rf"{named}branch2.conv_b.{part}.") for i, part in inside.items()]
        for number, letter in _LETTERS.items():
            rules += [(rf"{block}conv{number}\.0\.", rf"{named}branch2.conv_{letter}.")]
            rules += [(rf"{block}conv{number}\.1\.", rf"{named}branch2.norm_{letter}.")]
    return rules


def _mmaction2_rules(two: bool, preserved: bool) -> list[Rule]:
    rules: list[Rule] = [(r"^fc\.", "cls_head.fc_cls.")]
    rules += [(r"^laterals\.0\.0\.", "backbone.slow_path.conv1_lateral.conv.")]
    rules += [(r"^laterals\.(\d+)\.0\.", r"backbone.slow_path.layer\1_lateral.conv.")]
    for prefix, path in (("slow.", "backbone.slow_path."), ("fast.", "backbone.fast_path."), ("", "backbone.")):
        start = "^" + re.escape(prefix)
        rules += [(rf"{start}stem\.0\.", rf"{path}conv1.conv."), (rf"{start}stem\.1\.", rf"{path}conv1.bn.")]
        block, named = rf"{start}layer(\d+)\.(\d+)\.", rf"{path}layer\1.\2."
        rules += [(rf"{block}downsample\.0\.", rf"{named}downsample.conv.")]
        rules += [(rf"{block}downsample\.1\.", rf"{named}downsample.bn.")]
        if preserved:
            rules += [(rf"{block}conv2\.0\.0\.", rf"{named}conv2.0.conv.")]
            rules += [(rf"{block}conv2\.0\.1\.", rf"{named}conv2.0.bn.")]
            rules += [(rf"{block}conv2\.0\.2\.", rf"{named}conv2.1.conv.")]
            rules += [(rf"{block}conv2\.1\.", rf"{named}conv2.1.bn.")]
        elif not two:
            rules += [(rf"{block}conv2\.0\.", rf"{named}conv2.0.conv.")]
            rules += [(rf"{block}conv2\.1\.", rf"{named}conv2.0.bn.")]
        rules += [(rf"{block}conv([123])\.0\.", rf"{named}conv\3.conv.")]
        rules += [(rf"{block}conv([123])\.1\.", rf"{named}conv\3.bn.")]
    return rules


def _vmz_blob(name: str, names: Collection[str]) -> str:
    stem, _, end = name.rpartition(".")
    if stem == "fc":
        return f"last_out_L*_{'w' if end == 'weight' else 'b'}"
    if found := re.fullmatch(r"stem\.(\d)", stem):
        blob, norm = {"0": ("conv1_middle", False), "1": ("conv1_middle_spatbn_relu", True)}.get(
            found[1], ("conv1_spatbn_relu", True) if found[1] == "4" else ("conv1", False)
        )
        return f"{blob}_{_CAFFE2_ENDS.get(end, 's' if norm else 'w')}"
    found = re.fullmatch(r"layer(\d)\.(\d+)\.(conv[123]|downsample)\.([01])(?:\.([013]))?", stem)
    if found is None:
        raise ValueError(f"{name} has no name among VMZ's Caffe2 blobs: they are those of R(2+1)D.")
    block = int(found[2]) + sum(_blocks(names, f"layer{before}") for before in range(1, int(found[1])))
    norm = found[4] == "1" or found[5] == "1"
    middle = "_middle" if found[5] in ("0", "1") else ""
    if found[3] == "downsample":
        blob = f"shortcut_projection_{block}{'_spatbn' if norm else ''}"
    else:
        blob = f"comp_{block}_{'spatbn' if norm else 'conv'}_{found[3][-1]}{middle}"
    return f"{blob}_{_CAFFE2_ENDS.get(end, 's' if norm else 'w')}"
