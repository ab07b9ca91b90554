"""What an annotation file says, before anything is trained or measured with it."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from whenabouts.core.errors import InvalidData

Span = tuple[float, float]
FAULTS = ("zero_length", "inverted", "past_the_end")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in an annotation file that deserves a word: where, what, and what was seen."""

    where: str
    what: str
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Instance:
    """One annotated action, in seconds as written: it may be empty, inverted, or end after the video."""

    label: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class AnnotatedVideo:
    """One video of a data set: its `split` in a project, its instances, and spans that the kits call ambiguous.

    `duration_seconds` is 0 and `fps` None where nothing says them. `covered_seconds` is the part that published
    features look at (ActivityNet's `feature_frame` of `num_frames`), the duration where nothing else is said.
    """

    id: str
    split: str
    instances: tuple[Instance, ...] = ()
    ambiguous: tuple[Span, ...] = ()
    duration_seconds: float = 0.0
    fps: Fraction | None = None
    covered_seconds: float = 0.0

    @property
    def labels(self) -> tuple[str, ...]:
        """What happens in it, each once, in order of appearance."""
        return tuple(dict.fromkeys(instance.label for instance in self.instances))


@dataclass(frozen=True)
class AnnotationSet:
    """Videos of a data set, the split that is measured on, and the `ground_truth`'s name to put beside a number.

    Where `by_line`, faults tell of instances too, with the lines on which they stand.
    """

    dataset: str
    ground_truth: str
    measured: str
    videos: tuple[AnnotatedVideo, ...]
    faults: tuple[Fault, ...] = ()
    labels: tuple[str, ...] = field(default=())
    by_line: bool = False

    def __post_init__(self) -> None:
        said = {label for video in self.videos for label in video.labels}
        object.__setattr__(self, "labels", tuple(self.labels) or tuple(sorted(said)))

    def of_split(self, split: str) -> tuple[AnnotatedVideo, ...]:
        """The videos of one split, in the file's order."""
        return tuple(video for video in self.videos if video.split == split)

    def counts(self) -> dict[str, int]:
        """Videos and instances of each split, and instances at fault by kind."""
        found: Counter[str] = Counter()
        for video in self.videos:
            found[f"videos_{video.split}"] += 1
            found[f"instances_{video.split}"] += len(video.instances)
            found["ambiguous_spans"] += len(video.ambiguous)
            found.update(fault for instance in video.instances if (fault := fault_of(instance, video)))
        return {**dict(sorted(found.items())), **{name: found[name] for name in FAULTS}}

    def instance_faults(self) -> list[Fault]:
        """One word for each instance that is empty, inverted, or ends after its video."""
        told: list[Fault] = []
        for video in () if self.by_line else self.videos:
            for number, instance in enumerate(video.instances):
                fault = fault_of(instance, video)
                if fault:
                    seen = f"{instance.label} {instance.start_seconds:g}..{instance.end_seconds:g} s"
                    seen += f" of {video.duration_seconds:g} s" if video.duration_seconds else ""
                    told.append(Fault(f"{video.id} instance {number}", fault.replace("_", " "), seen))
        return told

    def truth(self) -> dict[str, Any]:
        """What `whenabouts evaluate --truth` reads: the measured split alone, times as written."""
        database = {video.id: _truth_of(video) for video in self.of_split(self.measured)}
        return {"version": self.dataset, "ground_truth": self.ground_truth, "taxonomy": [], "database": database}


def fault_of(instance: Instance, video: AnnotatedVideo) -> str:
    """Which of FAULTS an instance has, "" for none."""
    if instance.end_seconds == instance.start_seconds:
        return "zero_length"
    if instance.end_seconds < instance.start_seconds:
        return "inverted"
    return "past_the_end" if 0 < video.duration_seconds < instance.end_seconds else ""


def rate_of(value: Any) -> Fraction | None:
    """A frame rate as a fraction, 29.97 as 30000/1001; None where it is no rate."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number) or number <= 0:
        return None
    ntsc = Fraction(round(number * 1.001) * 1000, 1001)
    return ntsc if abs(float(ntsc) - number) < 1e-3 and ntsc else Fraction(number).limit_denominator(1001)


def seconds_or_zero(value: Any) -> float:
    """A duration in seconds, 0 where none is said."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0


def gathered(
    rows: Iterable[tuple[str, str, float, float]], ambiguous: str
) -> tuple[dict[str, list[Instance]], dict[str, list[Span]]]:
    """Rows (video, label, start, end) by video, in their order; those under the label `ambiguous` held apart."""
    instances: dict[str, list[Instance]] = {}
    vague: dict[str, list[Span]] = {}
    for video_id, label, start, end in rows:
        if label == ambiguous:
            vague.setdefault(video_id, []).append((start, end))
        else:
            instances.setdefault(video_id, []).append(Instance(label, start, end))
    return instances, vague


def checked(videos: Sequence[AnnotatedVideo], where: str) -> tuple[AnnotatedVideo, ...]:
    """The videos, where there are any; else InvalidData."""
    if not videos:
        raise InvalidData(f"{where} names no video. Give the file or folder of the annotations.")
    return tuple(videos)


def _truth_of(video: AnnotatedVideo) -> Mapping[str, Any]:
    known = {"duration": video.duration_seconds} if video.duration_seconds else {}
    return {
        "subset": video.split,
        **known,
        "annotations": [
            {"label": row.label, "segment": [row.start_seconds, row.end_seconds]} for row in video.instances
        ],
        "ambiguous": [{"segment": list(span)} for span in video.ambiguous],
    }
