"""Which videos of an archive a training learns from, and with which labels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from whenabouts.core.errors import SettingsError
from whenabouts.core.labels import VideoLabels
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Manifest
from whenabouts.data.subsets import Piece, equal_seconds, equal_videos, one_label, random_subset, tail_preserving
from whenabouts.data.vocabulary import labels_of
from whenabouts.recognition.pretrain_settings import PretrainSettings


@dataclass(frozen=True, slots=True)
class LabelledVideo:
    """A video to learn from: its file, its labels over the vocabulary, and the part of it, in seconds, that counts."""

    video: Video
    labels: VideoLabels
    span: tuple[float, float] | None = None

    def rows(self, rate: float, count: int) -> range:
        """Which of so many rows (frames, or windows of sound) at a rate a second its part has: at least one."""
        if self.span is None:
            return range(count)
        first = min(math.floor(self.span[0] * rate), max(0, count - 1))
        return range(first, max(first + 1, min(count, math.ceil(self.span[1] * rate))))


def labelled_videos(manifest: Manifest, vocabulary: Vocabulary, split: str = "train") -> list[LabelledVideo]:
    """Videos of a split that are there and carry at least one concept of the vocabulary."""
    entries = [entry for entry in manifest.of_split(split) if entry.usable]
    labelled = [LabelledVideo(entry.video, labels_of(entry, vocabulary, "unknown")) for entry in entries]
    return [item for item in labelled if len(item.labels)]


def chosen(videos: Sequence[LabelledVideo], plan: PretrainSettings, seed: int) -> list[LabelledVideo]:
    """The videos that `plan` learns from: a subset where it asks for one, each with one label where that is for good.

    Both are pure functions of the seed and of a video's name: a smaller subset lies in a larger one. To keep small
    classes whole, a video of several labels counts for the one that it would be given for good. Where no label has
    both short and long videos, a set of one length raises InvalidData.
    """
    own = {item.video.id: one_label(seed, item.video.id, item.labels.classes.tolist()) for item in videos}
    if plan.length is not None:
        return _of_length(videos, own, plan, seed)
    kept: Sequence[str] = list(own)
    if plan.subset is not None:
        if plan.subset > len(own):
            raise SettingsError(f"pretrain.subset asks for {plan.subset} videos, but {len(own)} have a label.")
        if plan.subset_by == "tail":
            kept = tail_preserving(own, plan.subset, seed=seed)
        else:
            kept = random_subset(kept, plan.subset, seed=seed)
    wanted = set(kept)
    left = [item for item in videos if item.video.id in wanted]
    if plan.label == "each":
        return left
    return [replace(item, labels=VideoLabels.of([own[item.video.id]], item.labels.absent)) for item in left]


def _of_length(
    videos: Sequence[LabelledVideo], own: Mapping[str, int], plan: PretrainSettings, seed: int
) -> list[LabelledVideo]:
    """The videos of the set of one length, with the part that counts."""
    durations = {item.video.id: item.video.duration_seconds for item in videos}
    sets = equal_videos(durations, own, seed=seed, short=plan.short_seconds, long=plan.long_seconds,
                        centre_seconds=plan.centre_seconds)  # fmt: skip
    if plan.equal == "seconds":
        sets = equal_seconds(sets, seed=seed)
    pieces: dict[str, Piece] = {piece.video_id: piece for piece in getattr(sets, str(plan.length))}
    return [
        LabelledVideo(
            item.video, VideoLabels.of([piece.label], item.labels.absent), (piece.start_seconds, piece.end_seconds)
        )
        for item in videos
        if (piece := pieces.get(item.video.id)) is not None
    ]
