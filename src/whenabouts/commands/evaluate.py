"""`whenabouts evaluate`: measure predictions against truth, by a named official protocol."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.evaluate_labels import ava, charades_classify, charades_localize
from whenabouts.commands.evaluate_ranking import ranking
from whenabouts.commands.finetune_activities import activities
from whenabouts.commands.listing import WholeSentences
from whenabouts.commands.options import Json

if TYPE_CHECKING:
    from whenabouts.evaluation.diagnosis import Diagnosis
    from whenabouts.evaluation.moments import MomentScores
    from whenabouts.evaluation.tables import Predictions, Truth

app = typer.Typer(
    cls=WholeSentences,
    name="evaluate",
    help="Measure predictions against truth, by a named official protocol.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

TruthFile = Annotated[Path, typer.Option("--truth", help="Ground truth: ActivityNet JSON.", show_default=False)]
PredictionFile = Annotated[
    Path,
    typer.Option("--predictions", help="Results: ActivityNet JSON, moments.json, THUMOS14 txt.", show_default=False),
]
Subset = Annotated[str, typer.Option("--subset", help="Which subset of the ground truth to measure on.")]
Tiou = Annotated[
    str | None,
    typer.Option("--tiou", help="Thresholds: from:to:step (0.5:0.95:0.05) or a list (0.3,0.5).", show_default=False),
]
PolicyName = Annotated[
    Literal["official", "strict", "clean"],
    typer.Option(
        "--policy",
        help="Rows that can't be judged: as the official rules do (official), an error (strict), left out (clean).",
    ),
]
Plots = Annotated[
    Path | None, typer.Option("--plots", help="Draw pictures into this folder (extra plots).", show_default=False)
]
ProtocolName = Annotated[
    Literal["activitynet", "thumos14", "thumos15"], typer.Option("--protocol", help="Whose rules to measure by.")
]


@app.command("moments")
def moments(
    truth: TruthFile,
    predictions: PredictionFile,
    subset: Subset = "validation",
    tiou: Tiou = None,
    protocol: ProtocolName = "activitynet",
    policy: PolicyName = "official",
    plots: Plots = None,
    as_json: Json = False,
) -> None:
    """Mean average precision at temporal IoU: are the right moments found, with the right borders?

    --plots DIR draws precision-recall.png and classes.png at the first threshold, and errors.png over all of them.
    """
    from whenabouts.evaluation.moments import evaluate_moments
    from whenabouts.evaluation.reading import read_predictions, read_truth
    from whenabouts.evaluation.thresholds import tiou_thresholds

    vague = None if protocol == "activitynet" else "Ambiguous"
    real = read_truth(truth, subset=subset, policy=policy, ambiguous_label=vague)
    found = read_predictions(predictions, real, policy=policy)
    levels = None if tiou is None else tiou_thresholds(tiou)
    if plots is not None:
        _require_plots()
    scores = evaluate_moments(real, found, protocol=protocol, tiou=levels)
    values = {"protocol": protocol, "policy": policy, "subset": subset, **scores.to_json()}
    if plots is not None:
        values["plots"] = _drawn(plots, real, found, scores)
    _tell(scores.report().to_table(), values, real, found, as_json=as_json)


@app.command("proposals")
def proposals(
    truth: TruthFile,
    predictions: PredictionFile,
    subset: Subset = "validation",
    tiou: Tiou = None,
    max_per_video: Annotated[
        float | None,
        typer.Option("--max-per-video", help="Largest average number per video.", show_default="all there are"),
    ] = None,
    policy: PolicyName = "official",
    as_json: Json = False,
) -> None:
    """Average recall against proposals per video: do any of the best spans hit, whatever their label?"""
    from whenabouts.evaluation.proposals import DEFAULT_TIOU, evaluate_proposals
    from whenabouts.evaluation.reading import NO_LABEL, read_predictions, read_truth
    from whenabouts.evaluation.thresholds import tiou_thresholds

    real = read_truth(truth, subset=subset, policy=policy)
    found = read_predictions(predictions, real, policy=policy, needs=NO_LABEL)
    levels = DEFAULT_TIOU if tiou is None else tiou_thresholds(tiou)
    scores = evaluate_proposals(real, found, tiou=levels, proposals_per_video=max_per_video)
    values = {"protocol": "activitynet", "policy": policy, "subset": subset, "max_avg_nr_proposals": max_per_video}
    _tell(scores.report().to_table(), {**values, **scores.to_json()}, real, found, as_json=as_json)


@app.command("classification")
def classification(
    truth: TruthFile,
    predictions: PredictionFile,
    subset: Subset = "validation",
    top_k: Annotated[int, typer.Option("--top-k", help="The k of hit@k.")] = 3,
    policy: PolicyName = "official",
    as_json: Json = False,
) -> None:
    """Mean average precision and hit@k of video labels: is it known what happens, wherever it is?"""
    from whenabouts.evaluation.classification import evaluate_classification
    from whenabouts.evaluation.reading import LABELS_ONLY, NO_SPAN, read_predictions, read_truth

    real = read_truth(truth, subset=subset, policy=policy, needs=LABELS_ONLY)
    found = read_predictions(predictions, real, policy=policy, needs=NO_SPAN)
    scores = evaluate_classification(real, found, top_k=top_k)
    values = {"protocol": "activitynet", "policy": policy, "subset": subset, **scores.to_json()}
    _tell(scores.report().to_table(), values, real, found, as_json=as_json)


app.command("ranking")(ranking)
app.command("charades-classify")(charades_classify)
app.command("charades-localize")(charades_localize)
app.command("ava")(ava)
app.command("activities")(activities)


@app.command("diagnosis")
def diagnosis(
    truth: TruthFile,
    predictions: PredictionFile,
    subset: Subset = "validation",
    tiou: Tiou = None,
    buckets: Annotated[
        Literal["fifths", "activitynet", "thumos14"],
        typer.Option("--buckets", help="Groups of instances: fifths of this truth, or DETAD's for a benchmark."),
    ] = "fifths",
    policy: PolicyName = "official",
    plots: Plots = None,
    as_json: Json = False,
) -> None:
    """Why is it not better: kinds of error, which instances suffer, how far borders are off (after DETAD).

    --plots DIR draws errors.png.
    """
    from whenabouts.evaluation.diagnosis import diagnose
    from whenabouts.evaluation.reading import read_predictions, read_truth
    from whenabouts.evaluation.thresholds import tiou_thresholds

    real = read_truth(truth, subset=subset, policy=policy)
    found = read_predictions(predictions, real, policy=policy)
    if plots is not None:
        _require_plots()
    result = diagnose(real, found, tiou=None if tiou is None else tiou_thresholds(tiou), buckets=buckets)
    values = {"protocol": "activitynet", "policy": policy, "subset": subset, "buckets": buckets, **result.to_json()}
    if plots is not None:
        values["plots"] = _drawn_errors(plots, result)
    text = "\n\n".join(report.to_table() for report in result.reports())
    _tell(text, values, real, found, as_json=as_json)


def _require_plots() -> None:
    """Say what is missing before anything is measured."""
    from whenabouts.page.pictures import require_matplotlib

    require_matplotlib()


def _drawn(folder: Path, real: "Truth", found: "Predictions", scores: "MomentScores") -> list[str]:
    """Draw what `evaluate moments` measured, and return the files."""
    from whenabouts.evaluation.curves import precision_recall
    from whenabouts.evaluation.diagnosis import diagnose
    from whenabouts.page.plots import draw_class_precision, draw_precision_recall

    curves = precision_recall(real, found, tiou=float(scores.tiou[0]), protocol=scores.protocol)
    draw_precision_recall(curves, folder / "precision-recall.png")
    draw_class_precision(scores, folder / "classes.png")
    told = [str(folder / "precision-recall.png"), str(folder / "classes.png")]
    return told + _drawn_errors(folder, diagnose(real, found, tiou=scores.tiou))


def _drawn_errors(folder: Path, result: "Diagnosis") -> list[str]:
    from whenabouts.page.plots import draw_error_kinds

    draw_error_kinds(result.errors, folder / "errors.png")
    return [str(folder / "errors.png")]


def _tell(table: str, values: dict[str, Any], truth: "Truth", found: "Predictions", *, as_json: bool) -> None:
    from whenabouts.evaluation.rows import as_json as rows_as_json
    from whenabouts.evaluation.rows import as_remarks

    left_out = (*truth.left_out, *found.left_out)
    named = [f"ground truth: {truth.name}"] if truth.name else []
    told = [table, *named, f"policy: {values['policy']}, subset: {values['subset']}", *as_remarks(left_out)]
    told += [f"Wrote {', '.join(values['plots'])}."] if "plots" in values else []
    values = {**values, "ground_truth": truth.name, "left_out": rows_as_json(left_out)}
    Terminal(as_json=as_json).result("\n".join(told), values)
