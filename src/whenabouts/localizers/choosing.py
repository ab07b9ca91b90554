"""Which localizer a project should have: each learns from most videos and is judged by checked segments of others."""

import hashlib
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from whenabouts.config import as_table
from whenabouts.core.errors import InvalidData
from whenabouts.core.files import read_json, remove_folder, write_json
from whenabouts.core.labels import SegmentLabels, VideoLabels
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Progress
from whenabouts.core.timing import BoolArray
from whenabouts.core.video import recording_of
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Example
from whenabouts.data.freshness import folder_checksum
from whenabouts.data.project import Project
from whenabouts.localizers import DEFAULT, LOCALIZERS
from whenabouts.localizers.calibration import Calibration
from whenabouts.localizers.checked import Checked, calibration_of, precision_of

RIVALS = (DEFAULT, "two-stage", "cross-class-relevance")
HELD_OUT = 0.25
LEAST_VIDEOS = 12  # with checked segments; of fewer, too few would be left to judge by


@dataclass(frozen=True)
class Trial:
    """What one localizer reached on held-out videos: mean average precision over concepts, and what its scores mean.

    Without ratings of both kinds of the moments that it found nobody knows what they mean. `seconds` is how long it
    took to train and judge it.
    """

    name: str
    map: float
    calibration: Calibration | None = field(default=None, compare=False)
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Choice:
    """The localizer to take, what each reached, and why it was chosen, for people.

    `videos` were held out to judge by, and `concepts` of theirs could be.
    """

    name: str
    trials: tuple[Trial, ...]
    why: str
    videos: int = 0
    concepts: int = 0

    @property
    def calibration(self) -> Calibration | None:
        """What the chosen localizer's scores mean."""
        return next((trial.calibration for trial in self.trials if trial.name == self.name), None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, without what scores mean."""
        trials = [{"name": each.name, "map": each.map, "seconds": round(each.seconds, 1)} for each in self.trials]
        return {"chosen": self.name, "why": self.why, "held_out_videos": self.videos, "concepts": self.concepts,
                "trials": trials}  # fmt: skip


def choose_localizer(
    examples: Sequence[Example],
    segments: Sequence[SegmentLabels],
    progress: Progress,
    *,
    vocabulary: Vocabulary,
    seed: int = 0,
    device: str = "cpu",
    checkpoints: Path | None = None,
    rivals: Mapping[str, object] | None = None,
    labels: Sequence[VideoLabels] = (),
    video_ids: Sequence[str] = (),
) -> Choice:
    """Try each rival on a hold-out by video, and choose the best; of equals the first.

    `segments` are the examples' own, so that features are read for training alone. So are `labels`: where checked
    segments judge no concept by themselves, as chapters of one concept a video do not, segments of videos that are
    known to lack it do; and `video_ids`: clips of a recording that is held out are not learned from. `rivals` are names
    and settings, else RIVALS with their own. With a folder `checkpoints` a rival that has been judged is not tried
    again. Where too little is checked, the first of the rivals, else the default, is chosen and the reason told.
    """
    held_out = held_out_videos(segments, seed, video_ids)
    rows = np.flatnonzero(held_out).tolist()
    checked = Checked.of([segments[row] for row in rows], len(vocabulary))
    if rows and not len(checked.judged) and labels:
        ids = {segments[row].video_ids[0]: labels[row] for row in rows if len(segments[row])}
        checked = checked.with_labels(ids)
    if not len(checked.judged):
        return Choice(next(iter(rivals or (DEFAULT,))), (), _too_little(segments, len(rows), video_ids))
    kept, others = (_Part(examples, np.flatnonzero(part).tolist()) for part in (~held_out, held_out))
    test = _Test(kept, others, checked, vocabulary, seed, device)
    settings = {name: LOCALIZERS[name].Settings() for name in RIVALS} if rivals is None else rivals
    progress.say(
        f"Trying {', '.join(settings)} on {len(kept)} videos, to judge them by checked segments of {len(others)} "
        "others. Name one by --localizer to leave that out."
    )
    trials = []
    for name, how in settings.items():
        folder = None if checkpoints is None else checkpoints / name
        identity = _identity(examples, (segments, labels), held_out, as_table(how), seed, vocabulary)
        trial, again = _known(folder, identity, name), ", as judged before"
        if trial is None:
            trial, again = test.of(name, how, folder, progress), ""
            if trial is None:
                continue
            _keep(folder, identity, trial)
        progress.say(f"{name}: MAP {trial.map:.3f} on held-out videos, {trial.seconds:.0f} s{again}")
        trials.append(trial)
    if not trials:
        return Choice(next(iter(settings)), (), "none of them could learn from these videos", len(others))
    best = max(trials, key=lambda trial: trial.map)
    told = ", ".join(f"{trial.name} {trial.map:.3f}" for trial in trials)
    why = f"MAP over {len(checked.judged)} concepts of {len(others)} held-out videos: {told}"
    return Choice(best.name, tuple(trials), why, len(others), len(checked.judged))


def save_choice(project: Project, choice: Choice | None) -> None:
    """Write reports/choice.json, how the localizer that stands there was chosen; None: it was not, so remove it."""
    path = project.reports_folder / "choice.json"
    if choice is None:
        path.unlink(missing_ok=True)
    else:
        write_json(path, {"model": folder_checksum(project.localizer_folder), **choice.to_json()})


def _too_little(segments: Sequence[SegmentLabels], held_out: int, video_ids: Sequence[str]) -> str:
    if not held_out:
        shows = [bool(part.present.any()) for part in segments]
        showing = len(np.unique(_recordings(segments, video_ids)[shows]))
        clips = "" if showing == sum(shows) else f" ({sum(shows)} clips)"
        return f"too little is checked to judge by: segments of {showing} videos{clips}, and {LEAST_VIDEOS} are needed"
    return (
        f"too little is checked to judge by: no concept has a segment that shows it and another that does not in "
        f"{held_out} held-out videos"
    )


def held_out_videos(segments: Sequence[SegmentLabels], seed: int, video_ids: Sequence[str] = ()) -> BoolArray:
    """(V,) True for a quarter of the videos with a segment that shows something; for none where these are too few.

    Clips of one recording count as one video, and are held out together, with those that show nothing: where ids are
    not given, those that are rated.
    """
    recordings = _recordings(segments, video_ids)
    shows = np.flatnonzero([bool(part.present.any()) for part in segments])
    _, first = np.unique(recordings[shows], return_index=True)
    showing = shows[np.sort(first)]
    held_out = np.zeros(len(segments), bool)
    if len(showing) >= LEAST_VIDEOS:
        chosen = np.random.default_rng([seed, 4]).permutation(showing)[: round(HELD_OUT * len(showing))]
        held_out = np.isin(recordings, recordings[chosen])
    return held_out


def _recordings(segments: Sequence[SegmentLabels], video_ids: Sequence[str]) -> NDArray[np.str_]:
    """What each video (V,) is a clip of; where ids are not given and nothing is rated, it is its own."""
    named = video_ids or [part.video_ids[0] if len(part) else f"\0{row}" for row, part in enumerate(segments)]
    return np.asarray([recording_of(name) for name in named], np.str_)


def _found(localizer: object, example: Example) -> Moments:
    try:
        return localizer.localize(example.features)  # type: ignore[attr-defined, no-any-return]
    except InvalidData:
        return Moments.empty(localizer.vocabulary)  # type: ignore[attr-defined]


class _Part(Sequence[Example]):
    """Some of the examples, read when they are asked for."""

    def __init__(self, examples: Sequence[Example], rows: Sequence[int]) -> None:
        self._examples, self._rows = examples, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> "_Part": ...
    def __getitem__(self, index: int | slice) -> "Example | _Part":
        if isinstance(index, slice):
            return _Part(self._examples, self._rows[index])
        return self._examples[self._rows[index]]


@dataclass(frozen=True)
class _Test:
    """Videos to learn from, others whose `checked` segments judge, and what every localizer is trained with."""

    kept: _Part
    others: _Part
    checked: Checked
    vocabulary: Vocabulary
    seed: int
    device: str

    def of(self, name: str, how: object, checkpoints: Path | None, progress: Progress) -> Trial | None:
        """Train and judge a localizer; None, and the reason told, for one that can't learn from these videos."""
        progress.say(f"Trying {name}")
        begun = time.monotonic()
        try:
            localizer = LOCALIZERS[name].fit(
                self.kept, how, progress, vocabulary=self.vocabulary, seed=self.seed, device=self.device,
                checkpoints=checkpoints,
            )  # fmt: skip
        except InvalidData as error:  # What one of them can't learn from is no reason to have none.
            progress.say(f"{name} is out: {error}")
            return None
        found = Moments.concatenate([_found(localizer, other) for other in self.others], self.vocabulary)
        meant = calibration_of(found, self.checked, len(self.vocabulary))
        return Trial(name, precision_of(found, self.checked), meant, time.monotonic() - begun)


def _identity(
    examples: Sequence[Example],
    known: tuple[Sequence[SegmentLabels], Sequence[VideoLabels]],
    held_out: BoolArray,
    how: Mapping[str, object],
    seed: int,
    vocabulary: Vocabulary,
) -> str:
    """A checksum of what a trial depends on; of features their makers alone, for reading all would take long."""
    streams = [[each.modality, each.width, each.source] for each in examples[0].features.values()]
    segments, labels = known
    policies = [each.absent for each in labels]
    digest = hashlib.sha256(json.dumps([how, seed, vocabulary.to_json(), len(examples), streams, policies]).encode())
    digest.update(held_out.tobytes())
    columns = [(part.spans, part.classes, part.present) for part in segments]
    for column in itertools.chain(*columns, *((each.classes, each.weights, each.negatives) for each in labels)):
        digest.update(f"{len(column)} ".encode() + column.tobytes())
    return digest.hexdigest()


def _known(folder: Path | None, identity: str, name: str) -> Trial | None:
    try:
        told = {} if folder is None else read_json(folder / "judged.json")
        if told.get("identity") != identity:
            return None
        curves = told.get("calibration")
        known = None if curves is None else Calibration.from_json(curves)
        return Trial(name, float(told["map"]), known, float(told.get("seconds", 0.0)))
    except (OSError, InvalidData, KeyError, TypeError, ValueError):
        return None


def _keep(folder: Path | None, identity: str, trial: Trial) -> None:
    if folder is not None:
        remove_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        curves = None if trial.calibration is None else trial.calibration.to_json()
        told = {"identity": identity, "map": trial.map, "calibration": curves, "seconds": trial.seconds}
        write_json(folder / "judged.json", told)
