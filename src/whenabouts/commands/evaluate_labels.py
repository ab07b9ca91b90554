"""`whenabouts evaluate charades-classify | charades-localize | ava`: several labels at once, by their own rules."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Json

if TYPE_CHECKING:
    from collections.abc import Callable

    from whenabouts.evaluation.label_ranking import LabelScores

Annotations = Annotated[Path, typer.Option("--truth", help="Charades' annotations (CSV).", show_default=False)]
PerVideo = Annotated[
    Path, typer.Option("--predictions", help="Lines: id and a score for each class.", show_default=False)
]
PerFrame = Annotated[
    Path, typer.Option("--predictions", help="Lines: id, frame (1 to 25), a score for each class.", show_default=False)
]
ClassFile = Annotated[
    Path | None, typer.Option("--classes", help="The list of classes.", show_default="the 157 of Charades")
]
Convention = Annotated[
    Literal["official", "pyslowfast", "mmaction2"],
    typer.Option("--convention", help="Whose rules for ties, missing rows and classes without truth."),
]
BoxTruth = Annotated[Path, typer.Option("--truth", help="Boxes: video,seconds,x1,y1,x2,y2,class.", show_default=False)]
BoxPredictions = Annotated[
    Path, typer.Option("--predictions", help="Boxes: video,seconds,x1,y1,x2,y2,class,score.", show_default=False)
]
Excluded = Annotated[
    Path | None, typer.Option("--excluded", help="Keyframes that do not count: video,seconds.", show_default="none")
]
Actions = Annotated[
    Path | None,
    typer.Option("--classes", help="The actions that are measured (.pbtxt).", show_default="AVA's 60 of 80"),
]


def charades_classify(
    truth: Annotations,
    predictions: PerVideo,
    classes: ClassFile = None,
    convention: Convention = "official",
    as_json: Json = False,
) -> None:
    """Mean average precision of activities per video: what happens in it?"""
    from whenabouts.evaluation.charades import evaluate_charades_classify

    _charades(evaluate_charades_classify, (truth, predictions, classes), convention, frames=False, as_json=as_json)


def charades_localize(
    truth: Annotations,
    predictions: PerFrame,
    classes: ClassFile = None,
    convention: Convention = "official",
    as_json: Json = False,
) -> None:
    """Mean average precision of activities at 25 moments of each video: what is under way?"""
    from whenabouts.evaluation.charades import evaluate_charades_localize

    _charades(evaluate_charades_localize, (truth, predictions, classes), convention, frames=True, as_json=as_json)


def ava(
    truth: BoxTruth,
    predictions: BoxPredictions,
    excluded: Excluded = None,
    classes: Actions = None,
    convention: Convention = "official",
    as_json: Json = False,
) -> None:
    """Frame-mAP of actions in boxes at keyframes, at an overlap of 0.5: who does what?"""
    from whenabouts.evaluation.ava import evaluate_ava
    from whenabouts.evaluation.ava_files import MEASURED, read_actions, read_boxes, read_keyframes

    names = dict.fromkeys(MEASURED, "") if classes is None else read_actions(classes)
    out, problems = read_keyframes(excluded) if excluded is not None else ((), ())
    real, found = read_boxes(truth, scores=False), read_boxes(predictions, scores=True)
    scores = evaluate_ava(real, found, tuple(names), excluded=out, convention=convention)
    _tell(scores.labelled(names, problems), as_json=as_json)


def _charades(
    evaluate: "Callable[..., LabelScores]",
    files: tuple[Path, Path, Path | None],
    convention: str,
    *,
    frames: bool,
    as_json: bool,
) -> None:
    from whenabouts.evaluation.charades_files import read_submission, read_truth

    truth, predictions, classes = files
    real = read_truth(truth, classes)
    given = read_submission(predictions, len(real.classes), frames=frames)
    _tell(evaluate(real, given, convention=convention), as_json=as_json)


def _tell(scores: "LabelScores", *, as_json: bool) -> None:
    terminal = Terminal(as_json=as_json)
    for problem in scores.problems[:5]:
        terminal.say(f"problem: {problem}")
    terminal.result(scores.report().to_table(), scores.to_json())
