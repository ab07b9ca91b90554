"""`whenabouts demo`: render an archive, do with it what a user would do, and measure what was found."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Device, Json, Recipe, Seed

if TYPE_CHECKING:
    from whenabouts.core.moments import Moments
    from whenabouts.core.scores import ScoreSequence
    from whenabouts.data.demo.archive import DemoArchive
    from whenabouts.data.project import Project
    from whenabouts.localizers.comparison import Compared
    from whenabouts.localizers.winners_out import WinnersOut

TIOU = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
FEW, LEAST_TAGGED = 100, 2
WINDOWS_SECONDS = (2.0, 4.0, 6.0)
FRAMES = {None: "ordered", "single-frame": "single", "shuffled": "shuffled"}

Out = Annotated[Path, typer.Option("--out", help="The folder to write to.")]
Videos = Annotated[
    int | None,
    typer.Option(
        "--videos", min=12, help="How many videos in all; with fewer than 100 little is learned.", show_default="440"
    ),
]
Control = Annotated[
    Literal["single-frame", "shuffled"] | None,
    typer.Option(
        "--control",
        help="Take motion from the backbone: it sees one frame of each clip, or all in random order.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Stage:
    """One stage of the demo: what was done, how long it took, and what the command said of itself."""

    name: str
    seconds: float
    outcome: dict[str, Any]


@dataclass(frozen=True)
class _Chosen:
    """What the demo was told, for the commands that it runs."""

    seed: int
    order: str
    device: str
    recipe: Path | None


def demo(
    out: Out = Path("demo"),
    seed: Seed = 0,
    videos: Videos = None,
    control: Control = None,
    recipe: Recipe = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Render videos with weak labels, find the moments in held-out ones, and show them on a page.

    Every stage is a command that you could type yourself, and is printed as it runs; a recipe goes to all of them. The
    concepts to learn are named by the archive's own list (import --concepts), as its other tags are noise. Writes
    OUT/archive, OUT/project and OUT/demo.html; an archive that an earlier demo of the same seed and size rendered is
    used again.
    """
    from whenabouts.data.project import Project
    from whenabouts.page.demo_page import write_demo_page

    terminal = Terminal(as_json=as_json)
    name = "project" if control is None else f"project-{control}"
    page = out / ("demo.html" if control is None else f"demo-{control}.html")
    archive, rendered = _rendered(out / "archive", seed, videos, terminal)
    chosen = _Chosen(seed, FRAMES[control], device, recipe)
    stages = [Stage("render", rendered, {}), *_stages(archive, out / name, terminal, chosen)]
    home = Project(out / name)
    started = time.perf_counter()
    found, scores = _held_out(home)
    truth = _truth(archive)
    compared = _compared(home, found, scores, truth)
    stages.append(Stage("evaluate", time.perf_counter() - started, {}))
    seconds = {stage.name: stage.seconds for stage in stages}
    write_demo_page(page, home, archive, compared, seconds, found=found, truth=truth, scores=scores)
    _tell(terminal, page, compared, stages)


def _rendered(folder: Path, seed: int, videos: int | None, terminal: Terminal) -> tuple["DemoArchive", float]:
    """The archive, rendered or as an earlier demo of the same settings and seed left it, and the seconds it took."""
    from whenabouts.config import as_table
    from whenabouts.core.files import read_json, write_json
    from whenabouts.data.demo.archive import DemoArchive, DemoArchiveSettings, render_archive
    from whenabouts.data.demo.plan import plan_archive

    settings = DemoArchiveSettings() if videos is None else DemoArchiveSettings().scaled(videos)
    told, note = {"seed": seed, **as_table(settings)}, folder / "settings.json"
    if note.is_file() and read_json(note) == json.loads(json.dumps(told)):
        terminal.say(f"Using the archive in {folder}.")
        return DemoArchive(folder, plan_archive(settings, seed=seed)), 0.0
    started = time.perf_counter()
    archive = render_archive(folder, settings=settings, seed=seed, progress=terminal)
    write_json(note, told)
    return archive, time.perf_counter() - started


def _stages(archive: "DemoArchive", project: Path, terminal: Terminal, chosen: "_Chosen") -> list[Stage]:
    """Import, pretrain, extract, train and find, each as the command a user would type.

    Of few videos even two may name a concept; a recipe says itself how many must. Fewer than two concepts raise
    InvalidData.
    """
    from whenabouts.core.errors import InvalidData

    home = ["--project", str(project), *(["--recipe", str(chosen.recipe)] if chosen.recipe else [])]
    both, seed = [*home, "--device", chosen.device], ["--seed", str(chosen.seed)]
    localizer = ["--localizer", "winners-out"]  # What the demo compares with its floors.
    concepts = ",".join(archive.concepts)
    few = ["--min-count", str(LEAST_TAGGED)] if len(archive.plans) < FEW and not chosen.recipe else []
    commands = {
        "import": ["import", "ytdlp", str(archive.train_folder), "--concepts", concepts, *few, *home],
        "import held-out": ["import", "ytdlp", str(archive.heldout_folder), "--split", "test", *home],
        "pretrain": ["pretrain", *both, *seed, "--set", f"backbone.order={chosen.order}"],
        "extract": ["extract", *both],
        "train": ["train", *localizer, *both, *seed],
        "find": ["find", "--split", "test", "--top", "5", *both],
    }  # fmt: skip
    stages = []
    for name, command in commands.items():
        stages.append(_run(name, command, terminal))
        if name == "import held-out" and stages[0].outcome["concepts"] < 2:
            raise InvalidData(
                f"With {len(archive.plans)} videos, tags name {stages[0].outcome['concepts']} concepts often enough, "
                "and it takes two to learn one from the other. Give more --videos (24 are enough), or another --seed."
            )
    return stages


def _run(name: str, command: list[str], terminal: Terminal) -> Stage:
    """Run one verb in a process of its own; its remarks pass through, its result is read."""
    from whenabouts.core.errors import WhenaboutsError

    terminal.say("$ whenabouts " + " ".join(f'"{word}"' if " " in word else word for word in command))
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "whenabouts", *command, "--json"], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise WhenaboutsError(f"The demo stopped at {name!r} (exit code {done.returncode}): its message stands above.")
    return Stage(name, time.perf_counter() - started, json.loads(done.stdout))


def _held_out(home: "Project") -> tuple["Moments", dict[str, "ScoreSequence"]]:
    """What `find` wrote, and the model's scores for the held-out videos."""
    from whenabouts.core.files import read_json
    from whenabouts.core.moments import Moments

    found = Moments.from_json(read_json(home.moments_folder / "moments.json"))
    localizer, store = _localizer(home), home.features()
    scores = {}
    for entry in home.manifest().of_split("test"):
        there = [stream.modality for stream in localizer.streams if store.has(entry.id, stream.modality)]
        if there:
            scores[entry.id] = localizer.score({modality: store.read(entry.id, modality) for modality in there})
    return found, scores


def _localizer(home: "Project") -> "WinnersOut":
    from whenabouts.localizers import WinnersOut

    return WinnersOut.load(home.localizer_folder)


def _truth(archive: "DemoArchive") -> "Moments":
    """The true moments of the held-out videos."""
    from whenabouts.core.files import read_json
    from whenabouts.core.moments import Moments
    from whenabouts.core.vocabulary import Vocabulary

    database = read_json(archive.truth_path)["database"]
    rows = [
        (video_id, row["segment"], row["label"])
        for video_id, video in database.items()
        if video["subset"] == "test"
        for row in video["annotations"]
    ]
    words = Vocabulary(tuple(sorted(archive.concepts)))
    classes = words.encode(row[2] for row in rows)
    return Moments.build([row[0] for row in rows], [row[1] for row in rows], classes, words, kind="truth")


def _compared(
    home: "Project", found: "Moments", scores: dict[str, "ScoreSequence"], truth: "Moments"
) -> list["Compared"]:
    import numpy as np

    from whenabouts.localizers.comparison import compare

    settings = _localizer(home).settings
    return compare(
        found,
        scores,
        truth,
        tiou=np.asarray(TIOU),
        windows_seconds=WINDOWS_SECONDS,
        class_threshold=settings.class_threshold,
        top_classes=settings.top_classes,
        name="winners-out",
    )


def _tell(terminal: Terminal, page: Path, compared: list["Compared"], stages: list[Stage]) -> None:
    import resource

    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 2**20
    width = max(len(each.name) for each in compared)
    lines = [" " * width + "  mAP at tIoU " + "".join(f"{at:>7}" for at in TIOU)]
    lines += [
        f"{each.name:<{width}}              " + "".join(f"{100 * value:7.1f}" for value in each.result.map)
        for each in compared
    ]
    total = sum(stage.seconds for stage in stages)
    lines.append(f"Wrote {page} in {total:.0f} s; largest process {peak:.1f} GB. Open it in a browser.")
    values = {
        "page": str(page),
        "tiou": list(TIOU),
        "map": {each.name: each.result.map.tolist() for each in compared},
        "per_class": dict(zip(compared[0].result.labels, compared[0].result.average_precision.tolist(), strict=True)),
        "seconds": {stage.name: stage.seconds for stage in stages},
        "peak_gigabytes": peak,
        "pretrain": next(stage.outcome for stage in stages if stage.name == "pretrain"),
    }
    terminal.result("\n".join(lines), values)
