"""How a backbone becomes a classifier of a target's labels, and how that is tested."""

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from whenabouts.config import Count, NotAll, NotNegative, Positive, settings
from whenabouts.core.errors import SettingsError
from whenabouts.training.loop import Plan

Rates = Annotated[tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...], Field(min_length=1)]
Decays = Annotated[tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Choice:
    """One point of the grid: a rate and a weight decay for all layers, or a penalty for the classifier alone."""

    learning_rate: float = 0.0
    weight_decay: float = 0.0
    penalty: float = 0.0

    def told(self, tune: str) -> dict[str, float]:
        """What was tried, by the settings' names."""
        if tune == "fc":
            return {"penalty": self.penalty}
        return {"learning_rate": self.learning_rate, "weight_decay": self.weight_decay}


@settings
class FinetuneSettings:
    """`tune` "all" trains every layer, "fc" a logistic regression on what goes into the classifier (section 4).

    `examples` are whole "videos", or their rated "segments" where they have any. With `labels` "one" each has one label
    and a softmax tells them apart; with "several" each label has a sigmoid. What is best is chosen on `held_out` of the
    training videos, then all of them are learned: "all" tries every one of `learning_rates` with every one of
    `weight_decays`, "fc" each of `penalties` (see `logistic_regression`).

    "all": `epochs` passes in batches of `batch`; the rate warms up for `warmup_epochs`, and under schedule "step" falls
    to a tenth at each of `drop_epochs`. `layer_rates` are shares of the rate by the first letters of a weight's name
    (`stem`, `layer1`, ..., `fc`; the longest that fits counts; 1 where none does). `shift` and `colour` are changes at
    random (see ClipTransform); `mirror` mirrors half of the clips, for labels that know no left and right.
    "fc": `feature_clips` clips of each training video, their features apart or, with `mean_features`, their mean.

    Tests look at `test_clips` clips from a video's beginning to its end, at the middle of each picture, and take the
    mean of their probabilities. With `fully_convolutional` the classifier is a convolution over the middle square of
    `test_crop` pixels (None: the picture's shorter side), see `fully_convolutional`; `joint` is Caffe2's softmax there.
    Of videos longer than `longest_seconds` the beginning counts.
    """

    tune: Literal["all", "fc"] = "all"
    examples: Literal["videos", "segments"] = "videos"
    labels: Literal["one", "several"] = "one"
    held_out: NotAll = 0.1
    epochs: Positive = 20.0
    batch: Count = 32
    learning_rates: Rates = (3e-3, 1e-3, 3e-4)
    weight_decays: Decays = (0.01,)
    penalties: Rates = (1e-4, 1e-3, 1e-2, 1e-1)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    momentum: NotAll = 0.9
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup_epochs: NotNegative = 0.5
    drop_epochs: tuple[NotNegative, ...] = ()
    layer_rates: dict[str, float] = field(default_factory=dict)
    shift: float = Field(default=0.1, ge=0, le=1)
    colour: float = Field(default=0.3, ge=0, le=1)
    mirror: bool = False
    feature_clips: Count = 10
    mean_features: bool = False
    test_clips: Count = 10
    fully_convolutional: bool = False
    test_crop: Count | None = None
    joint: bool = False
    longest_seconds: Positive = 1200.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    checkpoint_every: Count = 100

    @property
    def link(self) -> Literal["softmax", "sigmoid"]:
        """What turns scores into probabilities."""
        return "softmax" if self.labels == "one" else "sigmoid"

    @property
    def measure(self) -> Literal["top1", "map"]:
        """What the held-out videos are measured by."""
        return "top1" if self.labels == "one" else "map"

    def grid(self) -> tuple[Choice, ...]:
        """All that is tried."""
        if self.tune == "fc":
            return tuple(Choice(penalty=penalty) for penalty in self.penalties)
        return tuple(Choice(*pair) for pair in itertools.product(self.learning_rates, self.weight_decays))

    def plan(self, choice: Choice, examples: int, seed: int) -> Plan:
        """The loop's plan for a number of examples."""
        per_epoch = examples / self.batch
        return Plan(
            steps=math.ceil(self.epochs * per_epoch),
            learning_rate=choice.learning_rate,
            weight_decay=choice.weight_decay,
            optimizer=self.optimizer,
            momentum=self.momentum,
            schedule=self.schedule,
            warmup=math.ceil(self.warmup_epochs * per_epoch),
            drops=tuple(math.ceil(epochs * per_epoch) for epochs in self.drop_epochs),
            seed=seed,
            checkpoint_every=self.checkpoint_every,
        )

    def share_of(self, names: Iterable[str]) -> Callable[[str], float]:
        """The share of the rate by a weight's name, as the loop asks for it.

        `names` are those of all weights; a first part in `layer_rates` that none begins with raises SettingsError.
        """
        plain = [_plain(name) for name in names]
        for start, share in self.layer_rates.items():
            if not any(name.startswith(start) for name in plain):
                first = ", ".join(dict.fromkeys(name.partition(".")[0] for name in plain))
                raise SettingsError(f"finetune.layer_rates: no weight begins with {start!r}. They begin with: {first}.")
            if not 0 <= share < math.inf:
                raise SettingsError(f"finetune.layer_rates: {start} is {share}. Give a share of the rate, 0 or more.")

        def share_of(name: str) -> float:
            fitting = [start for start in self.layer_rates if _plain(name).startswith(start)]
            return self.layer_rates[max(fitting, key=len)] if fitting else 1.0

        return share_of


def _plain(name: str) -> str:
    """A weight's name as its file has it: that of the net's own without `net.` before it."""
    return name.removeprefix("net.")
