"""Which concepts can't be learned from these labels, and why."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.doctor.findings import CheckReport, ConceptVerdict, Severity, Verdict, some
from whenabouts.data.manifest import Entry
from whenabouts.data.vocabulary import VocabularySettings, labels_of
from whenabouts.data.vocabulary_report import always_together, near_duplicates

FEW = 5
MOSTLY = 0.8


@dataclass
class Support:
    """Usable training videos by concept and by uploader, and held-out videos by concept."""

    train: dict[str, set[str]]
    held_out: dict[str, set[str]]
    uploaders: dict[str, Counter[str]]
    all_uploaders: Counter[str] = field(default_factory=Counter)
    train_count: int = 0
    unlabelled: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, entries: Sequence[Entry], vocabulary: Vocabulary) -> "Support":
        """Count the usable ones of `entries`."""
        names = vocabulary.names
        support = cls({name: set() for name in names}, {name: set() for name in names}, {n: Counter() for n in names})
        for entry in entries:
            if not entry.usable:
                continue
            found = [names[index] for index in labels_of(entry, vocabulary, "unknown").classes.tolist()]
            place = support.train if entry.split == "train" else support.held_out
            for name in found:
                place[name].add(entry.id)
            if entry.split == "train":
                support.train_count += 1
                support.unlabelled += [] if found else [entry.id]
                for name in found:
                    support.uploaders[name][entry.uploader] += 1
                support.all_uploaders[entry.uploader] += 1
        return support


def check_labels(
    entries: Sequence[Entry],
    vocabulary: Vocabulary,
    settings: VocabularySettings,
    report: CheckReport,
    *,
    truth: bool = False,
) -> None:
    """Add a verdict for each concept and findings about labels as a whole.

    With a `truth` file, held-out videos bear no labels here, and are measured all the same.
    """
    support = Support.of(entries, vocabulary)
    bare = len(support.unlabelled)
    report.figures |= {"training_videos": support.train_count, "unlabelled": bare, "concepts": len(vocabulary)}
    companions = _companions(support.train)
    held_out = not truth and any(entry.split != "train" and entry.usable for entry in entries)
    for name in vocabulary.names:
        fails, doubts = _reasons(name, support, companions.get(name, []), settings)
        verdict: Verdict = "fails" if fails else "doubtful" if doubts else "works"
        counts = len(support.train[name]), len(support.held_out[name])
        report.concepts.append(ConceptVerdict(name, *counts, verdict, (*fails, *doubts)))
    _whole(support, vocabulary, settings, report)
    if bare:
        known = settings.absent == "negative" and len(vocabulary) == 1
        then = "They count as showing nothing of the concept." if known else "Training leaves them out."
        severity: Severity = "warning" if bare > support.train_count / 2 else "note"
        seen = f"{bare} of {support.train_count} ({some(support.unlabelled)})"
        text = f"training videos without a label of the vocabulary: {seen}. {then}"
        report.add(severity, "labels", text, support.unlabelled)
    unmeasured = [name for name in vocabulary.names if not support.held_out[name]]
    if held_out and unmeasured:
        text = f"concepts without a held-out video, which can't be measured: {len(unmeasured)} ({some(unmeasured)})."
        report.add("note", "splits", text, unmeasured)


def _whole(support: Support, vocabulary: Vocabulary, settings: VocabularySettings, report: CheckReport) -> None:
    verdicts = Counter(verdict.verdict for verdict in report.concepts)
    report.figures |= {f"concepts_{kind}": verdicts[kind] for kind in ("works", "doubtful", "fails")}
    if not len(vocabulary):
        do = "Add labels, or import again with a lower --min-count (reports/import.json lists what was dropped)."
        report.add("stop", "labels", f"the vocabulary is empty. {do}")
    elif verdicts["fails"] == len(vocabulary):
        text = f"no concept can be learned, of {len(vocabulary)}. Add videos or labels; reasons stand below."
        report.add("stop", "labels", text, vocabulary.names)
    elif verdicts["fails"]:
        names = [verdict.name for verdict in report.concepts if verdict.verdict == "fails"]
        text = (
            f"concepts that can't be learned: {len(names)} of {len(vocabulary)} ({some(names)}). Reasons stand below."
        )
        report.add("warning", "labels", text, names)
    if settings.absent == "unknown" and len(vocabulary) == 1:
        text = "absent labels are unknown, so no video is known to lack the one concept, and nothing tells it apart."
        report.add("note", "labels", f"{text} If your labels are complete, import with --absent negative.")
    kept = set(vocabulary.names)
    alike = [f"{pair.first} / {pair.second}" for pair in near_duplicates(support.train, kept) if pair.how == "spelling"]
    if alike:
        text = f"pairs of concepts spelled nearly alike: {len(alike)} ({some(alike)})."
        report.add("note", "labels", f"{text} Join them with --set vocabulary.aliases={{...}} on import.", alike)


def _companions(train: Mapping[str, Set[str]]) -> dict[str, list[tuple[str, bool]]]:
    """For each concept those without which it never stands; True where neither stands without the other.

    Of concepts in the very same videos, the first knows all others, and each other the first.
    """
    found: dict[str, list[tuple[str, bool]]] = {}
    pairs = always_together(train)
    for pair in (pair for pair in pairs if not pair.same):
        found.setdefault(pair.name, []).append((pair.other, False))
    for pair in (pair for pair in pairs if pair.same):
        within = [other for other in found.get(pair.name, []) if not other[1]]
        found[pair.other] = [(pair.name, True), *within]
        found.setdefault(pair.name, []).append((pair.other, True))
    return found


def _reasons(
    name: str, support: Support, companions: list[tuple[str, bool]], settings: VocabularySettings
) -> tuple[list[str], list[str]]:
    """Why a concept fails, and why it is doubtful, each with its figure."""
    count, fails, doubts = len(support.train[name]), [], []
    if count < 2:
        fails.append(f"{count or 'no'} training video: needs several to learn what they share")
    elif count < FEW:
        doubts.append(f"only {count} training videos")
    if count == support.train_count and count > 1 and settings.absent == "negative":
        fails.append(f"in all {count} training videos: nothing to tell it from")
    same = [other for other, alike in companions if alike]
    within = [other for other, alike in companions if not alike]
    if same and count > 1:
        fails.append(f"in the very same {count} videos as {some(same)}: nothing tells them apart")
    if within and count > 1:
        doubts.append(f"all {count} videos also carry {some(within)}")
    named = support.uploaders[name].copy()
    named.pop("", None)
    uploader, most = min(named.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
    usual = support.all_uploaders[uploader] / max(1, support.train_count)
    if most >= 3 and most >= MOSTLY * count and usual < MOSTLY:
        doubts.append(f"{most} of {count} videos are by {uploader}: the uploader may be learned instead")
    return fails, doubts
