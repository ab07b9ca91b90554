"""Training a head for activities on features that are there, with labels of which some may be unknown."""

import copy
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from whenabouts.core.errors import SettingsError
from whenabouts.core.progress import Progress
from whenabouts.core.timing import IntArray
from whenabouts.nets.activity_heads import ActivityHead, co_occurrence
from whenabouts.nets.activity_net import ActivityNet, Learns, Outcome, People, outputs_of, padded
from whenabouts.recognition.activity_settings import HeadSettings, HeadTraining
from whenabouts.recognition.head_inputs import Features, check_inputs, check_start
from whenabouts.recognition.label_kinds import KINDS
from whenabouts.training import Compute, Measured, Plan, Trainee, fit

CPU = Compute(torch.device("cpu"), torch.float32)


@dataclass(frozen=True)
class FeatureBatch:
    """Features (B, C, N) or clips, which positions are there (B, N) or None, extras or None, labels (B, A).

    With `people` labels are theirs, or the clips', as the net was made.
    """

    features: Tensor
    valid: Tensor | None
    extras: Tensor | None
    labels: Tensor
    people: People | None = None


@dataclass(frozen=True)
class TrainedHead:
    """A net that has learned, its settings, and how its training went (one row of means per report)."""

    net: ActivityNet
    settings: HeadSettings
    history: tuple[dict[str, float], ...] = ()

    @torch.inference_mode()
    def outcome(self, features: Features, extras: Tensor | None = None) -> Outcome:
        """What the head says of features as `train_head` takes them, all at once: attention and maps included."""
        self.net.eval()
        device = next(self.net.parameters()).device
        given, valid = _stacked(features)
        return self.net.judged(
            given.to(device), _on(device, valid), _on(device, None if extras is None else extras.float())
        )

    def probabilities(self, features: Features, extras: Tensor | None = None, *, batch: int = 64) -> Tensor:
        """Probabilities (B, A) float32 on the CPU, of sigmoids or of a softmax as the kind of labels asks."""
        kind, parts = KINDS[self.settings.kind], []
        for first in range(0, len(features), batch):
            some = None if extras is None else extras[first : first + batch]
            outcome = self.outcome(features[first : first + batch], some)
            parts.append(kind.probabilities(outputs_of(outcome)).cpu())
        return torch.cat(parts) if parts else torch.zeros(0, self.activities)

    @property
    def activities(self) -> int:
        """How many there are (A)."""
        return self.net.head.activities


def train_head(
    features: Features,
    labels: Tensor,
    settings: HeadSettings | None = None,
    training: HeadTraining | None = None,
    *,
    extras: Tensor | None = None,
    video_labels: Tensor | None = None,
    start: TrainedHead | None = None,
    learns: Learns = "head",
    seed: int = 0,
    compute: Compute = CPU,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> TrainedHead:
    """Train a head for A activities on features of B clips or videos; same seed, same head, on a CPU to the bit.

    features (B, C, T, H, W) or (B, C, N), or B tensors (C, N) of differing lengths, such as transposed feature
    sequences; labels (B, A): 1 there, 0 not there, NaN unknown, which is no negative. extras (B, E) or (B, M, E) are
    further inputs, NaN where one is missing. Co-occurrence (Eq. 10) is counted in `video_labels` (V, A), or in labels.
    With `start` training goes on from a copy of that head, with the `settings` that it has; `learns` "correlation" then
    re-learns the correlation map alone, on new co-occurrences (section 4.1 of the paper). A killed training goes on
    from `checkpoint`. What does not fit together, and
    features that are no finite numbers, raise InvalidData.
    """
    settings = start.settings if start is not None else settings or HeadSettings()
    training = training or HeadTraining()
    check_inputs(features, labels, extras, video_labels)
    if start is not None:
        check_start(start.net, features, labels, extras)
    known = labels if video_labels is None else video_labels
    net = begun_net(start, learns, known) if start is not None else _new_net(features, known, settings, extras, seed)
    net.learn("head" if learns == "all" else learns)
    draws = FeatureDraws(features, labels, extras, training.batch, seed)
    told = fit(
        Trainee(net, draws.batch, lambda model, batch: measured(model, batch, settings, compute)),
        loop_plan(training, seed),
        compute,
        checkpoint=checkpoint,
        identity=f"{draws.identity()} {settings} {learns} {weights_hash(net)}",
        progress=progress,
    )
    net.learn("all")
    return TrainedHead(net.cpu().eval(), settings, told.history)


@dataclass(frozen=True)
class FeatureDraws:
    """Which rows make up each batch: every row once, in a new order, before any comes again."""

    features: Features
    labels: Tensor
    extras: Tensor | None
    size: int
    seed: int

    def batch(self, step: int) -> FeatureBatch:
        """The batch of one step."""
        rows = drawn_rows(step, self.size, len(self.labels), self.seed)
        if isinstance(self.features, Tensor):
            given, valid = _stacked(self.features[torch.from_numpy(rows)])
        else:
            given, valid = _stacked([self.features[row] for row in rows])
        chosen = torch.from_numpy(rows)
        extras = None if self.extras is None else self.extras[chosen].float()
        return FeatureBatch(given, valid, extras, self.labels[chosen])

    def identity(self) -> str:
        """Hash of the labels, and of the shape and the sum of each row's features and extras."""
        digest = hashlib.sha256(np.ascontiguousarray(self.labels.numpy(force=True)).tobytes())
        for rows in (self.features, self.extras):
            for row in () if rows is None else rows:
                digest.update(f"{tuple(row.shape)} {float(row.double().sum())}".encode())
        return f"{len(self.labels)} {self.size} {self.seed} {digest.hexdigest()}"


def drawn_rows(step: int, batch: int, count: int, seed: int) -> IntArray:
    """Numbers (batch,) of the rows of one step, a pure function of seed and step: rounds in ever new orders."""
    places = [divmod(place, count) for place in range(step * batch, (step + 1) * batch)]
    orders = {turn: np.random.default_rng([seed, 2, turn]).permutation(count) for turn, _ in places}
    return np.asarray([orders[turn][place] for turn, place in places], np.int64)


def measured(model: nn.Module, batch: FeatureBatch, settings: HeadSettings, compute: Compute) -> Measured:
    """The loss of a batch by its kind of labels."""
    placed = (None if each is None else compute.place(each) for each in (batch.features, batch.valid, batch.extras))
    outcome = model(*placed, placed_people(batch.people, compute))
    return Measured(KINDS[settings.kind].loss(outputs_of(outcome), compute.place(batch.labels)))


def placed_people(people: People | None, compute: Compute) -> People | None:
    """Boxes on the device."""
    return None if people is None else People(compute.place(people.boxes), compute.place(people.clips))


def begun_net(start: TrainedHead, learns: Learns, labels: Tensor) -> ActivityNet:
    """A copy of a trained net, with the co-occurrence of `labels` where its correlation map is to be learned anew."""
    net = copy.deepcopy(start.net)
    if learns == "correlation":
        if not isinstance(net.head, ActivityHead) or net.head.co_occurrence is None:
            raise SettingsError("This head has no correlation map to learn. Train one with correlation = true.")
        net.head.co_occurrence.copy_(co_occurrence(labels.nan_to_num(0.0)))
    return net


def loop_plan(training: HeadTraining, seed: int) -> Plan:
    """What the training loop is told."""
    return Plan(
        steps=training.steps,
        learning_rate=training.learning_rate,
        optimizer=training.optimizer,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
        schedule=training.schedule,
        warmup=training.warmup,
        drops=training.drops,
        clip_norm=training.clip_norm,
        seed=seed,
        checkpoint_every=training.checkpoint_every,
    )


def weights_hash(net: nn.Module) -> str:
    """A short hash of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _new_net(
    features: Features, labels: Tensor, settings: HeadSettings, extras: Tensor | None, seed: int
) -> ActivityNet:
    width = features[0].shape[0]
    torch.manual_seed(seed)  # The layer that takes extras draws from it.
    generator = torch.Generator().manual_seed(seed)
    head = settings.build(width, labels.shape[1], co_occurrence(labels.nan_to_num(0.0)), generator)
    return ActivityNet(head, extras=settings.extras(None if extras is None else extras.shape[-1], width))


def _stacked(features: Features) -> tuple[Tensor, Tensor | None]:
    """Features as the net takes them, in float32 whatever they are in."""
    if isinstance(features, Tensor):
        return features.flatten(2).float(), None
    return padded([each.float() for each in features])


def _on(device: torch.device, tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.to(device)
