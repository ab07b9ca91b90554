"""The pictures of concepts and of single segments that `whenabouts show` draws."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from whenabouts.core.errors import InvalidData, ProjectError

if TYPE_CHECKING:
    from whenabouts.core.moments import Moments
    from whenabouts.data.project import Project
    from whenabouts.page.pointing import Looked


@dataclass(frozen=True)
class Asked:
    """What was asked for: concepts by name, one video and a second in it, how many of each, and the seed of maps."""

    concepts: tuple[str, ...]
    video: str | None
    at_seconds: float | None
    most: int
    seed: int


def draw_classes(looked: "Looked", home: "Project", asked: Asked, path: Path) -> str:
    """Fig. 2 of Ma et al.: a map of the words that describe concepts."""
    from whenabouts.localizers.concepts.class_map import class_map
    from whenabouts.page.class_pictures import draw_class_map

    found = class_map(looked.localizer.vocabulary, seed=asked.seed)
    draw_class_map(found, looked.localizer.vocabulary.names, path)
    return f"{len(found.clusters.names)} clusters of descriptions"


def draw_precision(looked: "Looked", home: "Project", asked: Asked, path: Path) -> str:
    """Fig. 3 of Ma et al.: average precision of concepts by clusters of descriptions."""
    from whenabouts.localizers.concepts.class_map import clusters_or_none
    from whenabouts.localizers.concepts.cross_class import CrossClass
    from whenabouts.page.class_pictures import draw_precision_by_cluster
    from whenabouts.page.relating import class_precision
    from whenabouts.page.rivals import best_single, held_out_pairs, judged_pairs

    localizer, others = looked.localizer, [each for each in looked.entries.values() if each.split != "train"]
    pairs = judged_pairs(localizer, others, looked.store, looked.progress)
    if (pairs is None or not len(pairs.judged)) and isinstance(localizer, CrossClass):
        pairs = held_out_pairs(localizer)
    if pairs is None:
        raise InvalidData(
            "No video of another split than train has checked segments, so nothing can be judged. Check some, or train "
            "--localizer cross-class-relevance on rated segments, which holds some out itself."
        )
    single, clusters = best_single(localizer, pairs), clusters_or_none(localizer.vocabulary, seed=asked.seed)
    models = [next(iter(pairs.scores)), *([] if single is None else [single])]
    found = class_precision(pairs, localizer.vocabulary, clusters, models, seed=asked.seed)
    draw_precision_by_cluster(found, path)
    return "; ".join(found.notes)


def draw_reliability(looked: "Looked", home: "Project", asked: Asked, path: Path) -> str:
    """What the localizer's probabilities are worth, and what `find --precision` keeps."""
    from whenabouts.localizers.calibration import load_calibration
    from whenabouts.page.promises import draw_promises, promises

    others = [each for each in looked.entries.values() if each.split != "train"]
    found = promises(looked.localizer, load_calibration(home), others, looked.store, looked.progress)
    draw_promises(found, path)
    return found.told


def draw_kept(looked: "Looked", home: "Project", asked: Asked, path: Path) -> str:
    """Which concepts the relevance model's trees keep together."""
    from whenabouts.page.class_pictures import draw_together
    from whenabouts.page.relating import kept

    found = kept(looked.localizer, seed=asked.seed)
    draw_together(found, path)
    return f"adjusted Rand index with {found.kind} {found.agreement.index:.2f} (p = {found.agreement.chance:.2g})"


def draw_best(looked: "Looked", home: "Project", asked: Asked, path: Path) -> str:
    """Fig. 4 of Ma et al.: the best segments of some concepts by two models."""
    from whenabouts.page.pointing import best_of_concepts
    from whenabouts.page.segment_pictures import draw_best_segments

    shown = best_of_concepts(looked, asked.concepts, asked.most)
    draw_best_segments(shown, path)
    return ", ".join(each.concept for each in shown)


def draw_reasons(looked: "Looked", home: "Project", asked: Asked, path: Path) -> str:
    """Why one moment was found."""
    from whenabouts.page.pointing import why_shown
    from whenabouts.page.segment_pictures import draw_why

    video, concept, span = _moment(looked, home, asked)
    why = why_shown(looked, video, concept, span)
    draw_why(why, path)
    return f"{concept} in {video}, {span[0]:.1f} to {span[1]:.1f} s: {why.told}"


CONCEPT_PICTURES: dict[str, Callable[["Looked", "Project", Asked, Path], str]] = {
    "classes": draw_classes,
    "precision": draw_precision,
    "reliability": draw_reliability,
    "together": draw_kept,
    "best": draw_best,
    "why": draw_reasons,
}
"""Pictures beside those of moments; each returns in one line what it shows."""


def _moment(looked: "Looked", home: "Project", asked: Asked) -> tuple[str, str, tuple[float, float]]:
    """The moment that was asked for: that at a second, else the best; of a concept and a video, where one is named.

    Where none was found at the second, half a second around it.
    """
    found = _of_concepts(_found(looked, home, asked.video), asked.concepts)
    if asked.at_seconds is not None:
        if asked.video is None:
            raise InvalidData("--at is a second of one video: name it by --video.")
        seconds = looked.entries[asked.video].video.duration_seconds
        if not 0 <= asked.at_seconds <= (seconds or float("inf")):
            raise InvalidData(f"--at {asked.at_seconds} lies outside the video, which ends at {seconds} s.")
        found = found[(found.spans[:, 0] <= asked.at_seconds) & (asked.at_seconds < found.spans[:, 1])]
        if not len(found) and asked.concepts:
            start = max(0.0, asked.at_seconds - 0.25)
            return asked.video, asked.concepts[0], (start, start + 0.5)
    best = next(iter(found.ranked(1)), None)
    if best is None:
        raise ProjectError("No such moment was found. Name a --concept, a --video and a second --at which to look.")
    return best.video_id, best.concept, (best.start_seconds, best.end_seconds)


def _of_concepts(found: "Moments", concepts: Sequence[str]) -> "Moments":
    if not concepts:
        return found
    return found[found.classes == found.vocabulary.index(concepts[0])]


def _found(looked: "Looked", home: "Project", video: str | None) -> "Moments":
    """Moments of one video as the localizer finds them now, else those that `find` wrote."""
    import numpy as np

    from whenabouts.core.files import read_json
    from whenabouts.core.moments import Moments
    from whenabouts.page.choosing import features_of

    if video is not None:
        if video not in looked.entries:
            raise ProjectError(f"There is no usable video {video!r} in this split.")
        features = features_of(looked.localizer, looked.entries[video], looked.store)
        if not features:
            raise ProjectError(f"{video} has no features. Run `whenabouts extract` first.")
        return looked.localizer.localize(features)
    path = home.moments_folder / "moments.json"
    if not path.is_file():
        raise ProjectError("No moments were found yet: run `whenabouts find`, or name a --video.")
    found = Moments.from_json(read_json(path))
    if found.vocabulary.names != looked.localizer.vocabulary.names:
        raise InvalidData("The moments are of another model than the localizer. Run `whenabouts find` again.")
    return found[np.isin(found.video_ids, list(looked.entries))]
