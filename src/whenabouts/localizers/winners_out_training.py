"""Winners-out training: train, remove the winners, train on what is left (Zeng et al., Algorithm 1)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from whenabouts.core.files import replacing
from whenabouts.core.timing import BoolArray
from whenabouts.localizers.net_localizer import NetTraining
from whenabouts.localizers.protocol import Stream
from whenabouts.localizers.segments import Matrix
from whenabouts.localizers.training_videos import TrainingVideos, tensor_of
from whenabouts.localizers.winners_out_selection import Judge, without
from whenabouts.localizers.winners_out_settings import WinnersOutSettings
from whenabouts.nets.group_attention import GroupAttentionNet, redundancy
from whenabouts.training import Measured


@dataclass(frozen=True)
class Batch:
    """features: per stream, (K_b, D) or None of each video; mask (B, K); present (B, streams); kept (B, inputs);
    targets (B, C)."""

    features: tuple[tuple[Tensor | None, ...], ...]
    mask: Tensor
    present: Tensor
    kept: Tensor
    targets: Tensor
    weights: Tensor


def new_net(
    streams: Sequence[Stream], outputs: int, settings: WinnersOutSettings, generator: torch.Generator | None = None
) -> GroupAttentionNet:
    """A net of the shape that settings and streams ask for, with random weights."""
    return GroupAttentionNet(
        [stream.width for stream in streams],
        outputs,
        attentions=settings.attentions,
        positions=settings.segment_count if settings.attention_bias == "position" else 0,
        uniform=settings.scores == "cam",
        shift_bias=settings.shift_bias,
        generator=generator,
    )


def make_net(videos: TrainingVideos, settings: WinnersOutSettings, seed: int) -> GroupAttentionNet:
    """A fresh net for these videos, standardising with their spread where the settings say so."""
    net = new_net(videos.streams, videos.outputs, settings, torch.Generator().manual_seed(seed))
    if settings.standardised:
        for index, (mean, deviation) in enumerate(videos.spread()):
            net.stream(index).mean.copy_(torch.from_numpy(mean))
            net.stream(index).std.copy_(torch.from_numpy(deviation))
    return net


class WinnersOutTraining(NetTraining[GroupAttentionNet, WinnersOutSettings]):
    """One training under way: the net and what remains of each video."""

    def begin(self) -> None:
        """A fresh net, and all segments of all videos."""
        self.net = make_net(self.videos, self.settings, self.seed)
        if self.settings.standardised:
            self.videos.standardise()
        self.remaining: list[BoolArray] = [np.ones(video.grid.steps, bool) for video in self.videos.videos]
        self._means = self.videos.means() if self.settings.erasing == "mean" else []
        self._before: dict[str, Tensor] = {}
        self._hits: list[float] = []

    def facts(self) -> dict[str, Any]:
        """What is known of the training, round by round, in plain JSON values."""
        return {"rounds": [list(rows) for rows in self.history]}

    def run(self) -> GroupAttentionNet:
        """Train for all rounds, with a removal of the winners between them, and return the net.

        R trainings have R - 1 removals: tables III and IV of the paper agree on that, where Alg. 1 removes once more
        and trains on nothing of it.
        """
        first = self._resume()
        for number in range(first, self.settings.rounds):
            if number > first:
                self._remove_winners()
                self._before = _copied(self.net)
                if self.settings.restart:
                    self.net = make_net(self.videos, self.settings, self.seed + number)
                self._keep(number)
            self._train(number)
            if self._exhausted(number):
                break
        return self.net

    def _exhausted(self, number: int) -> bool:
        """Whether what remains no longer tells the classes: then the round is undone (`stop_below`)."""
        if not self.settings.stop_below:
            return False
        self._hits.append(self._hit_rate())
        self.progress.say(f"Round {number + 1}: {self._hits[-1]:.1%} of the videos are told by what remains")
        if self._hits[-1] >= self.settings.stop_below * self._hits[0]:
            return False
        self.net.load_state_dict(self._before)
        self.progress.say(f"Too little is left to learn from: back to the net after round {number}")
        return True

    @torch.no_grad()
    def _hit_rate(self) -> float:
        """Share of the training videos whose likeliest output on what remains is one of their labels."""
        right = 0
        for index, video in enumerate(self.videos.videos):
            matrices, remaining = self._erased(self.videos.features(index), self.remaining[index])
            present = torch.tensor([[matrix is not None for matrix in matrices]], device=self.compute.device)
            mask = torch.from_numpy(remaining)[None].to(self.compute.device)
            features = [(matrix,) for matrix in self._placed(matrices)]
            best = int(self.net(features, mask, present=present).logits[0].argmax())
            right += bool(video.targets[best] > 0)
        return right / len(self.videos)

    def _judge(self) -> Judge:
        return Judge(self.net, self.settings, self.videos.streams, self.compute.device)

    def _erased(self, matrices: Sequence[Matrix | None], remaining: BoolArray) -> tuple[list[Matrix | None], BoolArray]:
        """What the net sees of a video: its remaining segments, or all, with the mean where winners were."""
        if self.settings.erasing == "removal" or remaining.all():
            return list(matrices), remaining
        seen = [
            None if matrix is None else np.where(remaining[:, None], matrix, mean).astype(np.float32)
            for matrix, mean in zip(matrices, self._means, strict=True)
        ]
        return seen, np.ones(len(remaining), bool)

    def _placed(self, matrices: Sequence[Matrix | None]) -> list[Tensor | None]:
        """Features (K, D) per stream, which are standardised already, on the device."""
        found = map(tensor_of, matrices)
        return [None if values is None else values.to(self.compute.device) for values in found]

    def _train(self, number: int) -> None:
        self.progress.say(f"Round {number + 1} of {self.settings.rounds}: {len(self.videos)} videos")
        every = self.settings.decay_every * self.settings.steps_per_epoch(len(self.videos))
        plan = self.settings.plan(len(self.videos), self.seed)
        if every:
            plan = replace(plan, schedule="step", drops=tuple(range(every, plan.steps, every)))
        draw = partial(self._draw, number)
        self.history.append(self.fit_epochs(draw, self._measure, plan=plan, name=f"steps-{number}"))

    def _draw(self, number: int, epoch: int, position: int) -> Batch:
        size = self.settings.batch_size
        order = np.random.default_rng([self.seed, number, epoch]).permutation(len(self.videos))
        chosen = order[position * size : (position + 1) * size]
        rng = np.random.default_rng([self.seed, number, epoch, position])
        parts = [self._thinned(index, rng) for index in chosen.tolist()]
        kept = rng.random((len(chosen), self.net.inputs), np.float32)
        np.multiply(kept >= self.settings.dropout, np.float32(1 / (1 - self.settings.dropout)), out=kept)
        videos = [self.videos.videos[index] for index in chosen.tolist()]
        return Batch(
            features=tuple(zip(*(map(tensor_of, matrices) for matrices, _ in parts), strict=True)),
            mask=nn.utils.rnn.pad_sequence([torch.from_numpy(part[1]) for part in parts], batch_first=True),
            present=torch.tensor([[matrix is not None for matrix in part[0]] for part in parts]),
            kept=torch.from_numpy(kept),
            targets=torch.from_numpy(np.stack([video.targets for video in videos]).astype(np.float32)),
            weights=torch.tensor([video.weight for video in videos], dtype=torch.float32),
        )  # fmt: skip

    def _thinned(self, index: int, rng: np.random.Generator) -> tuple[list[Matrix | None], BoolArray]:
        """Segments of one video and which of them remain; of a very long video a random part of what remains."""
        matrices, remaining = self._erased(self.videos.features(index, rng), self.remaining[index])
        if len(remaining) <= self.settings.longest or self.settings.attention_bias == "position":
            return matrices, remaining
        rows = np.flatnonzero(remaining)
        if len(rows) > self.settings.longest:
            rows = np.sort(rng.choice(rows, self.settings.longest, replace=False))
        return [None if matrix is None else matrix[rows] for matrix in matrices], np.ones(len(rows), bool)

    def _measure(self, model: nn.Module, batch: Batch) -> Measured:
        """Cross-entropy on labels that sum to 1, weighted by the trust in the video, and the penalty (Eq. 6)."""
        place = self.compute.place
        features = [[None if values is None else place(values) for values in videos] for videos in batch.features]
        present = place(batch.present)
        outcome = self.net(features, place(batch.mask), present=present, kept=place(batch.kept))
        entropy = -(place(batch.targets) * outcome.logits.log_softmax(dim=1)).sum(dim=1)
        loss = (place(batch.weights) * entropy).mean()
        if not self.settings.penalty:
            return Measured(loss)
        penalties = torch.stack([redundancy(attention) for attention in outcome.attentions], dim=1)
        penalty = (penalties * present).sum(dim=1).mean()
        return Measured(loss + self.settings.penalty * penalty, {"penalty": penalty.detach()})

    def _remove_winners(self) -> None:
        """Take from each video the winners of all its classes, judged on the same segments (Alg. 1, lines 4-11)."""
        before = sum(int(mask.sum()) for mask in self.remaining)
        judge = self._judge()
        for index in self.progress.track(range(len(self.videos)), total=len(self.videos), title="Removing winners"):
            classes = self.videos.videos[index].classes
            if classes:
                matrices, seen = self._erased(self.videos.features(index), self.remaining[index])
                self.remaining[index] = remove_winners(
                    judge, self._placed(matrices), classes, self.remaining[index], seen=seen
                )
        removed = before - sum(int(mask.sum()) for mask in self.remaining)
        self.progress.say(f"Winners out: {removed} of {before} segments ({removed / before:.1%})")

    def _keep(self, number: int) -> None:
        """Write what a round begins with: the net and the segments that remain."""
        path = self.path(f"round-{number}")
        if path is None:
            return
        tensors = {f"net.{name}": tensor.detach().cpu().contiguous() for name, tensor in self.net.state_dict().items()}
        if self.settings.stop_below:
            tensors |= {f"before.{name}": tensor.contiguous() for name, tensor in self._before.items()}
        tensors["remaining"] = torch.from_numpy(np.concatenate(self.remaining))
        state = {"identity": self.identity, "history": json.dumps(self.history), "hits": json.dumps(self._hits)}
        with replacing(path) as part:
            save_file(tensors, part, metadata=state)

    def _resume(self) -> int:
        """Put the last round that was begun back in place and return its number; 0 where there is none."""
        for number in range(self.settings.rounds - 1, 0, -1):
            path = self.path(f"round-{number}")
            if path is not None and path.exists() and self._restored(path):
                return number
        return 0

    def _restored(self, path: Path) -> bool:
        try:
            with safe_open(path, framework="pt") as opened:
                state = opened.metadata() or {}
            tensors = load_file(path)
        except SafetensorError:
            return False
        if state.get("identity") != self.identity:
            return False
        lengths = np.cumsum([len(mask) for mask in self.remaining])[:-1]
        self.remaining = [np.array(part) for part in np.split(tensors.pop("remaining").numpy(), lengths)]
        self.net.load_state_dict(_below("net.", tensors))
        self._before, self._hits = _below("before.", tensors), json.loads(state["hits"])
        self.history = json.loads(state["history"])
        return True


@torch.no_grad()
def remove_winners(
    judge: Judge,
    features: Sequence[Tensor | None],
    classes: Sequence[int],
    remaining: BoolArray,
    *,
    seen: BoolArray | None = None,
) -> BoolArray:
    """What remains (K,) of one video when the winners of all its classes, judged on the same segments, are out.

    features: standardised, (K, D) per stream, on the judge's device. `seen` (K,) are the segments that attention looks
    at, by default those that remain.
    """
    evidence = judge.evidence(features, torch.tensor(classes, device=judge.device))
    mask = torch.from_numpy(remaining)[None].to(judge.device)
    looked = mask if seen is None else torch.from_numpy(seen)[None].to(judge.device)
    scores = judge.scores(evidence, looked)
    winners = judge.winners(scores, mask.expand_as(scores), judge.settings.winners(len(remaining)))
    return without(remaining, winners.any(dim=0).cpu().numpy(), scores.amax(dim=0).cpu().numpy())


def _copied(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone().cpu() for name, tensor in net.state_dict().items()}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
