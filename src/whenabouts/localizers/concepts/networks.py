"""Which net a video or segment model has, and how large it is."""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Literal, Self

import torch
from torch import nn

from whenabouts.config import Count, CountOrZero, settings
from whenabouts.localizers.protocol import Stream
from whenabouts.nets.activity_frames import ActivityFrames
from whenabouts.nets.pooling import PoolingNet
from whenabouts.nets.sequence import ConvNet, LogisticNet, LstmNet, MixtureOfExperts, TransformerNet

NetKind = Literal["logistic", "lstm", "convnet", "transformer", "netvlad", "netfv", "activities"]
FrameNet = LogisticNet | LstmNet | ConvNet | TransformerNet | PoolingNet | ActivityFrames


@settings
class NetSettings:
    """The shape of a net.

    `hidden` is the LSTM's cell, the channels of ConvNet and Transformer, the width after NetVLAD or NetFV. `clusters`
    counts the clusters of a modality by its name, `other_clusters` those of every other. `experts` > 0 puts a mixture
    of experts in place of logistic regression; with it or `batch_norm` NetVLAD and NetFV are nearer to their original.
    Kind "activities" is the head of Zhang, Li & Marsic (CVPR 2021) over frames, with `observations` of `hidden`
    numbers; it classifies by itself, without experts.
    """

    kind: NetKind = "netvlad"
    hidden: Count = 128
    lstm_state: Literal["hidden", "cell"] = "hidden"
    lstm_stack: Count = 1
    pooling: Literal["mean", "max"] = "mean"
    compression: Count = 2
    blocks: Count = 3
    heads: Count = 8
    clusters: Mapping[str, Count] = field(default_factory=dict)
    other_clusters: Count = 16
    observations: Count = 64
    batch_norm: bool = False
    gating: bool = True
    experts: CountOrZero = 0

    def __post_init__(self) -> None:
        if self.kind == "transformer" and self.hidden % self.heads:
            raise ValueError(f"the heads share hidden, but {self.hidden} can't be shared by {self.heads}")
        if self.kind == "lstm" and self.hidden % 2:
            raise ValueError(f"both directions of an LSTM share hidden, so it must be even, but is {self.hidden}")

    @classmethod
    def paper(cls, kind: NetKind) -> Self:
        """The paper's sizes where it or the code it cites tells them (LSTM, NetVLAD, NetFV), else plausible ones.

        Channels of the ConvNet and all of the Transformer are open there; 1024, and 512 as in Vaswani et al.
        """
        if kind == "netvlad":
            return cls(kind=kind, hidden=1024, clusters={"rgb": 256, "audio": 128})
        if kind == "netfv":
            return cls(kind=kind, hidden=1540, clusters={"rgb": 96, "audio": 48})
        return cls(kind=kind, hidden=512 if kind == "transformer" else 1024)


def of_kind(shape: NetSettings, kind: NetKind) -> NetSettings:
    """The same net of another kind; an LSTM's cell is even."""
    return replace(shape, kind=kind, hidden=shape.hidden + shape.hidden % 2)


def build_net(shape: NetSettings, streams: Sequence[Stream], classes: int, *, seed: int = 0) -> FrameNet:
    """A net over the joined frames of `streams`, its weights drawn from `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _built(shape, [stream.width for stream in streams], [stream.modality for stream in streams], classes)


def _built(shape: NetSettings, widths: list[int], modalities: list[str], classes: int) -> FrameNet:
    width, hidden = sum(widths), shape.hidden
    if shape.kind == "activities":
        return ActivityFrames(width, classes, observations=shape.observations, hidden=hidden)
    classifier = _classifier(shape, width if shape.kind == "logistic" else hidden, classes)
    if shape.kind == "logistic":
        return LogisticNet(width, classifier)
    if shape.kind == "lstm":
        return LstmNet(width, hidden, classifier, state=shape.lstm_state, stack=shape.lstm_stack)
    if shape.kind == "convnet":
        return ConvNet(width, hidden, classifier, pooling=shape.pooling)
    if shape.kind == "transformer":
        return TransformerNet(
            width, hidden, classifier, compression=shape.compression, blocks=shape.blocks, heads=shape.heads
        )
    clusters = [shape.clusters.get(modality, shape.other_clusters) for modality in modalities]
    return PoolingNet(
        widths, clusters, hidden, classifier, kind=shape.kind, batch_norm=shape.batch_norm, gating=shape.gating
    )


def _classifier(shape: NetSettings, width: int, classes: int) -> nn.Module:
    return MixtureOfExperts(width, classes, shape.experts) if shape.experts else nn.Linear(width, classes)
