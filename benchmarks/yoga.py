"""Holds in real video: how well they are found from labels of whole videos, and who finds them as well.

    python benchmarks/yoga.py FOLDER --out benchmarks/results/yoga       writes yoga.json and yoga.md there

FOLDER holds takes of people who enter a pose, hold it and leave it, filmed by one fixed camera (labels.csv,
sessions.json, splits.json, videos/). In each of four folds, no subject of the test is in the training. Trained on:
files of two or three neighbouring takes, with the labels of these takes and no times. Tested on: files of all takes of
a subject. Finished folds are kept in --work and not done again; only sums over all subjects are written to --out.
"""

import argparse
import csv
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
import yoga_report
from provenance import made_now, write_result
from whenabouts import __version__
from whenabouts.core.files import write_json
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Silent
from whenabouts.core.timing import temporal_iou
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Examples
from whenabouts.data.project import Project
from whenabouts.evaluation.tables import Truth
from whenabouts.localizers import WinnersOut
from whenabouts.recognition.backbone import Backbone
from yoga_figures import Draws, accuracy, method_figures
from yoga_rivals import Changes, counted, found_by_all, tuned_threshold
from yoga_takes import Session, crops_of, read_sessions, render

CROPS_EACH, DRAW_SEED, OURS = 8, 6, "winners-out"


def say(text: str) -> None:
    sys.stderr.write(text + "\n")


def cpu_seconds() -> float:
    """CPU time of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def render_all(sessions: list[Session], media: Path) -> None:
    """Write sessions/SUBJECT, takes/SUBJECT-N and crops/SUBJECT-N as files; what is there stays."""
    for number, session in enumerate(sessions):
        render(media / "sessions" / f"{session.subject}.mp4", session.takes)
        for place, take in enumerate(session.takes):
            render(media / "takes" / f"{session.subject}-{place}.mp4", (take,))
        for place, takes in enumerate(crops_of(session, np.random.default_rng([DRAW_SEED, number]), CROPS_EACH)):
            render(media / "crops" / f"{session.subject}-{place}.mp4", takes)


def write_table(path: Path, sessions: list[Session], fold: int) -> None:
    """What is told of each file: crops train, single takes of training subjects stand apart, the rest is held out."""
    rows = [["video", "label", "split"]]
    for number, session in enumerate(sessions):
        test = session.fold == fold
        rows.append([f"sessions/{session.subject}.mp4", "", "test" if test else "other"])
        for place, take in enumerate(session.takes):
            rows.append([f"takes/{session.subject}-{place}.mp4", take.label, "test" if test else "single"])
        for place, takes in enumerate(crops_of(session, np.random.default_rng([DRAW_SEED, number]), CROPS_EACH)):
            names = ";".join(sorted({take.label for take in takes}))
            rows.append([f"crops/{session.subject}-{place}.mp4", "" if test else names, "other" if test else "train"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(row for row in rows if row[2] != "other")


def verb(*words: str) -> dict:
    """Run one verb of the command line, as a user would, and return what it tells."""
    command = [sys.executable, "-m", "whenabouts", *words, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"`whenabouts {words[0]}` ended with exit code {done.returncode}: its message stands above.")
    return json.loads(done.stdout)


def prepared(sessions: list[Session], fold: int, media: Path, home: Path, steps: int) -> dict:
    """A project with backbone and features of one fold; what pre-training told."""
    table = home / "labels.csv"
    write_table(table, sessions, fold)
    wanted = []
    for session in sessions:
        kinds = ("sessions", "takes") if session.fold == fold else ("crops", "takes")
        wanted += [f"--include={kind}/{session.subject}[.-]*" for kind in kinds]
    verb("import", "csv", str(table), "--set", f"import.csv.media={media}", *wanted, "--project", str(home))
    if not (home / "models" / "backbone" / "card.json").exists():
        told = verb("pretrain", "--project", str(home), "--set", f"pretrain.steps={steps}", "--device", "cpu")
        write_json(home / "pretrain.json", {"last": told["history"][-1], "videos": told["videos"]})
    verb("extract", "--project", str(home), "--device", "cpu")
    return json.loads((home / "pretrain.json").read_text(encoding="utf-8"))


def fitted(home: Project, split: str, vocabulary: Vocabulary, seed: int) -> WinnersOut:
    """A localizer with default settings, trained on the labels of one split."""
    entries = home.manifest().of_split(split)
    examples = Examples.of(entries, vocabulary, home.features(), ("rgb",))
    return WinnersOut.fit(examples, WinnersOut.Settings(), Silent(), vocabulary=vocabulary, seed=seed)


def cuts_of(sessions: list[Session], fold: int, media: Path) -> tuple[dict[str, list[float]], dict]:
    """Cuts in the test sessions, by the threshold that is best in the training sessions, and how right they are."""
    changes = {each.subject: Changes.of(media / "sessions" / f"{each.subject}.mp4") for each in sessions}

    def both(of: list[Session]) -> tuple[list[Changes], list[list[float]]]:
        return [changes[each.subject] for each in of], [each.joints for each in of]

    training = both([each for each in sessions if each.fold != fold])
    tested = [each for each in sessions if each.fold == fold]
    threshold = tuned_threshold(*training)
    told = {"threshold": threshold, "training": asdict(counted(*training, threshold)),
            "test": asdict(counted(*both(tested), threshold))}  # fmt: skip
    return {each.subject: changes[each.subject].cuts(threshold) for each in tested}, told


def take_answers(
    home: Project, names: list[str], crops: list[WinnersOut], singles: list[WinnersOut]
) -> dict[str, list[list[int]]]:
    """Most probable class of each take, by seed, for each classifier."""
    features = [home.features().read(name, "rgb") for name in names]
    backbone = Backbone.load(home.models_folder / "backbone")
    with torch.inference_mode():
        clips = [backbone.fc(torch.from_numpy(each.values.astype(np.float32))).softmax(1).mean(0) for each in features]
    answers = {
        kind: [[int(model.score({"rgb": each}).video_scores.argmax()) for each in features] for model in models]
        for kind, models in ((OURS, crops), (f"{OURS} told single takes", singles))
    }
    return {**answers, "clip classifier": [[int(each.argmax()) for each in clips]] * len(crops)}


def found_in(
    home: Project, localizer: WinnersOut, cuts: Mapping[str, list[float]], found: dict[str, list[dict]]
) -> None:
    """Add to `found` what each method finds in the sessions that `cuts` names."""
    store = home.features()
    parts = [found_by_all(localizer, store.read(f"sessions/{subject}", "rgb"), row) for subject, row in cuts.items()]
    for name in parts[0]:
        joined = Moments.concatenate([part[name] for part in parts], localizer.vocabulary)
        found.setdefault(name, []).append(joined.to_json())


def run_fold(fold: int, sessions: list[Session], media: Path, work: Path, options: argparse.Namespace) -> dict:
    """Train on the other folds' subjects, find in this fold's; everything that the figures need, as JSON."""
    before, load = cpu_seconds(), os.getloadavg()[0]
    told = prepared(sessions, fold, media, work / f"fold-{fold}", options.steps)
    home = Project.open(work / f"fold-{fold}")
    vocabulary = home.vocabulary()
    cuts, cutting = cuts_of(sessions, fold, media)
    crops, singles, found = [], [], {}
    for seed in range(options.seeds):
        say(f"fold {fold}, seed {seed}: load {os.getloadavg()[0]:.1f}")
        crops.append(fitted(home, "train", vocabulary, seed))
        singles.append(fitted(home, "single", vocabulary, seed))
        found_in(home, crops[-1], cuts, found)
    takes = [(each.subject, place, take.label) for each in sessions if each.fold == fold
             for place, take in enumerate(each.takes)]  # fmt: skip
    names = [f"takes/{subject}-{place}" for subject, place, _ in takes]
    answered = {
        "session": [subject for subject, _, _ in takes],
        "true": [vocabulary.index(label) for _, _, label in takes],
        "answers": take_answers(home, names, crops, singles),
    }
    ended = {"cpu_seconds": cpu_seconds() - before, "load": [load, os.getloadavg()[0]]}
    return {"takes": answered, "moments": found, "cuts": cutting, "pretrain": told, **ended}


def truth_of(sessions: list[Session], vocabulary: Vocabulary) -> Truth:
    rows = [(f"sessions/{session.subject}", hold) for session in sessions for hold in session.holds]
    spans = [(hold.start_seconds, hold.end_seconds) for _, hold in rows]
    classes = vocabulary.encode([hold.label for _, hold in rows])
    moments = Moments.build([video for video, _ in rows], spans, classes, vocabulary, kind="truth")
    return Truth.of(moments, video_ids=[f"sessions/{session.subject}" for session in sessions])


def middle_passes(sessions: list[Session]) -> list[float]:
    """Share of holds that the middle 60 % of their true take passes at tIoU 0.5 and 0.6."""
    best = []
    for session in sessions:
        spans = [(t.start_seconds, t.end_seconds) for t in session.takes]
        middle = [(s + 0.2 * (e - s), e - 0.2 * (e - s)) for s, e in spans]
        best += temporal_iou([(h.start_seconds, h.end_seconds) for h in session.holds], middle).max(axis=1).tolist()
    return [float(np.mean(np.asarray(best) >= level)) for level in (0.5, 0.6)]


def take_figures(folds: list[dict], sessions: list[Session], draws: Draws) -> dict:
    """Accuracy of each classifier of single takes."""
    order = {session.subject: number for number, session in enumerate(sessions)}
    true = np.concatenate([fold["takes"]["true"] for fold in folds])
    owner = np.array([order[subject] for fold in folds for subject in fold["takes"]["session"]])
    said = {
        name: np.concatenate([np.asarray(fold["takes"]["answers"][name]) for fold in folds], axis=1)
        for name in folds[0]["takes"]["answers"]
    }
    return {name: accuracy(answers == true, owner, draws).to_json() for name, answers in said.items()}


def summed(folds: list[dict], sessions: list[Session], vocabulary: Vocabulary, seeds: int) -> dict:
    """Figures over all folds; nothing of a single subject."""
    draws = Draws(seeds, len(sessions), np.random.default_rng(DRAW_SEED))
    found = {
        name: [Moments.concatenate([Moments.from_json(fold["moments"][name][seed]) for fold in folds], vocabulary)
               for seed in range(seeds)]
        for name in folds[0]["moments"]
    }  # fmt: skip
    truth = truth_of(sessions, vocabulary)
    return {
        "subjects": len(sessions),
        "takes": sum(len(session.takes) for session in sessions),
        "holds": len(truth),
        "hold_seconds": float((truth.spans[:, 1] - truth.spans[:, 0]).mean()),
        "take_accuracy": take_figures(folds, sessions, draws),
        "methods": {name: row.to_json() for name, row in method_figures(truth, found, OURS, draws).items()},
        "cuts": {key: sum(fold["cuts"]["test"][key] for fold in folds) for key in ("found", "joints", "right")},
        "middle_passes": middle_passes(sessions),
        "clip_accuracy_in_training": [fold["pretrain"]["last"]["accuracy"] for fold in folds],
        "training_videos": [fold["pretrain"]["videos"] for fold in folds],
        "cpu_seconds": [fold["cpu_seconds"] for fold in folds],
        "load": [fold["load"] for fold in folds],
    }


def kept_fold(fold: int, sessions: list[Session], options: argparse.Namespace, asked: dict) -> dict:
    """What an earlier run kept of a fold where it was asked the same, else that of a new run."""
    kept = options.work / f"fold-{fold}.json"
    if not kept.exists() or json.loads(kept.read_text(encoding="utf-8"))["asked"] != asked:
        done = run_fold(fold, sessions, options.work / "media", options.work, options)
        write_json(kept, {"asked": asked, **done, "made": made_now()})
    values = json.loads(kept.read_text(encoding="utf-8"))
    say(f"fold {fold}: {values['cpu_seconds']:.0f} CPU s, load before and after {values['load']}")
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "yoga")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "whenabouts-yoga")
    parser.add_argument("--steps", type=int, default=400, help="steps of pre-training")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of the localizer")
    options = parser.parse_args()
    sessions = read_sessions(options.folder)
    render_all(sessions, options.work / "media")
    asked = {"steps": options.steps, "seeds": options.seeds, "crops": CROPS_EACH, "version": __version__}
    folds = [kept_fold(fold, sessions, options, asked) for fold in sorted({each.fold for each in sessions})]
    vocabulary = Project.open(options.work / "fold-0").vocabulary()
    host = {"cores": os.cpu_count(), "python": platform.python_version(), "torch": torch.__version__.split("+")[0]}
    values = {**asked, "machine": host, **summed(folds, sessions, vocabulary, options.seeds)}
    out = options.out
    write_result(out.parent, out.name, values, yoga_report.told(values), cells=folds, table="yoga")
    sys.stdout.write(yoga_report.told(values))


if __name__ == "__main__":
    main()
