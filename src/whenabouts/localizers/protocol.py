"""What every localizer can do: learn from weakly labelled examples, score, localize, be saved and loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, Self

from whenabouts.core.errors import FeatureMismatch
from whenabouts.core.features import FeatureSequence
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Progress
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Example


@dataclass(frozen=True)
class Stream:
    """One modality that a model reads: its width D and the maker of its features."""

    modality: str
    width: int
    source: str

    def check(self, sequence: FeatureSequence) -> None:
        """Raise FeatureMismatch where features are not what the model has learned from."""
        if (sequence.width, sequence.source) != (self.width, self.source):
            raise FeatureMismatch(
                f"{sequence.video_id}: the {self.modality} features are {sequence.width} wide, from "
                f"{sequence.source or 'an unnamed source'}, but the model was trained on {self.width}, from "
                f"{self.source or 'an unnamed source'}. Extract all videos with one backbone (`whenabouts extract`), "
                "then train again (`whenabouts train`)."
            )


class Localizer(Protocol):
    """Finds when things happen.

    `Settings` is the class of its settings, `streams` the features that it reads; `training` tells of its training in
    plain JSON values, among them `videos`, how many were used, and `left_out`, the others counted by reason.
    """

    Settings: ClassVar[type[Any]]
    vocabulary: Vocabulary
    streams: tuple[Stream, ...]
    training: Mapping[str, Any]

    @classmethod
    def fit(
        cls,
        examples: Sequence[Example],
        settings: Any,
        progress: Progress,
        *,
        vocabulary: Vocabulary,
        seed: int = 0,
        device: str = "cpu",
        checkpoints: Path | None = None,
    ) -> Self:
        """Learn from examples; with a folder `checkpoints` a killed training goes on, to the same result."""
        ...

    def score(self, features: Mapping[str, FeatureSequence]) -> ScoreSequence:
        """Scores over time of one video, from its features by modality; FeatureMismatch where they do not fit."""
        ...

    def localize(self, features: Mapping[str, FeatureSequence]) -> Moments:
        """Moments of one video, from its features by modality; FeatureMismatch where they do not fit."""
        ...

    def save(self, folder: Path) -> None:
        """Write a model folder, whole or not at all."""
        ...

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", changes: Mapping[str, Any] = MappingProxyType({})) -> Self:
        """Read what `save` wrote, with `changes` laid over the table of its settings."""
        ...


def matched(streams: Sequence[Stream], features: Mapping[str, FeatureSequence]) -> list[FeatureSequence | None]:
    """Features of one video in the order of a model's streams, None where a stream is missing or has no step.

    Raises FeatureMismatch where no stream is there, or one is not what the model was trained on.
    """
    found = [features.get(stream.modality) for stream in streams]
    if all(sequence is None for sequence in found):
        raise FeatureMismatch(
            f"The model reads {', '.join(stream.modality for stream in streams)} features, but got "
            f"{', '.join(sorted(features)) or 'none'}. Run `whenabouts extract` for these, or train again."
        )
    for stream, sequence in zip(streams, found, strict=True):
        if sequence is not None:
            stream.check(sequence)
    return [sequence if sequence is not None and len(sequence) else None for sequence in found]
