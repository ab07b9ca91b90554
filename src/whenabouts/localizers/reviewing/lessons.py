"""What `train --with-reviews` learns from, what it leaves out, and what it reports in the end."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.files import write_json
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Progress
from whenabouts.core.video import recording_of
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.decisions import History, Review, told_passed_over
from whenabouts.data.decisions import standing as counting
from whenabouts.data.manifest import Entry
from whenabouts.data.project import Project
from whenabouts.data.reviewed import SOURCE, grown, known_in, with_reviews
from whenabouts.data.reviews import ReviewStore
from whenabouts.evaluation.changes import changes_between
from whenabouts.localizers import DEFAULT, LOCALIZERS, load_localizer
from whenabouts.localizers.choosing import RIVALS
from whenabouts.localizers.model_folder import read_card
from whenabouts.localizers.protocol import Localizer
from whenabouts.localizers.reviewing.held_out import Yardstick

HALFWAY = 20.0
"""Without it, the first hundred decisions make a two-stage model worse (60 on planted timelines: mAP 39.6 to 33.7)."""


@dataclass(frozen=True)
class ReviewedLessons:
    """Training entries with decisions as rated segments, without those held out, over a vocabulary that knows all.

    `before` is what the model that stood there found in the held-out videos, None where it can't be said. Rows of the
    file of reviews that are no decisions are `passed_over`, by their number, with the reason.
    """

    entries: tuple[Entry, ...]
    vocabulary: Vocabulary
    reviews: tuple[Review, ...]
    yardstick: Yardstick
    before: Moments | None
    passed_over: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, home: Project, progress: Progress, *, truth: Path | None = None, device: str = "cpu"
    ) -> "ReviewedLessons":
        """What there is to learn; ProjectError where nothing was decided."""
        store = ReviewStore(home.reviews_path) if home.reviews_path.is_file() else None
        read = History([], {}) if store is None else store.read()
        standing = counting(read.reviews)
        if read.passed_over:
            progress.say(told_passed_over(read.passed_over))
        if store is None or not standing:
            raise ProjectError("Nothing was decided yet. Run `whenabouts serve` and confirm or reject some moments.")
        held, manifest = set(store.held_out()), home.manifest()
        store.close()
        vocabulary = grown(home.vocabulary(), standing)
        usable = [entry for entry in manifest if entry.usable]
        drawn = {recording_of(entry.id) for entry in usable if entry.id in held and entry.split == "train"}
        training = [entry for entry in usable if entry.split == "train" and entry.id not in held
                    and recording_of(entry.id) not in drawn]  # fmt: skip
        known = truth or (home.truth_path if home.truth_path.is_file() else None)
        yardstick = Yardstick.of([e for e in usable if e.id in held], vocabulary, standing, known)
        before = _before(home, yardstick, progress, device)
        entries = tuple(with_reviews(training, standing))
        lessons = cls(entries, vocabulary, tuple(standing), yardstick, before, read.passed_over)
        lessons._tell_unknown(progress)
        return lessons

    @property
    def rated(self) -> int:
        """How many rated segments of concepts that are learned decisions have given to training videos."""
        return sum(part.source == SOURCE and known_in(self.vocabulary, part.name)
                   for entry in self.entries for part in entry.segments)  # fmt: skip

    def _tell_unknown(self, progress: Progress) -> None:
        """Say which decisions teach nothing, for the vocabulary does not hold their concept."""
        names = [review.decided.concept for review in self.reviews]
        unknown = Counter(name for name in names if not known_in(self.vocabulary, name))
        if unknown:
            shown = ", ".join(f"{name!r} ({count})" for name, count in unknown.most_common(5))
            progress.say(
                f"{unknown.total()} decisions are about concepts that the vocabulary does not hold, and teach nothing: "
                f"{shown}. A concept was renamed or left out, or has too few examples: three in two videos."
            )

    def report(
        self, home: Project, trained: Localizer, progress: Progress, *, even_if_worse: bool = False
    ) -> dict[str, Any]:
        """Measure the new model on the held-out videos, with what it finds otherwise there: reports/learning.json.

        `worse` says whether its mAP there is below that of the model that stood there (False where either is unknown),
        `flattered` whether that one may have learned labels of these videos, as they are of the training split,
        `kept` which of both is to stand there: "earlier" for a worse one without `even_if_worse`, else "new".
        """
        yardstick, after = self.yardstick, self.yardstick.found(trained, home.features(), progress)
        old, new = yardstick.measure(self.before), yardstick.measure(after)
        values = {
            "held_out": {"videos": len(yardstick.entries), "measured_on": yardstick.measured_on,
                         "before": old, "after": new, "changes": changes_between(self.before, after),
                         "flattered": any(entry.split == "train" for entry in yardstick.entries)},
            "worse": fell(old, new), "kept": "earlier" if fell(old, new) and not even_if_worse else "new",
            "rated_segments": self.rated,
            "decisions": len(self.reviews),
            "rows_passed_over": {str(number): why for number, why in self.passed_over.items()},
        }  # fmt: skip
        write_json(home.reports_folder / "learning.json", values)
        return values


def rivals_for_reviews(home: Project) -> dict[str, object]:
    """Which localizers to try, and how they are set: first the kind that stands there, which is kept where too little
    was decided to choose by.
    """
    try:
        standing = read_card(home.localizer_folder).localizer
    except (ProjectError, InvalidData):
        standing = DEFAULT
    names = dict.fromkeys([standing if standing in LOCALIZERS else DEFAULT, *RIVALS])
    return {name: LOCALIZERS[name].Settings(**told_for_reviews(name, {})) for name in names}


def told_for_reviews(localizer: str, told: dict[str, Any]) -> dict[str, Any]:
    """Settings of [train], with what serves few ratings well where nothing else is said."""
    return {"halfway": HALFWAY, **told} if localizer == "two-stage" else dict(told)


def fell(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    """Whether measures (`Yardstick.measure`) say that mAP fell."""
    return before is not None and after is not None and after["map"] < before["map"]


def told_change(values: dict[str, Any]) -> str:
    """Before and after, how many moments that has changed, and which model stands there if that is a worse one."""
    held, moments = values["held_out"], values["held_out"]["changes"]["moments"]
    changed = (
        f" There {moments['kept']} moments are kept, {moments['moved']} moved, {moments['new']} new and "
        f"{moments['gone']} gone (reports/learning.json); `whenabouts find` tells of all videos."
    )
    if held["after"] is None:
        told = f"Nothing is known of the {held['videos']} held-out videos, so what this has brought was not measured."
        return told + (changed if moments["after"] else "")
    before = "no model" if held["before"] is None else f"{held['before']['map']:.1%}"
    if values["kept"] == "earlier":
        changed = (
            " The new model is worse, so the earlier one was kept; your decisions are kept too. More of them may help, "
            "or another --localizer; --even-if-worse takes the new one all the same."
        )
        if held["flattered"]:
            changed += " The earlier one may have learned labels of these very videos, and look better than it is."
    elif values["worse"]:
        changed = f" The new model is worse, and was taken all the same, as asked for.{changed}"
    return (
        f"On {held['videos']} held-out videos, by their {held['measured_on']}: mAP at tIoU {held['after']['tiou']} was "
        f"{before}, is {held['after']['map']:.1%}.{changed}"
    )


def _before(home: Project, yardstick: Yardstick, progress: Progress, device: str) -> Moments | None:
    try:
        model = load_localizer(home.localizer_folder, device=device)
    except (ProjectError, InvalidData):
        return None
    return yardstick.found(model, home.features(), progress)
