"""How a backbone is trained: draws, target, rates, and how they fit a number of processes."""

import math
from typing import Annotated, Literal

from pydantic import Field

from whenabouts.config import Count, CountOrZero, NotNegative, Probability, settings
from whenabouts.training.loop import Plan

Finite = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Sampling = Literal["videos", "classes", "repeat"]
Loss = Literal["softmax", "softmax_all", "sigmoid"]
Length = Literal["short", "long", "long_centre"]


@settings
class PretrainSettings:
    """How a backbone is trained; the work is a number of steps or clips, never a time.

    A step takes `accumulate` batches of `batch` clips in each process: their product is the total batch. `clips` sets
    the steps by the clips to see in all, and `warmup_share` the warm-up as a share of the steps, so that one recipe
    serves any number of processes; with `rate_batch`, `learning_rate` is that of a total batch of so many clips, and
    grows in proportion ("linear scaling", Goyal et al. 2017). The warm-up rises from `warmup_from` of the rate.
    Schedule "halvings" divides the rate by 2 at `halvings` equal steps.

    `sampling`: "videos" draws every video equally often; "classes" draws classes by their count to the power of
    `exponent` (1: as they are, 0.5: square root, 0: evenly), then one of their videos; "repeat" every video as often
    as its rarest label asks for: max(1, sqrt(`repeat_threshold` / frequency)) times an epoch (Mahajan et al. 2018).
    `label`: of a video's labels one is drawn anew "each" time it is drawn, or "once" for good. `loss`: "softmax" on
    that label, "softmax_all" on all labels in equal shares, or a "sigmoid" for each label. `subset` learns from so
    many of the videos: drawn evenly ("random"), or so that small classes are kept whole ("tail").

    `length` compares short videos, long ones and the `centre_seconds` in the middle of long ones, of `short_seconds`
    and `long_seconds` (inclusive), by sets of equally many videos of each label (`equal`: "videos", budget F1 of
    section 4.3.1); with "seconds" long ones and their centres are of so many videos that the long ones last as long
    in all as the short ones (F2). `label` is "once" then: a video counts for its one label.

    `compile` puts the net through torch.compile: "auto" on a GPU that it can compile for, never on a CPU.
    `shift` and `colour` are changes at random (see ClipTransform). Of videos longer than `longest_seconds` the
    beginning counts.
    """

    steps: Count = 400
    clips: Count | None = None
    batch: Count = 32
    accumulate: Count = 1
    learning_rate: Finite = 3e-3
    rate_batch: Count | None = None
    weight_decay: float = Field(default=0.01, ge=0, allow_inf_nan=False)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    schedule: Literal["cosine", "step", "constant", "halvings"] = "cosine"
    halvings: CountOrZero = 13
    warmup: CountOrZero = 10
    warmup_share: Probability | None = None
    warmup_from: Probability = 0.0
    drops: tuple[int, ...] = ()
    sampling: Sampling = "videos"
    exponent: NotNegative = 0.5
    repeat_threshold: float = Field(default=0.001, gt=0, le=1)
    label: Literal["each", "once"] = "each"
    loss: Loss = "softmax"
    subset: Count | None = None
    subset_by: Literal["random", "tail"] = "random"
    length: Length | None = None
    equal: Literal["videos", "seconds"] = "videos"
    short_seconds: tuple[NotNegative, NotNegative] = (1.0, 5.0)
    long_seconds: tuple[NotNegative, NotNegative] = (55.0, 60.0)
    centre_seconds: Finite = 4.0
    shift: Probability = 0.1
    colour: Probability = 0.3
    longest_seconds: Finite = 1200.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: Literal["auto", "always", "never"] = "auto"
    report_every: Count = 50
    checkpoint_every: Count = 100

    def __post_init__(self) -> None:
        if self.label == "once" and self.loss != "softmax":
            raise ValueError(
                f"pretrain.loss {self.loss!r} learns all labels of a video, but pretrain.label 'once' leaves it one. "
                "Leave one of them out"
            )
        if self.length is not None and self.label != "once":
            raise ValueError(
                "pretrain.length compares sets of equally many videos of each label, for which each video has one. "
                "Add pretrain.label = 'once'"
            )
        if self.length is not None and self.subset is not None:
            raise ValueError("pretrain.subset and pretrain.length both choose the videos. Leave one of them out")

    def total_batch(self, processes: int = 1) -> int:
        """Clips in one step of all processes."""
        return self.batch * self.accumulate * processes

    def plan(self, seed: int, processes: int = 1) -> Plan:
        """The loop's plan for a number of processes."""
        total = self.total_batch(processes)
        steps = self.steps if self.clips is None else math.ceil(self.clips / total)
        scale = 1.0 if self.rate_batch is None else total / self.rate_batch
        return Plan(
            steps=steps,
            learning_rate=self.learning_rate * scale,
            optimizer=self.optimizer,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            schedule=self.schedule,
            halvings=self.halvings,
            warmup=self.warmup if self.warmup_share is None else math.ceil(self.warmup_share * steps),
            warmup_from=self.warmup_from,
            drops=self.drops,
            accumulate=self.accumulate,
            seed=seed,
            report_every=self.report_every,
            checkpoint_every=self.checkpoint_every,
        )
