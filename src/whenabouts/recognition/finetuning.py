"""From a backbone to a classifier of a target's labels, and its test.

As in Ghadiyaram et al., "Large-scale weakly-supervised pre-training for video action recognition", section 4: settings
are chosen on a random tenth of the training videos that is held out, and then all of them are learned with the best.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from whenabouts.config import as_table
from whenabouts.core.errors import InvalidData
from whenabouts.core.files import sweep
from whenabouts.core.timing import FloatArray, IntArray
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry
from whenabouts.data.named_files import NamedExample
from whenabouts.evaluation.named_labels import NamedLabels, named_labels
from whenabouts.media.flow import check_flow
from whenabouts.recognition.backbone import Backbone, BackboneSettings, ClipClassifier
from whenabouts.recognition.finetune_settings import Choice, FinetuneSettings
from whenabouts.recognition.frame_cache import FrameCache
from whenabouts.recognition.pretraining import Run
from whenabouts.recognition.target_examples import cuts_of, examples_of, present_in, split_off
from whenabouts.recognition.trials import Trial, Trials, best_of
from whenabouts.recognition.tuning import AllLayers, FcOnly, Learned, Target, Task, probabilities
from whenabouts.training.finite import steps_not_taken
from whenabouts.training.guessing import LOWER_RATE, learned_nothing, loss_of_guessing

_TOP = 5
_LOWER_PENALTY = "Lower finetune.penalties, or begin with a net whose features tell more of these labels (--start)."


@dataclass(frozen=True)
class Finetuned:
    """The classifier, what was tried and chosen, and how many examples were learned; `held_out` of them chose.

    `useless` says so where it ends no better than a guess.
    """

    backbone: Backbone
    how: FinetuneSettings
    trials: tuple[Trial, ...]
    chosen: Choice
    examples: int
    held_out: int
    learned: Learned
    useless: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "source": self.backbone.source,
            "labels": len(self.backbone.vocabulary),
            "examples": self.examples,
            "held_out": self.held_out,
            "chosen": self.chosen.told(self.how.tune),
            "trials": [trial.to_json(self.how) for trial in self.trials],
            "steps_not_taken": steps_not_taken(self.learned.history),
            "learned_nothing": self.useless,
            "history": list(self.learned.history),
            "resumed_at": self.learned.resumed_at,
        }

    def save(self, folder: Path, run: Run) -> None:
        """Write the net, the classifier and its vocabulary as a backbone's folder."""
        card = {"tuning": as_table(self.how), "seed": run.seed, "computed_on": str(run.compute), **self.to_json()}
        card |= {} if run.start is None else {"began_from": run.start.source}
        self.backbone.save(folder, card=card)


@dataclass(frozen=True)
class Tested:
    """Probabilities (N, L) of the examples of a split, and what those with a label measure."""

    target: Target
    probabilities: FloatArray
    measured: NamedLabels | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; broken and partial videos with their reasons."""
        found = {} if self.measured is None else self.measured.to_json()
        labelled = 0 if self.measured is None else self.measured.examples
        broken = broken_json(self.target.broken)
        return {
            "named": len(self.target.cuts),
            "without_label": len(self.target.cuts) - labelled,
            "without_frames": self.target.without_frames,
            "broken": broken,
            **found,
        }

    def examples(self) -> list[NamedExample]:
        """For each example its video, its span if it has one, and all probabilities."""
        pairs = zip(self.target.cuts, self.probabilities, strict=True)
        return [NamedExample(cut.example.video.id, likely, cut.example.span) for cut, likely in pairs]

    def rows(self) -> list[dict[str, Any]]:
        """For each example its video, its span if it has one, and the labels that are likeliest."""
        names, rows = self.target.vocabulary.names, []
        for cut, likely in zip(self.target.cuts, self.probabilities, strict=True):
            best = np.argsort(-likely, kind="stable")[:_TOP].tolist()
            span = {} if cut.example.span is None else {"start": cut.example.span[0], "end": cut.example.span[1]}
            own = [names[index] for index in cut.example.labels.classes.tolist()]
            top = [[names[index], round(float(likely[index]), 6)] for index in best]
            rows.append({"video": cut.example.video.id, **span, "labels": own, "top": top})
        return rows


def target_of(
    entries: Sequence[Entry], vocabulary: Vocabulary, shape: BackboneSettings, how: FinetuneSettings, run: Run
) -> Target:
    """The examples of entries, with their frames in the cache below `run.cache`.

    Videos that can't be read are told of and listed, and stop nothing.
    """
    examples = examples_of(entries, vocabulary, how.examples)
    videos = list({example.video.id: example.video for example in examples}.values())
    frames = FrameCache(run.cache.parent / "frames", shape.frame_format(how.longest_seconds))
    filled = frames.fill(videos, workers=run.workers, progress=run.progress)
    cached = dict(zip((video.id for video in videos), filled, strict=True))
    cuts, lacking = cuts_of(examples, [cached[example.video.id] for example in examples], shape.rate)
    broken = [entry.video for entry in entries if not entry.usable]
    broken += [found.video for found in filled if found.video.status != "complete"]
    for video in broken:
        run.progress.say(f"{video.id} is {video.status}: {video.reason or 'its file is gone'}")
    ended = [example for example in lacking if cached[example.video.id].frames]
    for example in ended:
        run.progress.say(f"{example.video.id} has ended before {example.span}: this example is left out.")
    return Target(tuple(cuts), vocabulary, tuple(broken), without_frames=len(ended))


def finetune(target: Target, shape: BackboneSettings, how: FinetuneSettings, run: Run) -> Finetuned:
    """Choose settings on held-out videos, then learn all of them.

    What is done lies in `run.cache`, and is not done again by the same command, until `clear`. Same seed and machine,
    same weights on the CPU, interrupted or not. Fewer than two labelled classes raise InvalidData.
    """
    if shape.modality == "flow":
        check_flow(shape.flow.method)
    target = _learnable(target, how, run)
    task = Task(target, shape, how, run)
    kept, aside = split_off(target.cuts, how.held_out, run.seed)
    tuner = FcOnly(task) if how.tune == "fc" else AllLayers(task)
    trials, grid = Trials(run.cache / "trials.json", task.identity), how.grid()
    if len(grid) > 1 and len(aside):
        for number in range(len(trials.done), len(grid)):
            trials.add(_tried(tuner, grid[number], (kept, aside), number))
            run.progress.say(f"trial {number + 1} of {len(grid)}: {trials.done[number].line(how)}")
        chosen = best_of(trials.done)
    else:
        run.progress.say("Nothing to choose: all examples are learned with the one setting.")
        chosen, aside = grid[0], aside[:0]
    learned = tuner.learned(chosen, np.arange(len(target.cuts)), "all")
    learned.model.cpu()
    backbone = Backbone(shape, learned.model.net.eval(), learned.model.fc, target.vocabulary)
    classes = int(present_in(target.cuts, len(target.vocabulary)).any(0).sum())
    guessing = loss_of_guessing(classes, each=how.link == "sigmoid")
    useless = learned_nothing(learned.history, guessing, _LOWER_PENALTY if how.tune == "fc" else LOWER_RATE)
    return Finetuned(backbone, how, trials.done, chosen, len(target.cuts), len(aside), learned, useless)


def named(target: Target, backbone: Backbone, how: FinetuneSettings, run: Run) -> Tested:
    """Name the examples of a split, and measure those that have a label.

    A backbone without a classifier raises InvalidData.
    """
    if backbone.fc is None or not isinstance(backbone.settings, BackboneSettings):
        raise InvalidData(f"{backbone.source} has no classifier of pictures. Run `whenabouts finetune` first.")
    model = ClipClassifier(backbone.net, len(backbone.vocabulary))
    model.fc = backbone.fc
    found = probabilities(model, target.cuts, Task(target, backbone.settings, how, run))
    model.cpu()
    present = present_in(target.cuts, len(target.vocabulary))
    known = present.any(1)
    return Tested(target, found, named_labels(found[known], present[known]) if known.any() else None)


def broken_json(videos: Sequence[Video]) -> list[dict[str, Any]]:
    """Videos that can't be used in full, with their reasons."""
    return [{"id": video.id, "status": video.status, "reason": video.reason or "its file is gone"} for video in videos]


def clear(cache: Path) -> None:
    """Remove what an unfinished fine-tuning keeps; small frames stay."""
    for pattern in ("trials.json", "all.safetensors", "trial-*.safetensors", "features-*.safetensors"):
        for path in cache.glob(pattern):
            path.unlink(missing_ok=True)
    sweep(cache)


def _learnable(target: Target, how: FinetuneSettings, run: Run) -> Target:
    """The examples that have a label; InvalidData where they are of fewer than two classes."""
    present = present_in(target.cuts, len(target.vocabulary))
    rows = np.flatnonzero(present.any(1))
    classes = int(present.any(0).sum())
    if classes < 2:
        raise InvalidData(
            f"Fine-tuning needs examples of at least 2 labels, but the {len(rows)} that can be read have {classes}. "
            "Import more videos, or a vocabulary that fits them."
        )
    if len(rows) < len(target.cuts):
        run.progress.say(f"{len(target.cuts) - len(rows)} examples without a label are left out.")
    several = int((present.sum(1) > 1).sum())
    if how.labels == "one" and several:
        run.progress.say(f"{several} examples have several labels, which share: or set finetune.labels = 'several'.")
    return target.only(rows)


def _tried(tuner: AllLayers | FcOnly, choice: Choice, rows: tuple[IntArray, IntArray], number: int) -> Trial:
    """One choice, learned on the first of `rows` and measured on the second; numbers that are not finite are noted."""
    how, cache = tuner.task.how, tuner.task.run.cache
    try:
        learned = tuner.learned(choice, rows[0], f"trial-{number}")
        measured = tuner.measured(learned, rows[1])
    except InvalidData as error:
        return Trial(choice, None, {}, str(error))
    (cache / f"trial-{number}.safetensors").unlink(missing_ok=True)
    value = measured.top[1] if how.measure == "top1" else measured.mean_ap
    return Trial(choice, None if np.isnan(value) else float(value), measured.to_json())
