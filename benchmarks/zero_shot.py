"""Moments by names alone: an encoder that reads pictures and words, on a project's test videos.

    python benchmarks/zero_shot.py PROJECT --encoder FOLDER --out benchmarks/results

Without --encoder the row says that it was not run: published weights can't be fetched everywhere.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from provenance import write_result
from whenabouts.core.files import write_json
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Silent
from whenabouts.core.scores import ScoreSequence
from whenabouts.data.project import Project
from whenabouts.evaluation.moments import evaluate_moments
from whenabouts.evaluation.reading import read_predictions, read_truth
from whenabouts.localizers.decoding import Decoder, Track, likely_classes
from whenabouts.recognition.encoders import load_encoder
from whenabouts.recognition.extraction import ExtractSettings, extract
from whenabouts.recognition.extraction_report import ExtractionReport
from whenabouts.recognition.zero_shot import ZeroShot
from whenabouts.training.devices import choose_compute


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path, help="a project with truth.json and test videos")
    parser.add_argument("--encoder", help="a folder of weights with its tokenizer, or OWNER/MODEL")
    parser.add_argument("--subset", default="test", help="which subset of truth.json, and which split, to measure on")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    given = parser.parse_args()
    told = (
        measured(Project.open(given.project), given.encoder, given.subset)
        if given.encoder
        else {"row": "not run: no weights"}
    )
    write_result(given.out, "zero_shot", told)
    print(told["row"])


def measured(project: Project, name: str, subset: str) -> dict[str, Any]:
    encoder = load_encoder(name, words=True)
    words = ZeroShot.of(encoder, project.vocabulary())
    store, compute = project.features(), choose_compute("auto", "auto")
    entries = project.manifest().of_split(subset)
    report = ExtractionReport(project.reports_folder / "extraction-zero-shot.json")
    extract(entries, encoder, ExtractSettings(audio=False), store=store, report=report, compute=compute,
            stream="zero-shot", statistics=False, cache=None, progress=Silent())  # fmt: skip
    found = []
    for entry in entries:
        if store.has(entry.id, "zero-shot"):
            scores = words.scores(store.read(entry.id, "zero-shot"))
            found.append(moments_of(scores))
    moments = Moments.concatenate(found, project.vocabulary())
    path = project.reports_folder / "zero-shot.json"
    write_json(path, moments.to_json())
    truth = read_truth(project.truth_path, subset=subset)
    result = evaluate_moments(truth, read_predictions(path, truth))
    told = {"encoder": encoder.source, "load": os.getloadavg()[0], **result.to_json()}
    return {**told, "row": f"zero-shot, {encoder.source}: average mAP {100 * result.average_map:.1f}"}


def moments_of(scores: ScoreSequence) -> Moments:
    """Runs above eight levels between each likely concept's least and greatest score, judged by their contrast."""
    classes = likely_classes(scores.video_scores, threshold=2 / len(scores.vocabulary), top=2)
    values = scores.scores[:, classes].T.astype(np.float64)
    track = Track(scores.video_id, classes, values, scores.video_scores[classes].astype(np.float64), scores.grid,
                  scores.vocabulary)  # fmt: skip

    def levels(row: int) -> np.ndarray:
        low, high = values[row].min(), values[row].max()
        return np.stack([values[row] > high - share * (high - low) for share in np.arange(1, 9) / 9])

    return Decoder(proposals="contrast").decode(track, levels)


if __name__ == "__main__":
    main()
