"""`whenabouts evaluate ranking`: ranked segments per class against rated ones, as YouTube-8M's challenge counts."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Json

RatedFile = Annotated[
    Path, typer.Option("--truth", help="Rated segments: lines video:start,class,score.", show_default=False)
]
SubmissionFile = Annotated[
    Path,
    typer.Option(
        "--predictions", help="A submission: lines class,video:start video:start ... best first.", show_default=False
    ),
]
Top = Annotated[int, typer.Option("--top", min=0, help="How many segments of a class count; 0: all.")]
ClassSetName = Annotated[
    Literal["present", "all"],
    typer.Option("--classes", help="Average over classes in the predictions (present) or all with a rated positive."),
]
ConventionName = Annotated[
    Literal["kaggle", "official-script"],
    typer.Option("--convention", help="As Kaggle means it, or as Google's script does it, quirks included."),
]


def ranking(
    truth: RatedFile,
    predictions: SubmissionFile,
    top: Top = 100_000,
    classes: ClassSetName = "present",
    convention: ConventionName = "kaggle",
    as_json: Json = False,
) -> None:
    """MAP@K and Recall@K of ranked segments: do the right ones come first in each class?"""
    from whenabouts.evaluation.ranked_lists import read_ranked_lists
    from whenabouts.evaluation.rated_pairs import RatedPairs
    from whenabouts.evaluation.segment_ranking import evaluate_ranking

    rated = RatedPairs.read(truth)
    lists = read_ranked_lists(predictions, convention=convention)
    scores = evaluate_ranking(rated, lists, top=top, classes=classes, convention=convention)
    Terminal(as_json=as_json).result(scores.report().to_table(), scores.to_json())
