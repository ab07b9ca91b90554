"""Which weights are published, where, under which licence, and what they take: nothing here has been made up.

Addresses are as their publishers' repositories name them; a checksum stands where a publisher states one, in the file's
name (the first 8 digits of its SHA-256). Kinetics heads have the classes in alphabetical order. For the heads of IG-65M
and Sports-1M no publisher gives a list of classes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from whenabouts.nets.clip_net import ClipNet
from whenabouts.nets.conv2d import BlockKind, ResNet2D
from whenabouts.nets.conv3d import R2Plus1D, mc3, r2plus1d, r3d, time_first_r2plus1d
from whenabouts.nets.csn import csn
from whenabouts.nets.i3d import i3d
from whenabouts.nets.slowfast import slowfast
from whenabouts.recognition import key_maps
from whenabouts.recognition.checkpoint_files import FileKind
from whenabouts.recognition.clip_preparation import KINETICS, MIDWAY, PICTURES, SMALL, ClipPreparation
from whenabouts.recognition.downloads import Download
from whenabouts.recognition.key_maps import Layout

APACHE, BSD, MIT = "Apache-2.0", "BSD-3-Clause", "MIT"


@dataclass(frozen=True)
class Published:
    """One file of weights: how its net is built and its names are read, its head, clips, licence and address.

    `labels` names what the head's `classes` are; `remark` is what a user should know of it.
    """

    build: Callable[[], ClipNet]
    layout: Layout
    classes: int
    labels: str
    clips: ClipPreparation
    licence: str
    download: Download
    kind: FileKind = "torch"
    remark: str = ""


_IG65M = "https://github.com/moabitcoin/ig65m-pytorch/releases/download/v1.0.0/"
_VMZ = "https://github.com/bjuncek/VMZ/releases/download/test_models/"
_VMZ_CAFFE2 = "https://www.dropbox.com/s/"
_TORCHVISION = "https://download.pytorch.org/models/"
_PYSLOWFAST = "https://dl.fbaipublicfiles.com/pyslowfast/model_zoo/"
_PYTORCHVIDEO = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/"
_MMACTION2 = "https://download.openmmlab.com/mmaction/recognition/"

_STILL = "A net on single pictures: two a second are our choice. pretrain --start can inflate it to a net on clips."
_HEADS = {"kinetics400": 400, "kinetics600": 600, "ig65m": 359, "sports1m": 487}
_all_time = partial(slowfast, slow_time_blocks=None, fast_time_blocks=None)
_mm_slowfast = partial(_all_time, lateral_norm=False, slow_frames="every")
_FAST = replace(KINETICS, frames=32, stride=2)
_CSN = replace(SMALL, resize=256, crop=256, frames=32, stride=2)  # Published costs and accuracies are at 256.


def _ig65m(file: str, labels: str, frames: int, classes: int | None = None, remark: str = "") -> Published:
    return Published(
        partial(r2plus1d, 34),
        key_maps.same,
        classes or _HEADS[labels],
        labels,
        replace(SMALL, frames=frames),
        MIT,
        Download(_IG65M + file, file.removesuffix(".pth").rpartition("-")[2]),
        remark=remark,
    )


def _vmz(build: Callable[[], ClipNet], file: str, labels: str, clips: ClipPreparation) -> Published:
    return Published(build, key_maps.same, _HEADS[labels], labels, clips, APACHE, Download(_VMZ + file))


def _caffe2(depth: int, file: str, labels: str, frames: int, remark: str = "") -> Published:
    return Published(
        partial(r2plus1d, depth),
        key_maps.vmz_caffe2,
        487 if "clip8_ig65m" in file else _HEADS[labels],
        labels,
        replace(SMALL, frames=frames),
        APACHE,
        Download(f"{_VMZ_CAFFE2}{file}?dl=1"),
        "caffe2",
        remark,
    )


def _torchvision(build: Callable[[], ClipNet], file: str) -> Published:
    clips = replace(SMALL, frames=16, rate=15.0)
    checksum = file.removesuffix(".pth").rpartition("-")[2]
    return Published(build, key_maps.same, 400, "kinetics400", clips, BSD, Download(_TORCHVISION + file, checksum))


def _imagenet(blocks: tuple[int, ...], file: str, block: BlockKind = "basic") -> Published:
    checksum = file.removesuffix(".pth").rpartition("-")[2]
    download = Download(_TORCHVISION + file, checksum)
    build = partial(ResNet2D, blocks=blocks, block=block)
    return Published(build, key_maps.same, 1000, "imagenet1k", PICTURES, BSD, download, remark=_STILL)


def _pyslowfast(build: Callable[[], ClipNet], file: str, clips: ClipPreparation, labels: str) -> Published:
    return Published(
        build,
        key_maps.pyslowfast_caffe2,
        _HEADS[labels],
        labels,
        clips,
        APACHE,
        Download(_PYSLOWFAST + file),
        "caffe2",
    )


def _pytorchvideo(build: Callable[[], ClipNet], file: str, clips: ClipPreparation) -> Published:
    address = Download(_PYTORCHVIDEO + file)
    return Published(build, key_maps.pytorchvideo, 400, "kinetics400", clips, APACHE, address)


def _mmaction2(build: Callable[[], ClipNet], file: str, clips: ClipPreparation) -> Published:
    checksum = file.removesuffix(".pth").rpartition("-")[2]
    address = Download(_MMACTION2 + file, checksum)
    return Published(build, key_maps.mmaction2, 400, "kinetics400", clips, APACHE, address)


_NO_IG_HEAD = "Its head has 487 outputs, the number of Sports-1M's classes, not IG-65M's 359: no list of them exists."
_CROPPED = "The publisher's own default for this net has a stem pool; its published costs are only possible without."
_SF101NL = partial(slowfast, 101, nonlocal_blocks=True, pool=(2, 2, 2))

PUBLISHED: dict[str, Published] = {
    "r2plus1d_34_ig65m_8f": _ig65m(
        "r2plus1d_34_clip8_ig65m_from_scratch-9bae36ae.pth", "ig65m", 8, classes=487, remark=_NO_IG_HEAD
    ),
    "r2plus1d_34_ig65m_32f": _ig65m("r2plus1d_34_clip32_ig65m_from_scratch-449a7af9.pth", "ig65m", 32),
    "r2plus1d_34_kinetics_8f": _ig65m("r2plus1d_34_clip8_ft_kinetics_from_ig65m-0aa0550b.pth", "kinetics400", 8),
    "r2plus1d_34_kinetics_32f": _ig65m("r2plus1d_34_clip32_ft_kinetics_from_ig65m-ade133f1.pth", "kinetics400", 32),
    "r2plus1d_34_ig65m_8f_caffe2": _caffe2(
        34, "6xwyu1az6oy4ts7/r2plus1d_34_clip8_ig65m_from_scratch_f79708462.pkl", "ig65m", 8, _NO_IG_HEAD
    ),
    "r2plus1d_34_ig65m_32f_caffe2": _caffe2(
        34, "eimo232tqw8mwi9/r2plus1d_34_clip32_ig65m_from_scratch_f102649996.pkl", "ig65m", 32
    ),
    "r2plus1d_152_kinetics_scratch_caffe2": _caffe2(
        152, "9770y063u3z5bmb/r2plus1d_152_kinetics_from_scratch_f127858918.pkl", "kinetics400", 32
    ),
    "r2plus1d_152_sports1m_caffe2": _caffe2(
        152, "w5cdqeyqukuaqt7/r2plus1d_152_sports1m_from_scratch_f127111290.pkl", "sports1m", 32
    ),
    "r2plus1d_152_ig65m": replace(
        _vmz(
            partial(r2plus1d, 152),
            "r2plus1d_152_ig65m_from_scratch_f106380637.pth",
            "ig65m",
            replace(SMALL, frames=32),
        ),
        remark=_CROPPED,
    ),
    "r2plus1d_152_kinetics": replace(
        _vmz(
            partial(r2plus1d, 152),
            "r2plus1d_152_ft_kinetics_from_ig65m_f107107466.pth",
            "kinetics400",
            replace(SMALL, frames=32),
        ),
        remark=_CROPPED,
    ),
    "r2plus1d_152_kinetics_sports1m": replace(
        _vmz(
            partial(r2plus1d, 152),
            "r2plus1d_152_ft_kinetics_from_sports1m_f128957437.pth",
            "kinetics400",
            replace(SMALL, frames=32),
        ),
        remark=_CROPPED,
    ),
    "ir_csn_152_ig65m": _vmz(partial(csn, 152), "irCSN_152_ig65m_from_scratch_f125286141.pth", "ig65m", _CSN),
    "ir_csn_152_kinetics": _vmz(
        partial(csn, 152), "irCSN_152_ft_kinetics_from_ig65m_f126851907.pth", "kinetics400", _CSN
    ),
    "ir_csn_152_sports1m": _vmz(partial(csn, 152), "irCSN_152_Sports1M_from_scratch_f99918785.pth", "sports1m", _CSN),
    "ir_csn_152_kinetics_sports1m": _vmz(
        partial(csn, 152), "irCSN_152_ft_kinetics_from_Sports1M_f101599884.pth", "kinetics400", _CSN
    ),
    "ip_csn_152_ig65m": _vmz(
        partial(csn, 152, interaction="preserved"), "ipCSN_152_ig65m_from_scratch_f130601052.pth", "ig65m", _CSN
    ),
    "ip_csn_152_kinetics": _vmz(
        partial(csn, 152, interaction="preserved"),
        "ipCSN_152_ft_kinetics_from_ig65m_f133090949.pth",
        "kinetics400",
        _CSN,
    ),
    "ip_csn_152_sports1m": _vmz(
        partial(csn, 152, interaction="preserved"), "ipCSN_152_Sports1M_from_scratch_f111018543.pth", "sports1m", _CSN
    ),
    "ip_csn_152_kinetics_sports1m": _vmz(
        partial(csn, 152, interaction="preserved"),
        "ipCSN_152_ft_kinetics_from_Sports1M_f111279053.pth",
        "kinetics400",
        _CSN,
    ),
    "r3d_18": _torchvision(r3d, "r3d_18-b3b3357e.pth"),
    "mc3_18": _torchvision(mc3, "mc3_18-a90a0ba3.pth"),
    "r2plus1d_18": _torchvision(R2Plus1D, "r2plus1d_18-91a641e6.pth"),
    "resnet_18_imagenet": _imagenet((2, 2, 2, 2), "resnet18-f37072fd.pth"),
    "resnet_34_imagenet": _imagenet((3, 4, 6, 3), "resnet34-b627a593.pth"),
    "resnet_50_imagenet": _imagenet((3, 4, 6, 3), "resnet50-0676ba61.pth", "bottleneck"),
    "slowfast_50_4x16": _pyslowfast(
        partial(slowfast, 50, alpha=8), "kinetics400/SLOWFAST_4x16_R50.pkl", _FAST, "kinetics400"
    ),
    "slowfast_50_8x8": _pyslowfast(partial(slowfast, 50), "kinetics400/SLOWFAST_8x8_R50.pkl", _FAST, "kinetics400"),
    "slowfast_101_8x8_nonlocal_kinetics600": _pyslowfast(
        _SF101NL, "ava/pretrain/SLOWFAST_32x2_R101_50_50.pkl", _FAST, "kinetics600"
    ),
    "slowfast_101_16x8_nonlocal_kinetics600": _pyslowfast(
        _SF101NL, "ava/pretrain/SLOWFAST_64x2_R101_50_50.pkl", replace(_FAST, frames=64), "kinetics600"
    ),
    "i3d_nonlocal_50_8x8": _pyslowfast(
        partial(i3d, 50), "kinetics400/I3D_NLN_8x8_R50.pkl", replace(KINETICS, frames=8, stride=8), "kinetics400"
    ),
    "slowfast_50_8x8_pytorchvideo": _pytorchvideo(partial(slowfast, 50), "SLOWFAST_8x8_R50.pyth", _FAST),
    "slowfast_101_8x8_pytorchvideo": _pytorchvideo(partial(_all_time, 101), "SLOWFAST_8x8_R101.pyth", _FAST),
    "slowfast_101_16x8_pytorchvideo": _pytorchvideo(
        partial(slowfast, 101), "SLOWFAST_16x8_R101_50_50.pyth", replace(_FAST, frames=64)
    ),
    "ir_csn_101_pytorchvideo": _pytorchvideo(partial(csn, 101, epsilon=1e-5), "CSN_32x2_R101.pyth", _FAST),
    "r2plus1d_50_pytorchvideo": _pytorchvideo(
        time_first_r2plus1d, "R2PLUS1D_16x4_R50.pyth", replace(KINETICS, frames=16, stride=4)
    ),
    "ip_csn_152_kinetics_mmaction2": _mmaction2(
        partial(csn, 152, interaction="preserved"),
        "csn/vmz/vmz_ipcsn_ig65m_pretrained_r152_32x2x1_58e_kinetics400_rgb_20210617-c3be9793.pth",
        _CSN,
    ),
    "ir_csn_152_kinetics_mmaction2": _mmaction2(
        partial(csn, 152),
        "csn/ircsn_ig65m_pretrained_bnfrozen_r152_32x2x1_58e_kinetics400_rgb/"
        "ircsn_ig65m_pretrained_bnfrozen_r152_32x2x1_58e_kinetics400_rgb_20200812-9037a758.pth",
        replace(MIDWAY, frames=32, stride=2),
    ),
    "slowfast_50_4x16_mmaction2": _mmaction2(
        partial(_mm_slowfast, 50, alpha=8, lateral_frames=5),
        "slowfast/slowfast_r50_256p_4x16x1_256e_kinetics400_rgb/"
        "slowfast_r50_256p_4x16x1_256e_kinetics400_rgb_20200728-145f1097.pth",
        replace(MIDWAY, frames=32, stride=2),
    ),
    "slowfast_50_8x8_mmaction2": _mmaction2(
        partial(_mm_slowfast, 50),
        "slowfast/slowfast_r50_8x8x1_256e_kinetics400_rgb/"
        "slowfast_r50_8x8x1_256e_kinetics400_rgb_20200716-73547d2b.pth",
        replace(MIDWAY, frames=32, stride=2),
    ),
    "slowfast_101_8x8_mmaction2": _mmaction2(
        partial(_mm_slowfast, 101, lateral_frames=7),
        "slowfast/slowfast_r101_8x8x1_256e_kinetics400_rgb/"
        "slowfast_r101_8x8x1_256e_kinetics400_rgb_20210218-0dd54025.pth",
        replace(MIDWAY, frames=32, stride=2),
    ),
}
"""All weights of nets for clips that `load_backbone` knows by name; `PUBLISHED_SOUND` has those for sound."""
