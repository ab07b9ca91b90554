"""Which videos of an archive a training learns from, and with which labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from whenabouts.core.errors import SettingsError
from whenabouts.core.labels import VideoLabels
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Manifest
from whenabouts.data.subsets import one_label, random_subset, tail_preserving
from whenabouts.data.vocabulary import labels_of
from whenabouts.recognition.pretrain_settings import PretrainSettings


@dataclass(frozen=True, slots=True)
class LabelledVideo:
    """A video to learn from: its file, and its labels over the vocabulary."""

    video: Video
    labels: VideoLabels


def labelled_videos(manifest: Manifest, vocabulary: Vocabulary, split: str = "train") -> list[LabelledVideo]:
    """Videos of a split that are there and carry at least one concept of the vocabulary."""
    entries = [entry for entry in manifest.of_split(split) if entry.usable]
    labelled = [LabelledVideo(entry.video, labels_of(entry, vocabulary, "unknown")) for entry in entries]
    return [item for item in labelled if len(item.labels)]


def chosen(videos: Sequence[LabelledVideo], plan: PretrainSettings, seed: int) -> list[LabelledVideo]:
    """The videos that `plan` learns from: a subset where it asks for one, each with one label where that is for good.

    Both are pure functions of the seed and of a video's name: a smaller subset lies in a larger one. To keep small
    classes whole, a video of several labels counts for the one that it would be given for good.
    """
    own = {item.video.id: one_label(seed, item.video.id, item.labels.classes.tolist()) for item in videos}
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
