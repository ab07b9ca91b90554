"""Training of the multiple-instance localizer: what a batch is, what it shows, and how a video is judged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from whenabouts.core.timing import BoolArray, IntArray
from whenabouts.localizers.multiple_instance_settings import MultipleInstanceSettings
from whenabouts.localizers.net_localizer import NetTraining
from whenabouts.localizers.own_labels import learn_own_labels
from whenabouts.localizers.protocol import Stream
from whenabouts.localizers.segments import Matrix
from whenabouts.localizers.training_videos import padded
from whenabouts.nets.group_attention import masked_softmax
from whenabouts.nets.instance_pooling import (
    InstanceNet,
    Instances,
    co_activity,
    soft_selection,
    top_mean,
    weighted_mean,
)
from whenabouts.training import Measured

_STRETCH = 64


@dataclass(frozen=True)
class Batch:
    """features: one (B, K, D) per stream; mask (B, K); present (B, streams); kept (B, features); targets (B, C)."""

    features: tuple[Tensor, ...]
    mask: Tensor
    present: Tensor
    kept: Tensor
    targets: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Verdict:
    """What pooled segments say of videos: log-probabilities (B, C), and whether background was looked away from."""

    log_probabilities: Tensor
    attended: bool


def new_net(
    streams: Sequence[Stream], outputs: int, settings: MultipleInstanceSettings,
    generator: torch.Generator | None = None,
) -> InstanceNet:  # fmt: skip
    """A net of the shape that settings and streams ask for, with random weights; `outputs` without background."""
    return InstanceNet(
        [stream.width for stream in streams],
        outputs + settings.background,
        joined=settings.streams == "joined",
        hidden=settings.hidden,
        width=settings.width,
        own=settings.own_rounds > 0,
        generator=generator,
    )


def attention_of(energies: Tensor, mask: Tensor, kind: str) -> Tensor:
    """Attention (B, K), 0 where masked: sigmoid, softmax times the number of segments, or 1."""
    if kind == "none":
        return mask.to(energies.dtype)
    if kind == "softmax":
        return masked_softmax(energies, mask) * mask.sum(dim=1, keepdim=True)
    return energies.sigmoid() * mask


def verdicts(instances: Instances, mask: Tensor, settings: MultipleInstanceSettings) -> list[Verdict]:
    """How the segments judge their videos, in one way or two."""
    if settings.pooling == "soft":
        return [Verdict(soft_selection(instances, mask), True)]
    attention = attention_of(instances.energies, mask, settings.attention)
    if settings.pooling == "weighted":
        return [Verdict(weighted_mean(instances.logits, attention).log_softmax(dim=1), True)]
    chosen = {"raw": (False,), "attended": (True,), "both": (False, True)}[settings.judged]
    found = []
    for attended in chosen:
        values = instances.logits * attention[..., None] if attended else instances.logits
        pooled = top_mean(values, mask, share=settings.top_share, count=settings.top_count)
        found.append(Verdict(pooled.log_softmax(dim=1), attended))
    return found


class MultipleInstanceTraining(NetTraining[InstanceNet, MultipleInstanceSettings]):
    """One training under way."""

    def begin(self) -> None:
        """A fresh net."""
        videos, settings = self.videos, self.settings
        self.net = new_net(videos.streams, videos.outputs, settings, torch.Generator().manual_seed(self.seed))
        if settings.standardised:
            videos.write_spread(self.net.mean, self.net.std)

    def run(self) -> InstanceNet:
        """Train for all epochs, then from own labels where the settings ask for it, and return the net."""
        self.history += self.fit_epochs(self._draw, self._measure)
        if self.settings.own_rounds:
            learn_own_labels(self.net, self.videos, self.settings, self.compute.device, self.progress)
        return self.net

    def _draw(self, epoch: int, position: int) -> Batch:
        size, settings = self.settings.batch_size, self.settings
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.videos))
        chosen = order[position * size : (position + 1) * size].tolist()
        rng = np.random.default_rng([self.seed, epoch, position])
        parts = [self._seen(index, rng) for index in chosen]
        lengths = [len(mask) for _, mask in parts]
        kept = (rng.random((len(chosen), self.net.features), np.float32) >= settings.dropout) / (1 - settings.dropout)
        videos = [self.videos.videos[index] for index in chosen]
        return Batch(
            features=tuple(padded([matrices[index] for matrices, _ in parts], lengths, stream.width)
                           for index, stream in enumerate(self.videos.streams)),
            mask=nn.utils.rnn.pad_sequence([torch.from_numpy(mask) for _, mask in parts], batch_first=True),
            present=torch.tensor([[matrix is not None for matrix in matrices] for matrices, _ in parts]),
            kept=torch.from_numpy(kept.astype(np.float32)),
            targets=torch.from_numpy(np.stack([video.targets for video in videos]).astype(np.float32)),
            weights=torch.tensor([video.weight for video in videos], dtype=torch.float32),
        )  # fmt: skip

    def _seen(self, index: int, rng: np.random.Generator) -> tuple[list[Matrix | None], BoolArray]:
        """Segments of one video and which of them training sees: hidden ones it does not."""
        matrices = self.videos.features(index, rng)
        rows = stretches(self.videos.videos[index].grid.steps, self.settings.longest, rng)
        if rows is not None:
            matrices = [None if matrix is None else matrix[rows] for matrix in matrices]
        segments = self.videos.videos[index].grid.steps if rows is None else len(rows)
        return matrices, seen_blocks(segments, self.settings.hide, self.settings.hide_segments, rng)

    def _measure(self, model: nn.Module, batch: Batch) -> Measured:
        """Cross-entropy of each verdict on labels that sum to 1, weighted by the trust in the video, and penalties."""
        place, settings = self.compute.place, self.settings
        mask = place(batch.mask)
        features = [place(values) for values in batch.features]
        instances: Instances = model(features, mask, present=place(batch.present), kept=place(batch.kept))
        targets, weights = place(batch.targets), place(batch.weights)
        losses = []
        for verdict in verdicts(instances, mask, settings):
            wanted = with_background(targets, attended=verdict.attended) if settings.background else targets
            losses.append((weights * -(wanted * verdict.log_probabilities).sum(dim=1)).mean())
        loss = torch.stack(losses).mean()
        if settings.sparsity and settings.attention == "sigmoid":
            attention = attention_of(instances.energies, mask, "sigmoid")
            loss = loss + settings.sparsity * (attention.sum(dim=1) / mask.sum(dim=1)).mean()
        if settings.co_activity:
            shows = nn.functional.pad((targets > 0).float(), (0, int(settings.background)))
            loss = loss + settings.co_activity * co_activity(instances, mask, shows)
        return Measured(loss)


def with_background(targets: Tensor, *, attended: bool) -> Tensor:
    """Targets (B, C + 1): every video shows background too, but not where attention looks (Lee et al., AAAI 2020)."""
    share = targets.new_zeros(len(targets), 1)
    if attended:
        return torch.cat([targets, share], dim=1)
    labels = (targets > 0).sum(dim=1, keepdim=True)
    return torch.cat([targets * labels, share + 1], dim=1) / (labels + 1)


def seen_blocks(segments: int, hide: float, block: int, rng: np.random.Generator) -> BoolArray:
    """True (K,) where a segment is seen: each block of segments is hidden with chance `hide`, but one always stays."""
    if not hide:
        return np.ones(segments, bool)
    blocks = -(-segments // block)
    draws = rng.random(blocks)
    shown = draws >= hide
    shown[draws.argmax()] = True
    return np.repeat(shown, block)[:segments]


def stretches(segments: int, longest: int, rng: np.random.Generator) -> IntArray | None:
    """Rows of a video of too many segments: random stretches of 64, in order; None where all fit."""
    if segments <= longest:
        return None
    length = min(_STRETCH, longest)
    starts = np.arange(0, segments, length)
    chosen = np.sort(rng.choice(starts, longest // length, replace=False))
    rows = (chosen[:, None] + np.arange(length)).ravel()
    return rows[rows < segments]
