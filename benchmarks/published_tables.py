"""Published tables beside what we compute from the published detections: writes them into docs/evaluation.md.

    python benchmarks/published_tables.py [--shared ../shared]

The detections and ground truths are not ours to ship: `--shared` (or $WHENABOUTS_SHARED) names the folder that holds
them. Numbers also go to benchmarks/results/published_tables.json.
"""

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from provenance import write_result
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.reading import read_predictions, read_truth

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "evaluation.md"
RESULTS = ROOT / "benchmarks" / "results" / "published_tables.json"
STPN, AUTOLOC, KIT = "data/tal/stpn_bellos1203", "data/tal/autoloc", "data/tal/thumos_evalkit"
FULL = "data/annotations/thumos14.json"


@dataclass(frozen=True)
class Claim:
    """One published row in percent, from `first` tIoU on in steps of 0.1, and how it was measured."""

    detections: str
    source: str
    predictions: str
    truth: str
    variant: str
    subset: str
    protocol: str
    published: tuple[float, ...]  # empty: in a file beside the detections, see FROM_FILES
    digits: int
    policy: str = "official"


CLAIMS = (
    Claim("STPN on THUMOS14", "the repository's table (bellos1203/STPN)", f"{STPN}/results.json", f"{STPN}/gt.json",
          "210 videos", "test", "activitynet", (52.1, 44.2, 34.7, 26.1, 17.7, 10.1, 4.9, 1.3, 0.1), 1),
    Claim("STPN on THUMOS14", "a user's run of the updated kit (bellos1203/STPN, issue 1)", f"{STPN}/results.json",
          FULL, "213 videos, with ambiguous ones", "test", "thumos15",
          (46.569, 40.286, 32.452, 25.033, 17.156, 9.731, 4.756), 3),
    Claim("STPN on THUMOS14", "the official kit, run in GNU Octave", f"{STPN}/results.json", FULL,
          "213 videos, with ambiguous ones", "test", "thumos14", (), 3),
    Claim("STPN on THUMOS14", "the official ActivityNet code on this ground truth", f"{STPN}/results.json", FULL,
          "213 videos", "test", "activitynet", (), 3),
    Claim("AutoLoc on THUMOS14", "the repository's table (zhengshou/AutoLoc)", f"{AUTOLOC}/thumos14_pred.json",
          f"{AUTOLOC}/thumos14_gt.json", "its own, 210 videos", "test", "activitynet",
          (46.7, 41.7, 35.8, 29.0, 21.2, 13.4, 5.8, 1.6, 0.2), 1),
    Claim("Run-2, simulated, of the THUMOS14 kit", "the official kit, run in GNU Octave",
          f"{KIT}/run2_val_pred.json", FULL, "200 videos, with ambiguous ones", "validation", "thumos14", (), 3),
)  # fmt: skip
FROM_FILES = {
    ("Run-2, simulated, of the THUMOS14 kit", "thumos14"): f"{KIT}/run2_val_expected.json",
    ("STPN on THUMOS14", "thumos14"): f"{STPN}/expected_thumos14_kit_interp11.json",
    ("STPN on THUMOS14", "activitynet"): f"{STPN}/expected_activitynet_protocol_with_full_thumos14_gt.json",
}


def measured(shared, claim, levels, policy="official"):
    vague = None if claim.protocol == "activitynet" else "Ambiguous"
    truth = read_truth(shared / claim.truth, subset=claim.subset, policy=policy, ambiguous_label=vague)
    predictions = read_predictions(shared / claim.predictions, truth, policy=policy)
    return evaluate_moments(truth, predictions, protocol=claim.protocol, tiou=levels), truth, predictions


def compared(shared, claim):
    """One claim as plain values: published beside computed, in percent."""
    published = claim.published
    if not published:
        kept = json.loads((shared / FROM_FILES[claim.detections, claim.protocol]).read_text(encoding="utf-8"))
        published = tuple(100 * value for value in kept["mAP"])
    levels = np.arange(1, len(published) + 1) / 10
    scores, truth, predictions = measured(shared, claim, levels)
    computed = (100 * scores.map).tolist()
    half = 0.5 * 10.0**-claim.digits
    return {
        "detections": claim.detections,
        "source": claim.source,
        "protocol": claim.protocol,
        "ground_truth": f"{claim.variant}: {len(truth):,} instances",
        "predictions": len(predictions),
        "tiou": levels.tolist(),
        "published": list(published),
        "computed": computed,
        "digits": claim.digits,
        "differ": [abs(a - b) > half + 1e-9 for a, b in zip(published, computed, strict=True)],
    }


def policies(shared, claim):
    """What the policy changes: rows left out, average mAP in percent over 0.1 to 0.5."""
    levels = np.arange(1, 6) / 10
    official, *_ = measured(shared, claim, levels)
    clean, truth, predictions = measured(shared, claim, levels, "clean")
    reasons = [problem.reason for problem in (*truth.left_out, *predictions.left_out)]
    return {
        "detections": claim.detections,
        "protocol": claim.protocol,
        "ground_truth": claim.variant,
        "official": 100 * official.average_map,
        "clean": 100 * clean.average_map,
        "left_out": {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)},
    }


def table(rows):
    """Markdown: two lines for each claim."""
    widest = max(len(row["published"]) for row in rows)
    yield (
        "| detections, protocol, ground truth | mAP (%) at tIoU | "
        + " | ".join(f"0.{k + 1}" for k in range(widest))
        + " |"
    )
    yield "|---|---|" + "---|" * widest
    for row in rows:
        blank = [""] * (widest - len(row["published"]))
        name = f"**{row['detections']}**, `{row['protocol']}`, {row['ground_truth']}"
        told = [f"{value:.{row['digits']}f}" for value in row["published"]]
        own = [f"{value:.3f}{' (!)' if off else ''}" for value, off in zip(row["computed"], row["differ"], strict=True)]
        yield f"| {name} | {row['source']} | " + " | ".join([*told, *blank]) + " |"
        yield "| | ours | " + " | ".join([*own, *blank]) + " |"


def policy_table(rows):
    yield "| detections, protocol, ground truth | `official` | `clean` | left out by `clean` |"
    yield "|---|---|---|---|"
    for row in rows:
        counts = ", ".join(f"{count} {reason}" for reason, count in row["left_out"].items()) or "none"
        name = f"{row['detections']}, `{row['protocol']}`, {row['ground_truth']}"
        yield f"| {name} | {row['official']:.3f} | {row['clean']:.3f} | {counts} |"


def replaced(page, mark, lines):
    """The page with the lines between `<!-- mark -->` and `<!-- /mark -->` replaced."""
    before, rest = page.split(f"<!-- {mark} -->\n")
    _, after = rest.split(f"<!-- /{mark} -->")
    return f"{before}<!-- {mark} -->\n" + "\n".join(lines) + f"\n<!-- /{mark} -->{after}"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("WHENABOUTS_SHARED", ROOT.parent / "shared")
    options.add_argument("--shared", type=Path, default=Path(default))
    shared = options.parse_args().shared
    rows = [compared(shared, claim) for claim in CLAIMS]
    changes = [policies(shared, claim) for claim in CLAIMS]
    told = write_result(RESULTS.parent, RESULTS.stem, {"tables": rows, "policies": changes})
    page = replaced(PAGE.read_text(encoding="utf-8"), "published tables", table(rows))
    PAGE.write_text(replaced(page, "policies", [*policy_table(changes), "", told]), encoding="utf-8")


if __name__ == "__main__":
    main()
