"""What a net for activities says of the videos of a split, written down and measured."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from whenabouts.core.boxes import keyframes_of
from whenabouts.core.errors import InvalidData
from whenabouts.core.files import read_json
from whenabouts.core.timing import FloatArray
from whenabouts.data.activity_files import ActivityRow, activities_path, write_activities
from whenabouts.data.box_files import BoxRow, boxes_path, read_boxes, write_boxes
from whenabouts.data.manifest import Entry
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import class_of, labels_of
from whenabouts.evaluation.ava import evaluate_ava
from whenabouts.evaluation.ava_files import BoxRows
from whenabouts.recognition.activity_clips import label_row, reasons
from whenabouts.recognition.activity_model import ActivityModel
from whenabouts.recognition.activity_testing import Look, Recognized, RecognizedPeople, recognize, recognize_people
from whenabouts.recognition.label_kinds import KINDS


def tested(project: Project, model: ActivityModel, split: str, look: Look) -> dict[str, Any]:
    """Look at the videos of a split, write activities/SPLIT.csv, and return the figures and what was wrong.

    Where moments are asked for, activities/SPLIT-moments.csv tells of them.

    Labels are those of truth.json where it tells of a video, else the manifest's. A net for people writes
    boxes/SPLIT-judged.csv instead, over detected boxes where there are any.
    """
    entries = project.manifest().of_split(split)
    if model.settings.people == "each":
        return _people(project, model, entries, split, look)
    unknown = _unknown(project, model)
    if model.settings.people == "positions":
        boxes, problems = read_boxes(boxes_path(project.folder, split), model.vocabulary)
        seen = recognize_people(model, entries, keyframes_of(boxes, len(model.vocabulary)), look)
        problems += (*seen.problems, *_without_moments(look))
        ids: Sequence[str] = [keyframe.video_id for keyframe in seen.keyframes]
        scores, broken = _rows([row[0] for row in seen.probabilities], len(model.vocabulary)), seen.broken
    else:
        found, problems = recognize(model, entries, look), ()
        ids, scores, broken = found.video_ids, found.probabilities, found.broken
        _write_moments(project, split, model, found, look.how.moments)
    labels = _labels(project, {entry.id: entry for entry in entries}, ids, model)
    rows = [ActivityRow(video_id, row) for video_id, row in zip(ids, scores, strict=True)]
    write_activities(activities_path(project.folder, split), model.vocabulary.names, rows)
    measured = KINDS[model.settings.head.kind].measure(model.vocabulary.names, scores, labels)
    told = {"views": model.views(look.how), "broken": reasons(broken), "problems": [*problems, *unknown]}
    return {**measured.to_json(), **told}


def forget(project: Project) -> None:
    """Remove what the net before said of videos: it is not what the net that comes now will say."""
    for split in project.manifest().splits:
        said = (activities_path(project.folder, split, moments=moments) for moments in (False, True))
        for path in (*said, boxes_path(project.folder, split, "judged")):
            path.unlink(missing_ok=True)


def _unknown(project: Project, model: ActivityModel) -> tuple[str, ...]:
    """What to say of concepts that have come to the project since the net was trained."""
    if not project.vocabulary_path.is_file():
        return ()
    names = [name for name in project.vocabulary().names if class_of(name, model.vocabulary) is None]
    told = f"{len(names)} concepts of the project are not known to the net, such as {names[0]!r}" if names else ""
    return (f"{told}: train again to learn them",) if names else ()


def _without_moments(look: Look) -> tuple[str, ...]:
    told = "moments are not told of by a net that looks at persons: testing.moments is left out"
    return (told,) if look.how.moments else ()


def _people(project: Project, model: ActivityModel, entries: Sequence[Entry], split: str, look: Look) -> dict[str, Any]:
    names = model.vocabulary.names
    truth, problems = read_boxes(boxes_path(project.folder, split), model.vocabulary)
    detected = boxes_path(project.folder, split, "found")
    given = truth
    if detected.is_file():
        given, wrong = read_boxes(detected, model.vocabulary)
        problems = (
            *problems,
            *wrong,
            *(() if len(given) else (f"{detected.name} holds no box: nobody was looked at",)),
        )
    seen = recognize_people(model, entries, keyframes_of(given, len(names)), look)
    write_boxes(boxes_path(project.folder, split, "judged"), _judged(seen, names))
    problems = (*problems, *seen.problems, *_without_moments(look), *_unknown(project, model))
    told: dict[str, Any] = {"broken": reasons(seen.broken), "problems": list(problems)}
    if given is truth:
        labels = _rows([row for keyframe in seen.keyframes for row in keyframe.labels], len(names))
        scores = _rows([row for each in seen.probabilities for row in each], len(names))
        kind = KINDS["single-label" if _one_each(labels) else model.settings.head.kind]
        told |= kind.measure(names, scores, labels).to_json()
    real = BoxRows(
        tuple(zip(truth.video_ids, truth.seconds.tolist(), strict=True)), truth.xyxy, truth.classes + 1, truth.scores
    )
    rows = [
        ((keyframe.video_id, keyframe.seconds), box, label + 1, score)
        for keyframe, each in zip(seen.keyframes, seen.probabilities, strict=True)
        for box, row in zip(keyframe.boxes, each, strict=True)
        for label, score in enumerate(row.tolist())
    ]
    found = BoxRows(
        tuple(row[0] for row in rows), np.asarray([row[1] for row in rows]).reshape(-1, 4),
        np.asarray([row[2] for row in rows], np.int64), np.asarray([row[3] for row in rows], np.float64),
    )  # fmt: skip
    frame = evaluate_ava(real, found, tuple(range(1, len(names) + 1)))
    return {**told, "frame_map": None if np.isnan(frame.mean) else frame.mean, "views": model.views(look.how)}


def _one_each(labels: FloatArray) -> bool:
    return bool(len(labels)) and bool((labels.sum(axis=1) == 1).all())


def _judged(seen: RecognizedPeople, names: Sequence[str]) -> list[BoxRow]:
    made = []
    for keyframe, each in zip(seen.keyframes, seen.probabilities, strict=True):
        for number, (box, row) in enumerate(zip(keyframe.boxes.tolist(), each.tolist(), strict=True)):
            corners = (box[0], box[1], box[2], box[3])
            made += [
                BoxRow(keyframe.video_id, keyframe.seconds, corners, name, score, str(number))
                for name, score in zip(names, row, strict=True)
            ]
    return made


def _labels(project: Project, entries: dict[str, Entry], ids: Sequence[str], model: ActivityModel) -> FloatArray:
    """Labels (V, A): 1, 0, NaN unknown."""
    vocabulary, absent = model.vocabulary, project.vocabulary_settings().absent
    database = read_json(project.truth_path).get("database", {}) if project.truth_path.is_file() else {}
    rows = []
    for video_id in ids:
        entry = entries[video_id]
        if video_id in database:
            row = np.zeros(len(vocabulary))
            named = {class_of(name, vocabulary) for name in _true_names(project, database[video_id], video_id)}
            row[[place for place in named if place is not None]] = 1.0
        elif entry.labels or entry.segments:
            row = label_row(labels_of(entry, vocabulary, absent), len(vocabulary))
        else:
            row = np.full(len(vocabulary), np.nan)  # Nobody said anything of it.
        rows.append(row)
    return _rows(rows, len(vocabulary))


def _true_names(project: Project, told: Any, video_id: str) -> list[str]:
    """The labels that truth.json gives a video; InvalidData where it is not written as ActivityNet's files are."""
    try:
        return [str(one["label"]) for one in told["annotations"]]
    except (KeyError, TypeError):
        raise InvalidData(
            f"{project.truth_path}: {video_id} has no list 'annotations' of labels. Import the data set again."
        ) from None


def _rows(rows: Sequence[FloatArray], width: int) -> FloatArray:
    return np.stack(rows) if rows else np.zeros((0, width))


def _write_moments(project: Project, split: str, model: ActivityModel, found: Recognized, count: int) -> None:
    rows = [
        ActivityRow(video_id, row, number, second)
        for video_id, seconds, each in zip(found.video_ids, found.seconds, found.at_moments, strict=False)
        for number, (second, row) in enumerate(zip(seconds.tolist(), each, strict=True), start=1)
    ]
    if count:
        path = activities_path(project.folder, split, moments=True)
        write_activities(path, model.vocabulary.names, rows, moments=True)


def line(split: str, told: dict[str, Any]) -> str:
    """A split's figures in a few words, and how much could not be used."""
    shown = ("map", "top1", "frame_map")
    said = [f"{name} {told[name]:.3f}" for name in shown if told.get(name) is not None]
    broken, problems = told["broken"], told["problems"]
    left = [f"{len(broken)} partial or unreadable: {next(iter(broken))}"] if broken else []
    left += [f"{len(problems)} problems, the first: {problems[0]}"] if problems else []
    return f"{split}: {', '.join(said) or 'nothing to measure by'}" + (f" ({'; '.join(left)})" if left else "")
