"""A trained video or segment model: scores and encodings of videos and of spans within them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from whenabouts.config import CountOrZero, settings
from whenabouts.config import load as load_settings
from whenabouts.core.errors import InvalidData
from whenabouts.core.features import FeatureSequence
from whenabouts.core.timing import IntArray, TimeGrid
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Example
from whenabouts.localizers.concepts.frames import FrameReader, FrameSettings, evenly
from whenabouts.localizers.concepts.networks import FrameNet, NetSettings, build_net
from whenabouts.localizers.model_folder import Card, read_model, write_model
from whenabouts.localizers.protocol import Stream
from whenabouts.localizers.segments import Matrix
from whenabouts.training import choose_device

Output = Literal["scores", "encodings"]
_NUMBERS = 2**24  # numbers of frames in one pass, for bounded memory


@settings
class ModelSettings:
    """What a model has to know of itself: its net, its frames, how many of them it sees at most, and its context.

    A span is seen with `context` frames on either side, where the video has them.
    """

    net: NetSettings = NetSettings()
    frames: FrameSettings = FrameSettings()
    longest: CountOrZero = 300
    context: CountOrZero = 0


class ConceptModel:
    """A net with the reader of its frames; make one by training or with `load`.

    Probabilities of classes are float32 in [0, 1]; encodings are what the net's classifier sees. `learned_from` names
    the videos whose labels or ratings it has learned from, None where nobody knows, as after loading.
    """

    def __init__(
        self,
        net: FrameNet,
        how: ModelSettings,
        reader: FrameReader,
        *,
        vocabulary: Vocabulary,
        training: Mapping[str, Any],
        device: torch.device,
        learned_from: frozenset[str] | None = None,
    ) -> None:
        self.learned_from = learned_from
        self.net, self.how, self.reader = net.to(device).eval(), how, reader
        self.vocabulary, self.training, self.device = vocabulary, training, device

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The features that the model reads."""
        return self.reader.streams

    def video_scores(self, features: Mapping[str, FeatureSequence]) -> NDArray[np.float32]:
        """Class probabilities (C,) of one video; 0 where it has no step."""
        _, frames = self.reader.read(features)
        scores: NDArray[np.float32] = self.of_runs(frames, [[0, len(frames)]])[0]
        return scores

    def scores_of(self, examples: Iterable[Example], *, batch: int = 32) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Video id and class probabilities (C,) of each example, in order; `batch` videos are in memory at a time."""
        waiting: list[tuple[str, Matrix]] = []
        for example in examples:
            waiting.append((example.video_id, self._thinned(self.reader.read(example.features)[1])))
            if len(waiting) == batch:
                yield from self._scored(waiting)
                waiting = []
        yield from self._scored(waiting)

    def span_scores(self, features: Mapping[str, FeatureSequence], spans: ArrayLike) -> NDArray[np.float32]:
        """Class probabilities (S, C) of spans (S, 2) in seconds of one video."""
        grid, frames = self.reader.read(features)
        return self.of_runs(frames, runs_of_spans(grid, spans))

    def of_runs(self, frames: Matrix, runs: ArrayLike, output: Output = "scores") -> NDArray[np.float32]:
        """Class probabilities or encodings (S, .) of runs (S, 2) of frames (T, D); 0 for an empty run."""
        pieces = [frames[first:stop] for first, stop in widened(runs, self.how.context, len(frames)).tolist()]
        return self.of_pieces([self._thinned(piece) for piece in pieces], output)

    @torch.no_grad()
    def of_pieces(self, pieces: Sequence[Matrix], output: Output = "scores") -> NDArray[np.float32]:
        """Class probabilities or encodings (S, .) of pieces, each frames (T_s, D); 0 for an empty one."""
        if not len(pieces):
            return self.of_pieces([np.zeros((0, self.reader.width), np.float32)], output)[:0]
        size = max(1, _NUMBERS // (max([1, *map(len, pieces)]) * self.reader.width))
        parts = [self._pass(pieces[at : at + size], output) for at in range(0, len(pieces), size)]
        return np.concatenate(parts)

    def save(self, folder: Path, *, kind: str = "concept-model") -> None:
        """Write a model folder, whole or not at all."""
        write_model(folder, Card(kind, self.streams, self.training), self.vocabulary, self.tensors(), self.how)

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu") -> Self:
        """Read what `save` wrote; ProjectError where there is nothing, InvalidData where it is broken."""
        saved = read_model(folder)
        how = load_settings(ModelSettings, saved.settings, f"{folder / 'settings.toml'} [train]")
        return cls.from_tensors(
            saved.tensors,
            how,
            saved.card.streams,
            vocabulary=saved.vocabulary,
            training=saved.card.training,
            device=choose_device(device),
        )

    def tensors(self) -> dict[str, Tensor]:
        """All that the model has learned, by name."""
        spread = {"mean": self.reader.mean, "deviation": self.reader.deviation}
        return {f"net.{name}": tensor for name, tensor in self.net.state_dict().items()} | {
            f"frames.{name}": torch.tensor(values) for name, values in spread.items()
        }

    @classmethod
    def from_tensors(
        cls,
        tensors: Mapping[str, Tensor],
        how: ModelSettings,
        streams: Sequence[Stream],
        *,
        vocabulary: Vocabulary,
        training: Mapping[str, Any],
        device: torch.device,
    ) -> Self:
        """The model whose `tensors` these are; InvalidData where they don't fit."""
        net = build_net(how.net, streams, len(vocabulary))
        broken = [name for name, value in tensors.items() if not torch.isfinite(value).all()]
        if broken:
            raise InvalidData(f"A model's numbers are finite, but {broken[0]} holds others. Train again.")
        try:
            net.load_state_dict(
                {name.removeprefix("net."): value for name, value in tensors.items() if name.startswith("net.")}
            )
            mean, deviation = (tensors[f"frames.{name}"].numpy() for name in ("mean", "deviation"))
        except (RuntimeError, KeyError) as error:
            raise InvalidData(f"Model and settings do not belong together: {error}. Train again.") from None
        width = (sum(stream.width for stream in streams),)
        if mean.shape != width or deviation.shape != width or not (deviation > 0).all():
            raise InvalidData(f"Frames are scaled by {width[0]} means and deviations above 0. Train again.")
        reader = FrameReader(streams, how.frames, mean, deviation)
        return cls(net, how, reader, vocabulary=vocabulary, training=training, device=device)

    def _scored(self, waiting: Sequence[tuple[str, Matrix]]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        scores = self.of_pieces([frames for _, frames in waiting])
        yield from zip((video_id for video_id, _ in waiting), scores, strict=True)

    def _thinned(self, frames: Matrix) -> Matrix:
        return frames[evenly(len(frames), self.how.longest)] if self.how.longest else frames

    def _pass(self, pieces: Sequence[Matrix], output: Output) -> NDArray[np.float32]:
        values, mask = padded_frames(pieces)
        values, mask = values.to(self.device), mask.to(self.device)
        result = self.net.encode(values, mask) if output == "encodings" else self.net(values, mask).sigmoid()
        result = result * mask.any(dim=1)[:, None]
        numbers: NDArray[np.float32] = result.float().cpu().numpy()
        return numbers


def runs_of_spans(grid: TimeGrid, spans: ArrayLike) -> IntArray:
    """Runs (S, 2) of the steps that spans (S, 2) in seconds overlap; empty ones where the video has no step."""
    rows = np.asarray(spans, np.float64).reshape(-1, 2)
    return grid.runs(rows) if grid.steps else np.zeros((len(rows), 2), np.int64)


def widened(runs: ArrayLike, context: int, steps: int) -> IntArray:
    """Runs (S, 2) with `context` steps more on either side, within the video's `steps`; empty ones stay empty."""
    rows = np.asarray(runs, np.int64).reshape(-1, 2)
    wide = np.stack([np.maximum(rows[:, 0] - context, 0), np.minimum(rows[:, 1] + context, steps)], axis=1)
    return np.where((rows[:, 1] > rows[:, 0])[:, None], wide, 0)


def padded_frames(pieces: Sequence[Matrix]) -> tuple[Tensor, Tensor]:
    """Pieces (T_b, D) -> values (B, T, D) with zeros behind, and mask (B, T); T is at least 1."""
    longest = max([1, *map(len, pieces)])
    values = np.zeros((len(pieces), longest, pieces[0].shape[1]), np.float32)
    mask = np.zeros((len(pieces), longest), bool)
    for row, piece in enumerate(pieces):
        values[row, : len(piece)] = piece
        mask[row, : len(piece)] = True
    return torch.from_numpy(values), torch.from_numpy(mask)
