"""Charades: which activities a video holds (classify), and which are under way at 25 moments of it (localize).

The official figures are those of Charades_v1_classify.m and Charades_v1_localize.m.
"""

import numpy as np

from whenabouts.core.errors import SettingsError
from whenabouts.evaluation.charades_files import CharadesTruth, Submission
from whenabouts.evaluation.label_ranking import LabelConvention, LabelScores, label_aps

FRAMES = 25
_OFFICIAL = (
    "Charades' own MATLAB code: ties keep the order of the truth; a class that never occurs leaves mAP undefined"
)
_PORTS = (
    "tied scores count as one step, classes that never occur are left out, videos without actions keep their scores"
)
_RULES = {"official": _OFFICIAL, "pyslowfast": f"as PySlowFast: {_PORTS}", "mmaction2": f"as mmaction2: {_PORTS}"}


def evaluate_charades_classify(
    truth: CharadesTruth, submission: Submission, *, convention: LabelConvention = "official"
) -> LabelScores:
    """Average precision of each class over videos.

    Officially a video without any action ranks last in every class, whatever its scores (the script never stores its
    id); the ports keep its scores. Videos that the submission lacks rank last.
    """
    classes = len(truth.classes)
    present = np.zeros((len(truth.videos), classes), bool)
    scores = np.full((len(truth.videos), classes), -np.inf)
    missing = []
    for row, video in enumerate(truth.videos):
        present[row, [index for index, _, _ in video.actions]] = True
        given = submission.scores.get((video.video_id, 0))
        if given is None:
            missing.append(video.video_id)
        elif video.actions or convention != "official":
            scores[row] = given
    known = {video.video_id for video in truth.videos}
    problems = [*truth.problems, *submission.problems, *_lacking(missing, "videos")]
    problems += _lacking([name for name, _ in submission.scores if name not in known], "videos", "not in the truth")
    aps = label_aps(scores, present, ties="in order" if convention == "official" else "together")
    bare = sum(not video.actions for video in truth.videos)
    settings = {"videos": len(truth.videos), "without_actions": bare, **_names(truth)}
    return LabelScores(
        _ids(truth), aps, present.sum(axis=0).astype(np.float64), convention,
        "Charades, video classification", _RULES[convention], convention == "official", tuple(problems), settings,
    )  # fmt: skip


def evaluate_charades_localize(
    truth: CharadesTruth, submission: Submission, *, convention: LabelConvention = "official"
) -> LabelScores:
    """Average precision of each class over 25 frames a video, frame j at (j - 1) / 25 of its length.

    A frame shows an action from its start to its end, both included. Frames that the submission lacks rank last. A
    video without a length is left out and reported.
    """
    if convention != "official":
        raise SettingsError(f"Nobody ported Charades' localization as {convention!r}. Use --convention official.")
    classes = len(truth.classes)
    videos = [video for video in truth.videos if not np.isnan(video.length_seconds)]
    bare = [video.video_id for video in truth.videos if np.isnan(video.length_seconds)]
    present = np.zeros((len(videos), FRAMES, classes), bool)
    scores = np.full((len(videos), FRAMES, classes), -np.inf)
    missing = []
    for row, video in enumerate(videos):
        seconds = np.arange(FRAMES) / FRAMES * video.length_seconds
        for index, start, end in video.actions:
            present[row, :, index] |= (start <= seconds) & (seconds <= end)
        for frame in range(FRAMES):
            given = submission.scores.get((video.video_id, frame + 1))
            if given is None:
                missing.append(f"{video.video_id} frame {frame + 1}")
            else:
                scores[row, frame] = given
    known = {(video.video_id, frame + 1) for video in videos for frame in range(FRAMES)}
    strangers = [f"{name} frame {frame}" for name, frame in submission.scores if (name, frame) not in known]
    problems = [*truth.problems, *submission.problems, *_lacking(bare, "videos", "without a length: left out")]
    problems += [*_lacking(missing, "frames"), *_lacking(strangers, "frames", "not in the truth")]
    flat = present.reshape(-1, classes)
    aps = label_aps(scores.reshape(-1, classes), flat, ties="in order")
    settings = {"videos": len(videos), "frames": len(flat), **_names(truth)}
    return LabelScores(
        _ids(truth), aps, flat.sum(axis=0).astype(np.float64), convention,
        "Charades, temporal localization", _OFFICIAL, True, tuple(problems), settings,
    )  # fmt: skip


def _ids(truth: CharadesTruth) -> tuple[str, ...]:
    return tuple(name.split()[0] for name in truth.classes)


def _names(truth: CharadesTruth) -> dict[str, dict[str, str]]:
    """Names of ids, where the list of classes gave them."""
    words = (name.split(maxsplit=1) for name in truth.classes)
    names = {parts[0]: parts[1] for parts in words if len(parts) == 2}
    return {"names": names} if names else {}


def _lacking(names: list[str], what: str, why: str = "not in the submission: they rank last") -> list[str]:
    """One line for many."""
    if not names:
        return []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [f"{len(names)} {what} {why} ({', '.join(names[:3])}{more})"]
