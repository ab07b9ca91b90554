"""ActivityNet JSON -> truth and predictions, under a policy for rows that can't be judged."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.core.timing import BoolArray
from whenabouts.evaluation.rows import Needs, Policy, Problem, Reason, Rows, gathered, settled, span_faults
from whenabouts.evaluation.tables import Predictions, Truth, numbered
from whenabouts.evaluation.thumos_text import read_detections

EVERYTHING = Needs()
NO_SCORE = Needs(score=False)
LABELS_ONLY = Needs(span=False, score=False)
NO_LABEL = Needs(label=False)
NO_SPAN = Needs(span=False)
AMBIGUOUS = Needs(label=False, score=False)


def read_truth(
    path: Path,
    *,
    subset: str = "validation",
    policy: Policy = "official",
    needs: Needs = NO_SCORE,
    ambiguous_label: str | None = None,
) -> Truth:
    """Read `{"database": {video: {"subset", "duration", "annotations": [{"segment", "label"}], "ambiguous"}}}`.

    Pass `LABELS_ONLY` as `needs` for video classification. Annotations under `ambiguous_label` join the list
    "ambiguous" instead of being a class. Raises InvalidData for a broken file, a subset without annotation, and rows
    that the policy forbids.
    """
    document = _document(path, "database")
    entries, others, problems = _of_subset(document["database"], path, subset)
    rows = gathered("truth", {name: entry.get("annotations") for name, entry in entries.items()}, needs, policy)
    vague = gathered("truth", {name: entry.get("ambiguous", []) for name, entry in entries.items()}, AMBIGUOUS, policy)
    problems += [*rows.problems, *vague.problems]
    unclear = rows.labels == ambiguous_label
    rows, named = rows.kept(~unclear, problems), rows.kept(unclear, ())
    rows = settled(rows, span_faults(rows), policy)
    if not len(rows):
        raise InvalidData(f"{path}: subset {subset!r} has {len(entries)} videos, but no annotation to measure against.")
    labels, classes = numbered(rows.labels.tolist())
    return Truth(
        video_ids=rows.names,
        durations=np.asarray([_seconds(entry.get("duration")) for entry in entries.values()], np.float64),
        labels=labels,
        videos=rows.videos,
        classes=classes,
        spans=rows.spans,
        ambiguous_videos=np.concatenate([vague.videos, named.videos]),
        ambiguous_spans=np.concatenate([vague.spans, named.spans]),
        other_video_ids=others,
        left_out=rows.problems,
        name=str(document.get("ground_truth", "")),
    )


def read_predictions(
    path: Path, truth: Truth, *, policy: Policy = "official", needs: Needs = EVERYTHING
) -> Predictions:
    """Read `{"results": {video: [{"label", "score", "segment"}]}}`: ActivityNet's format, or our own moments.json.

    A file that ends in .txt holds THUMOS14's lines `video start end class score`, classes by their official numbers.
    `needs` says which fields rows must have. Raises InvalidData for a broken file and for rows that the policy forbids;
    "official" lets videos outside the subset pass, where they count as false positives. Where our own file names a
    concept that the truth has in another spelling ("child pose", "child_pose"), its aliases tell that they are one.
    """
    document = read_detections(path) if path.suffix.lower() == ".txt" else _document(path, "results")
    rows = _as_spelled(gathered("predictions", document["results"], needs, policy), document, truth)
    faults = _outside(rows, truth)
    if needs.label:
        known = set(truth.labels)
        faults["unknown label"] = np.asarray([label not in known for label in rows.labels.tolist()], bool)
    return Predictions.of_rows(settled(rows, {**faults, **span_faults(rows)}, policy), truth)


def _as_spelled(rows: Rows, document: dict[str, Any], truth: Truth) -> Rows:
    """Rows whose labels bear the truth's spelling, where the file's vocabulary has it as the alias of one concept."""
    vocabulary = document.get("vocabulary")
    aliases = vocabulary.get("aliases") if isinstance(vocabulary, dict) else None
    if not isinstance(aliases, dict):
        return rows
    spellings: dict[str, list[str]] = {}
    for label in truth.labels:
        spellings.setdefault(str(aliases.get(label, label)), []).append(label)
    wanted = {name: found[0] for name, found in spellings.items() if len(found) == 1}
    labels = np.asarray([wanted.get(label, label) for label in rows.labels.tolist()], np.object_)
    return replace(rows, labels=labels)


def _outside(rows: Rows, truth: Truth) -> dict[Reason, BoolArray]:
    """Rows (N,) on videos that the subset does not hold, apart by whether the file knows them at all."""
    inside = set(truth.video_ids)
    other = np.asarray([name in truth.other_video_ids for name in rows.names], bool)[rows.videos]
    unknown = np.asarray([name not in inside for name in rows.names], bool)[rows.videos] & ~other
    return {"other subset": other, "unknown video": unknown}


def _of_subset(
    database: dict[str, Any], path: Path, subset: str
) -> tuple[dict[str, dict[str, Any]], frozenset[str], list[Problem]]:
    """Entries of the subset's videos, the ids of all other videos, and entries without any subset."""
    entries = {name: entry for name, entry in database.items() if isinstance(entry, dict) and "subset" in entry}
    chosen = {name: entry for name, entry in entries.items() if entry["subset"] == subset}
    if not chosen:
        counts = Counter(str(entry["subset"]) for entry in entries.values())
        known = ", ".join(f"{name} ({count} videos)" for name, count in counts.items()) or "none"
        raise InvalidData(f"{path} has no video of subset {subset!r}. Its subsets: {known}. Choose one with --subset.")
    problems = [
        Problem("truth", name, -1, "malformed", f"no subset: {str(entry)[:80]}")
        for name, entry in database.items()
        if name not in entries
    ]
    return chosen, frozenset(set(entries) - set(chosen)), problems


def _document(path: Path, key: str) -> dict[str, Any]:
    """The JSON object in a file, which holds an object under `key`."""
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InvalidData(f"There is no file {path}.") from None
    except (ValueError, RecursionError, OSError) as error:
        raise InvalidData(f"{path} can't be read as JSON: {error}.") from None
    if not isinstance(values, dict) or not isinstance(values.get(key), dict):
        seen = sorted(values) if isinstance(values, dict) else type(values).__name__
        raise InvalidData(f"{path} needs an object {key!r} (ActivityNet's format), but holds {seen}.")
    return values


def _seconds(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
