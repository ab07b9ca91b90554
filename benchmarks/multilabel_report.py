"""The page of the multi-label tables: figures with intervals, the paper's beside them, what came of its claims."""

import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from multilabel_cells import (
    BATCH,
    FURTHER,
    JOINT_STEPS,
    JOINT_TRIALS,
    STEPS,
    TRIALS,
    TUNING_SEEDS,
    Trial,
    tuning_means,
)
from multilabel_claims import CLAIMS, NEAR, Cells, Estimate, difference, maps_of, row_named, verdict
from multilabel_rows import MODELS, RIVALS, ROWS, TABLES
from multilabel_worlds import BACKBONE_STEPS, CLIPS, STREAMS, VIDEOS
from provenance import write_result
from whenabouts.core.files import read_json


def write_report(folder: Path, work: Path, cells: Cells, costs: Sequence[dict[str, Any]]) -> None:
    """Write multilabel.json and multilabel.md."""
    tuning = read_json(work / "tuning.json") if (work / "tuning.json").exists() else {}
    claims = [(claim, difference(cells, row_named(claim.better), row_named(claim.worse))) for claim in CLAIMS]
    values = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": round(os.getloadavg()[0], 1)},
        "rows": list(_rows(cells)),
        "claims": [{"claim": claim.text, "paper": claim.paper, "should_fail": claim.swept, **lead.to_json(),
                    "verdict": verdict(claim, lead)} for claim, lead in claims if lead],
        "tuning": tuning,
        "costs": list(costs),
    }  # fmt: skip
    every = [each for by_seed in cells.values() for each in by_seed.values()]
    write_result(folder, "multilabel", values, "\n".join(_page(cells, claims, tuning, costs)), cells=every)


def _rows(cells: Cells) -> Iterator[dict[str, Any]]:
    for row in ROWS:
        found = maps_of(cells, row)
        if found:
            made = cells[row.world, row.model]
            weights = next(iter(made.values()))["weights"]
            yield {"table": row.table, "row": row.name, "world": row.world, "model": row.model, "paper": row.paper,
                   "map": Estimate.of(list(found.values())).to_json(), "weights": weights,
                   "per_seed": {str(seed): each for seed, each in found.items()}}  # fmt: skip


def _page(
    cells: Cells, claims: Sequence[Any], tuning: dict[str, Any], costs: Sequence[dict[str, Any]]
) -> Iterator[str]:
    yield from _head(cells)
    yield from _claims(claims)
    for table in TABLES:
        yield from _table(cells, table)
    yield from _costs(costs)
    yield from _tuning(tuning)


def _head(cells: Cells) -> Iterator[str]:
    made = [each for by_seed in cells.values() for each in by_seed.values()]
    cpu = sum(each["cpu_seconds"] for each in made) / 60
    loads = [each["load"] for each in made]
    yield "# Several activities at once: the paper's tables on rendered videos and real sound\n"
    yield "Made by `python benchmarks/multilabel.py --out benchmarks/results`.\n"
    yield (
        f"Worlds (`data/worlds/activity_videos.py`, `activity_sounds.py`): {VIDEOS['train']} videos to learn from and "
        f"{VIDEOS['test']} to test on, 64 frames of 32 x 32, 16 activities, 1 to 4 of them in a video; sound: "
        f"{STREAMS['train']} and {STREAMS['test']} streams of 2 s with 1 to 4 spoken digits by 2 of 6 speakers, mixed "
        "over each other (semi-synthetic). The knobs were committed before any head was compared. The backbone, a "
        f"small 3-D net, is pre-trained once for each seed ({BACKBONE_STEPS['video']} steps; sound "
        f"{BACKBONE_STEPS['sound']}) on the training side of the base world under mean, maximum and log-sum-exp at "
        "once, so that it suits none alone; where not said otherwise it is frozen, and heads learn from the maps of "
        f"{CLIPS} clips a video at rate 4 ({STEPS} steps of {BATCH} clips, AdamW, cosine). "
        f"Speeds: {FURTHER} further steps at a third of the rate. "
        f"Jointly: {JOINT_STEPS} further steps of everything. Ten views a video, their probabilities summed.\n"
    )
    yield (
        f"Each of {len(RIVALS)} rivals had the same {len(TRIALS)} trials of rate and dropout on seeds "
        f"{' and '.join(map(str, TUNING_SEEDS))} of the base world, which no table uses; variants of the head take "
        f"those of the head. For training jointly each had {len(JOINT_TRIALS)} trials of both rates there. mAP in "
        "percent (official rule: not interpolated), mean over seeds with 95 % intervals (Student's t); `lead` is the "
        "paired difference from the table's first row. `paper` is Charades: compare signs, not heights.\n"
    )
    if made:
        yield (f"Machine: {os.cpu_count()} shared cores, one thread; {len(made)} cells, {cpu:.0f} CPU minutes; load "
               f"{min(loads)} to {max(loads)}.\n")  # fmt: skip


def _claims(claims: Sequence[Any]) -> Iterator[str]:
    yield "## Claims\n"
    yield (
        "`here` is the paired difference in points. A claimed lead holds where its whole interval lies above zero and "
        "does not hold where it lies below. A claimed likeness (nothing lost, nothing gained) holds where the interval "
        f"lies within {100 * NEAR:g} point of zero and does not hold where it leaves zero out. Else nothing is told "
        "apart. `should fail` marks worlds in which the claim was expected to have no ground.\n"
    )
    yield "| claim | paper | here | seeds | verdict |"
    yield "|---|---|---|---|---|"
    for claim, lead in claims:
        if lead:
            word = verdict(claim, lead) + (" (should fail)" if claim.swept else "")
            yield f"| {claim.text} | {claim.paper} | {lead.told(sign=True)} | {lead.seeds} | {word} |"
    yield ""


def _table(cells: Cells, table: str) -> Iterator[str]:
    rows = [row for row in ROWS if row.table == table and maps_of(cells, row)]
    if not rows:
        return
    yield f"## {table}\n"
    yield "| row | mAP | lead | paper | weights | seeds |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        found = maps_of(cells, row)
        lead = None if row is rows[0] else difference(cells, row, rows[0])
        weights = next(iter(cells[row.world, row.model].values()))["weights"]
        yield (f"| {row.name} | {Estimate.of(list(found.values())).told()} | {lead.told(sign=True) if lead else ''} | "
               f"{row.paper} | {weights / 1000:.1f} K | {len(found)} |")  # fmt: skip
    yield ""


def _costs(costs: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "## Table 4: costs at the paper's sizes\n"
    yield (
        "C = 2048, 196 positions, K = 64, c = 128, n = 32. `as written` counts the multiply-adds of the equations in "
        "their order, `counted` those of the program, which computes the same numbers in a cheaper one. The paper's "
        "figures are those of the model without correlation: with it the cost grows with the square of the "
        "activities.\n"
    )
    yield "| head | weights | paper | GMACs as written | paper | counted | CPU ms a clip |"
    yield "|---|---|---|---|---|---|---|"
    for row in costs:
        weights, macs = row.get("paper", ("", ""))
        written = row.get("formula_gmacs", "")
        yield (f"| {row['name']} | {row['weights'] / 1e6:.3f} M | {weights} | {written} | {macs} | "
               f"{row['gmacs']} | {row['cpu_ms']} |")  # fmt: skip
    yield ""


def _tuning(tuning: dict[str, Any]) -> Iterator[str]:
    if not tuning:
        return
    yield "## Tuning\n"
    yield f"mAP of each trial, on the mean of seeds {' and '.join(map(str, TUNING_SEEDS))}; the best is used.\n"
    frozen = {name: tried for name, tried in tuning.items() if not MODELS[name].joint}
    yield from _trials(frozen, {trial: f"{trial[0]:g}, dropout {trial[1]:g}" for trial in TRIALS})
    yield "\nJointly: the share of its own rate that the head has, and the rate of the backbone.\n"
    joint = {name: tried for name, tried in tuning.items() if MODELS[name].joint}
    yield from _trials(joint, {trial: f"1/{1 / trial[0]:.0f}, {trial[1]:g}" for trial in JOINT_TRIALS})


def _trials(tuning: dict[str, Any], titles: dict[Trial, str]) -> Iterator[str]:
    yield "| rival | " + " | ".join(titles.values()) + " |"
    yield "|---|" + "---|" * len(titles)
    for name, tried in tuning.items():
        found = tuning_means(tried)
        told = [f"{100 * found[trial]:.1f}" if trial in found else "" for trial in titles]
        yield f"| {name} | " + " | ".join(told) + " |"
