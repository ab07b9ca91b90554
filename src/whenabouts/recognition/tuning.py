"""Two ways to learn a target's labels: every layer, or a logistic regression on what goes into the classifier."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from whenabouts.core.files import replacing
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.evaluation.named_labels import NamedLabels, named_labels
from whenabouts.recognition.backbone import BackboneSettings, ClipClassifier
from whenabouts.recognition.clip_testing import ClipTester, linked
from whenabouts.recognition.finetune_settings import Choice, FinetuneSettings
from whenabouts.recognition.first_weights import first_net
from whenabouts.recognition.pretraining import Run
from whenabouts.recognition.target_draws import TargetDraws, measure_on, targets_of
from whenabouts.recognition.target_examples import Cut, present_in, told_cut
from whenabouts.training.linear import logistic_regression
from whenabouts.training.loop import Trainee, fit

# Examples whose features are computed between two writes.
_PART = 256


@dataclass(frozen=True)
class Target:
    """What is learned or tested: cuts of examples, their vocabulary, the videos that are broken or partial.

    `without_frames` examples were left out, since their video has ended before they begin.
    """

    cuts: tuple[Cut, ...]
    vocabulary: Vocabulary
    broken: tuple[Video, ...] = ()
    without_frames: int = 0

    def only(self, rows: IntArray) -> "Target":
        """The same with some of the cuts."""
        return dataclasses.replace(self, cuts=tuple(self.cuts[row] for row in rows.tolist()))


@dataclass(frozen=True)
class Task:
    """A target, the shape of the net and its clips, how it is learned, and where."""

    target: Target
    shape: BackboneSettings
    how: FinetuneSettings
    run: Run

    @property
    def identity(self) -> str:
        """Hash of all that decides the result, beside the choice: data, settings, vocabulary, first weights."""
        start, run = self.run.start, self.run
        began = "" if start is None else start.source + run.spread
        told = (self.shape, self.how, run.seed, self.target.vocabulary.names, began, str(run.compute))
        digest = hashlib.sha256(repr(told).encode())
        for cut in self.target.cuts:
            digest.update(told_cut(cut).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def fresh(self) -> ClipClassifier:
        """The net with its first weights, and a classifier at random."""
        torch.manual_seed(self.run.seed)
        return ClipClassifier(first_net(self.shape, self.run.start, self.run.spread), len(self.target.vocabulary))


@dataclass(frozen=True)
class Learned:
    """A trained classifier, and how its training went."""

    model: ClipClassifier
    history: tuple[dict[str, float], ...] = ()
    resumed_at: int = 0


class AllLayers:
    """Training of every layer."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def learned(self, choice: Choice, rows: IntArray, name: str) -> Learned:
        """Train from the first weights on the examples `rows`; the checkpoint bears `name`."""
        task = dataclasses.replace(self.task, target=self.task.target.only(rows))
        how, run, cuts = task.how, task.run, task.target.cuts
        model = task.fresh()
        draws = TargetDraws(cuts, len(task.target.vocabulary), task.shape, how, run.seed)
        fitted = fit(
            Trainee(
                model,
                draws.batch,
                measure_on(run.compute, how.link),
                how.share_of(name for name, _ in model.named_parameters()),
            ),
            how.plan(choice, len(cuts), run.seed),
            run.compute,
            checkpoint=run.cache / f"{name}.safetensors",
            identity=task.identity,
            loaders=run.workers,
            progress=run.progress,
        )
        return Learned(model, fitted.history, fitted.resumed_at)

    def measured(self, learned: Learned, rows: IntArray) -> NamedLabels:
        """Name the examples `rows`."""
        return _measured(self.task, learned, rows)


class FcOnly:
    """A logistic regression on the net's features, which are computed once and kept in the cache."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.model = task.fresh()
        self.features = self._features()

    def learned(self, choice: Choice, rows: IntArray, name: str) -> Learned:
        """Solve for the classifier on the examples `rows`; there is no checkpoint."""
        how, target = self.task.how, self.task.target
        own = [self.features[row] for row in rows.tolist()]
        own = [clips.mean(0, keepdim=True) for clips in own] if how.mean_features else own
        wanted = torch.from_numpy(targets_of(target.only(rows).cuts, len(target.vocabulary), how.link))
        counts = torch.tensor([len(clips) for clips in own])
        device = self.task.run.compute.device
        inputs, targets = torch.cat(own).to(device), wanted.repeat_interleave(counts, dim=0).to(device)
        solved = logistic_regression(inputs, targets, choice.penalty, link=how.link)
        model = self.task.fresh()
        model.fc = solved.fc
        report = {"step": float(solved.steps), "loss": solved.objective, "slope": solved.slope}
        return Learned(model, (report,))

    def measured(self, learned: Learned, rows: IntArray) -> NamedLabels:
        """Name the examples `rows`, from their features where a test would look at the same clips."""
        how, target = self.task.how, self.task.target
        if how.fully_convolutional or how.test_clips != how.feature_clips:
            return _measured(self.task, learned, rows)
        with torch.inference_mode():
            found = [linked(learned.model.fc(self.features[row]), how.link).double().mean(0) for row in rows.tolist()]
        present = present_in(target.only(rows).cuts, len(target.vocabulary))
        return named_labels(torch.stack(found).numpy(), present)

    def _features(self) -> list[Tensor]:
        """Features (clips, D) of every example, part by part from the cache, or into it."""
        task, made = self.task, []
        tester = ClipTester(self.model, task.shape, task.how, task.run.compute)
        cuts, identity = task.target.cuts, task.identity
        parts = range(0, len(cuts), _PART)
        for first in task.run.progress.track(parts, total=len(parts), title="computing features"):
            path = task.run.cache / f"features-{first}.safetensors"
            found = _kept(path, identity)
            if found is None:
                found = torch.stack(tester.features(cuts[first : first + _PART], task.how.feature_clips))
                with replacing(path) as part:
                    safetensors.torch.save_file({"features": found}, part, metadata={"identity": identity})
            made += list(found)
        self.model.cpu()
        return made


def _kept(path: Path, identity: str) -> Tensor | None:
    """Features that were computed before, by the same net of the same clips."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("identity") == identity:
                found: Tensor = file.get_tensor("features")
                return found
    except (OSError, safetensors.SafetensorError):
        pass
    return None


def _measured(task: Task, learned: Learned, rows: IntArray) -> NamedLabels:
    cuts = task.target.only(rows).cuts
    found = probabilities(learned.model, cuts, task)
    return named_labels(found, present_in(cuts, len(task.target.vocabulary)))


def probabilities(model: ClipClassifier, cuts: Sequence[Cut], task: Task) -> FloatArray:
    """Probabilities (N, L) of each example's labels, as a test finds them."""
    tester = ClipTester(model, task.shape, task.how, task.run.compute)
    named = task.run.progress.track(cuts, total=len(cuts), title="naming")
    rows = [tester.probabilities(cut) for cut in named]
    return np.stack(rows) if rows else np.zeros((0, len(task.target.vocabulary)))
