"""Random projects through every format of moments and back: does anything get lost, and how far are times off?

    python benchmarks/export_round_trips.py --out benchmarks/results --projects 1000

Then clips and chapters of films longer than two hours (`film_times.py`). Finished parts are kept in --work.
Files are read back by the libraries of other programs where there is one (pyarrow, pysubs2, OpenTimelineIO and its
reader of CMX 3600, pympi), else as their format says. A moment is lost where its label, with all its signs, or its
times are not found again.
"""

import argparse
import csv
import html
import json
import random
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import film_times
from provenance import made_now, write_result
from whenabouts.core.files import read_json, write_json
from whenabouts.core.moments import Moment, Moments
from whenabouts.core.progress import Silent
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.exporters import EXPORTERS, ExportSettings
from whenabouts.data.exporters.edl import legal_rate
from whenabouts.data.exporters.lines import from_one_line
from whenabouts.data.exporters.marked import rate_of
from whenabouts.data.exporters.protocol import EditSettings, SubtitleFile
from whenabouts.data.exporters.subtitles import JOINER
from whenabouts.data.exporters.webvtt import file_name
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project

RATES = {"12.5": Fraction(25, 2), "23.976": Fraction(24000, 1001), "25": Fraction(25), "29.97": Fraction(30000, 1001),
         "50": Fraction(50), "59.94": Fraction(60000, 1001), "none told": None}  # fmt: skip
LABELS = ("dive", "cake cutting", "a, b; c|d", 'say "hi"', "line\nbreak", "Ünïcödé 跳水 🤿", "<b>bold</b> & -->",
          "=1+1", "back\\nslash", "{\\an8}", " led and trailed ", "tab\tstop", "\u2028", "]]> */ {%", "bell\x07",
          "e\u0301", "-", "0", "very " * 60 + "long")  # fmt: skip
VIDEOS = ("v1", "holiday/beach 1", "überall/ä.b", "日本/跳 水", "a,b", "%20", "x" * 200)
PART = 250
"""Projects that are done and kept together."""
Row = tuple[str, str, float, float]
Reader = Callable[[Path, dict[str, Video]], list[Row]]


def random_project(folder: Path, seed: int, *, rate: str | None = None, rows: int | None = None) -> Project:
    """A project without files: up to 4 videos of up to 3 hours, moments that overlap, touch, or are empty."""
    dice = random.Random(seed)
    home = Project.create(folder)
    ids = dice.sample(VIDEOS, dice.randint(1, 4))
    videos = [
        Video(video_id, Path(f"/archive/{video_id}.mp4"), duration_seconds=dice.choice([3.0, 600.5, 10_800.0]),
              fps=RATES[rate or dice.choice(list(RATES))], height=1080, width=1920, has_audio=dice.random() < 0.5)
        for video_id in ids
    ]  # fmt: skip
    names = dice.sample(LABELS, dice.randint(1, 6))
    moments = [_random_moment(dice, videos, len(names)) for _ in range(dice.randint(0, 12) if rows is None else rows)]
    home.write_manifest(Manifest(tuple(Entry(video) for video in videos)))
    vocabulary = Vocabulary(tuple(names))
    home.write_vocabulary(vocabulary)
    found = Moments.build([each[0] for each in moments], [each[1] for each in moments] or np.zeros((0, 2)),
                          np.asarray([each[2] for each in moments], np.int64), vocabulary,
                          scores=[each[3] for each in moments] or np.zeros(0))  # fmt: skip
    write_json(home.moments_folder / "moments.json", found.to_json())
    return home


def _random_moment(
    dice: random.Random, videos: list[Video], classes: int
) -> tuple[str, tuple[float, float], int, float]:
    video = dice.choice(videos)
    start = dice.choice([0.0, dice.uniform(0, video.duration_seconds), round(dice.uniform(0, video.duration_seconds))])
    start = min(start, video.duration_seconds)
    length = dice.choice([0.0, 0.001, dice.uniform(0, 5), dice.uniform(0, 500), video.duration_seconds])
    end = min(start + length, video.duration_seconds)
    return video.id, (start, max(start, end)), dice.randrange(classes), dice.choice([0.5, 1e-9, dice.gauss(0, 10)])


def read_csv(path: Path, videos: dict[str, Video]) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["video"], row["label"], float(row["start"]), float(row["end"])) for row in csv.DictReader(file)]


def read_parquet(path: Path, videos: dict[str, Video]) -> list[Row]:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path).to_pylist()
    return [(row["video"], row["label"], row["start"], row["end"]) for row in table]


def read_activitynet(path: Path, videos: dict[str, Video]) -> list[Row]:
    results = json.loads(path.read_text())["results"]
    return [(name, row["label"], *row["segment"]) for name, rows in results.items() for row in rows]


def _subtitles(ending: str, text_of: Callable[[str], str]) -> Reader:
    def reading(path: Path, videos: dict[str, Video]) -> list[Row]:
        import pysubs2

        found = []
        for video_id in videos:
            file = path / f"{file_name(video_id)}{ending}"
            if file.exists():
                read = pysubs2.load(str(file), encoding="utf-8", keep_unknown_html_tags=True)
                found += [(video_id, text_of(event.text), event.start / 1000, event.end / 1000) for event in read]
        return found

    return reading


def read_metadata(path: Path, videos: dict[str, Video]) -> list[Row]:
    found = []
    for video_id in videos:
        file = path / f"{file_name(video_id)}.vtt"
        for cue in file.read_text(encoding="utf-8").split("\n\n")[1:] if file.exists() else []:
            told = json.loads(cue.split("\n")[2])
            found.append((video_id, told["label"], told["start"], told["end"]))
    return found


def read_otio(path: Path, videos: dict[str, Video]) -> list[Row]:
    import opentimelineio

    timeline = opentimelineio.adapters.read_from_file(str(path), "otio_json")
    return [
        (clip.metadata["whenabouts"]["video"], clip.metadata["whenabouts"]["label"],
         clip.source_range.start_time.to_seconds(), clip.source_range.end_time_exclusive().to_seconds())
        for clip in timeline.find_clips()
    ]  # fmt: skip


def read_edl(path: Path, videos: dict[str, Video]) -> list[Row]:
    import opentimelineio

    found = []
    for video in videos.values():
        for file in sorted(path.glob(f"{_escaped(file_name(video.id))}*.edl")):
            if file.stem.removeprefix(file_name(video.id)).strip(" 0123456789"):
                continue
            rate = legal_rate(rate_of(video, 25.0))
            base = float(round(rate))  # A time code counts whole frames; how long one lasts is the rate's matter.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                timeline = opentimelineio.adapters.read_from_file(str(file), "cmx_3600", rate=base)
            for clip in timeline.find_clips():
                span = clip.source_range
                label = clip.markers[0].name if clip.markers else ""
                found.append((video.id, from_one_line(label), float(round(span.start_time.value) / rate),
                              float(round(span.end_time_exclusive().value) / rate)))  # fmt: skip
    return found


def read_fcpxml(path: Path, videos: dict[str, Video]) -> list[Row]:
    def seconds(text: str) -> Fraction:
        return Fraction(text.removesuffix("s"))

    root = ElementTree.parse(path).getroot()
    found = []
    for clip in root.iterfind("./library/event/asset-clip"):
        for keyword in clip.iterfind("keyword"):
            start = seconds(keyword.attrib["start"])
            found.append((from_one_line(clip.attrib["name"]), from_one_line(keyword.attrib["value"]), float(start),
                          float(start + seconds(keyword.attrib["duration"]))))  # fmt: skip
    return found


def read_label_studio(path: Path, videos: dict[str, Video]) -> list[Row]:
    found = []
    for task in json.loads(path.read_text()):
        rate = Fraction(task["data"]["fps_exact"])
        for region in task["predictions"][0]["result"]:
            span = region["value"]["ranges"][0]
            found.append((task["data"]["id"], region["value"]["timelinelabels"][0], float((span["start"] - 1) / rate),
                          float(span["end"] / rate)))  # fmt: skip
    return found


def read_fiftyone(path: Path, videos: dict[str, Video]) -> list[Row]:
    files = json.loads((path / "data.json").read_text())
    ids = {str(video.path): video.id for video in videos.values()}
    labels = json.loads((path / "labels.json").read_text())["labels"]
    return [(ids[files[key]], row["label"], *row["timestamps"]) for key, rows in labels.items() for row in rows]


def read_via(path: Path, videos: dict[str, Video]) -> list[Row]:
    told = json.loads(path.read_text())
    ids = {str(video.path): video.id for video in videos.values()}
    names = told["attribute"]["1"]["options"]
    return [(ids[told["file"][told["view"][row["vid"]]["fid_list"][0]]["src"]], names[row["av"]["1"]], *row["z"])
            for row in told["metadata"].values()]  # fmt: skip


def read_elan(path: Path, videos: dict[str, Video]) -> list[Row]:
    from pympi import Eaf

    found = []
    for video_id in videos:
        file = path / f"{file_name(video_id)}.eaf"
        if not file.exists():
            continue
        document = Eaf(str(file))
        for tier in document.get_tier_names():
            found += [(video_id, from_one_line(value.rpartition(" [")[0]), start / 1000, stop / 1000)
                      for start, stop, value in document.get_annotation_data_for_tier(tier)]  # fmt: skip
    return found


def read_boris(path: Path, videos: dict[str, Video]) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["Observation id"], row["Behavior"], float(row["Start (s)"]), float(row["Stop (s)"]))
                for row in csv.DictReader(file)]  # fmt: skip


def read_google_video(path: Path, videos: dict[str, Video]) -> list[Row]:
    ids = {str(video.path): video.id for video in videos.values()}
    found = []
    for result in json.loads(path.read_text())["response"]["annotationResults"]:
        for label in result["shotLabelAnnotations"]:
            for each in label["segments"]:
                times = (float(each["segment"][key].removesuffix("s")) for key in ("startTimeOffset", "endTimeOffset"))
                found.append((ids[result["inputUri"]], label["entity"]["description"], *times))
    return found


@dataclass(frozen=True)
class Format:
    """How a format is written and read; times may be off by half a `tick` of seconds, or of the video's frames (0)."""

    kind: str
    read: Reader
    tick: float | None
    settings: dict[str, Any]

    def fits(self, moment: Moment, span: tuple[float, float], video: Video) -> bool:
        """Whether both edges are where rounding puts them; a moment shorter than a tick becomes one long."""
        tick = self.tick
        if tick is None:
            rate = rate_of(video, 25.0)
            tick = float(1 / (legal_rate(rate) if self.kind == "edl" else rate))
        short = moment.end_seconds - moment.start_seconds < 2 * tick
        return (
            abs(span[0] - moment.start_seconds) <= tick / 2 + 1e-9
            and abs(span[1] - moment.end_seconds) <= (1.5 if short else 0.5) * tick + 1e-9
        )


FORMATS = {
    "csv": Format("csv", read_csv, 0.0, {}),
    "parquet": Format("parquet", read_parquet, 0.0, {}),
    "activitynet": Format("activitynet", read_activitynet, 0.0, {}),
    "srt": Format("srt", _subtitles(".srt", lambda text: from_one_line(text.replace(JOINER, ""))), 0.001, {}),
    "webvtt chapters": Format("webvtt", _subtitles(".vtt", lambda text: from_one_line(html.unescape(text))), 0.001,
                              {"webvtt": SubtitleFile(kind="chapters")}),
    "webvtt metadata": Format("webvtt", read_metadata, 0.0, {"webvtt": SubtitleFile(kind="metadata")}),
    "otio": Format("otio", read_otio, None, {"edit": EditSettings(order="score")}),
    "edl": Format("edl", read_edl, None, {}),
    "fcpxml": Format("fcpxml", read_fcpxml, None, {}),
    "label-studio": Format("label-studio", read_label_studio, None, {}),
    "fiftyone": Format("fiftyone", read_fiftyone, 0.0, {}),
    "via": Format("via", read_via, 0.0, {}),
    "elan": Format("elan", read_elan, 0.001, {}),
    "boris": Format("boris", read_boris, 0.0, {}),
    "google-video": Format("google-video", read_google_video, 1e-9, {}),
}  # fmt: skip


def compared(wanted: Moments, read: list[Row], videos: dict[str, Video], kind: Format) -> dict[str, float]:
    """How many moments are lost or come from nowhere, and the largest error of a start in seconds."""
    left: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for video_id, label, start, end in read:
        left.setdefault((video_id, label), []).append((start, end))
    lost, worst = 0, 0.0
    for moment in sorted(wanted, key=lambda each: (each.start_seconds, each.end_seconds)):
        rows = left.get((moment.video_id, moment.concept), [])
        fitting = [row for row in rows if kind.fits(moment, row, videos[moment.video_id])]
        if not fitting:
            lost += 1
            continue
        nearest = min(fitting, key=lambda row: abs(row[0] - moment.start_seconds) + abs(row[1] - moment.end_seconds))
        rows.remove(nearest)
        worst = max(worst, abs(nearest[0] - moment.start_seconds))
    return {"lost": lost, "strange": sum(map(len, left.values())), "worst": worst}


def round_trip(project: Project, name: str, folder: Path) -> dict[str, float]:
    """Write a project in a format, read it back, and compare."""
    kind = FORMATS[name]
    target = folder / f"out-{kind.kind}"
    EXPORTERS[kind.kind](project, target, ExportSettings(**kind.settings), progress=Silent())
    videos = {entry.id: entry.video for entry in project.manifest()}
    return compared(_moments(project), kind.read(target, videos), videos, kind)


def _moments(project: Project) -> Moments:
    return Moments.from_json(read_json(project.moments_folder / "moments.json"))


def _escaped(name: str) -> str:
    return "".join(f"[{sign}]" if sign in "[]*?" else sign for sign in name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("benchmarks/work/export_round_trips"))
    parser.add_argument("--projects", type=int, default=1000)
    parser.add_argument("--minutes", type=int, default=122, help="of the films")
    asked = parser.parse_args()
    parts = [range(first, min(first + PART, asked.projects)) for first in range(0, asked.projects, PART)]
    projects = [_kept(asked.work / f"projects-{part[0]}-{part[-1]}.json", partial(projects_part, part))
                for part in parts]  # fmt: skip
    films = {rate: _kept(asked.work / f"films-{rate}-{asked.minutes}.json",
                         partial(film_times.films_part, rate, asked.minutes))
             for rate in film_times.RATES}  # fmt: skip
    lost, worst = _summed(projects)
    values = {"lost": lost, "worst_start_seconds": worst, "films": films}
    page = _page(lost, worst, asked.projects) + "\n".join(film_times.page(films, asked.minutes))
    write_result(asked.out, "export_round_trips", values, page, cells=[*projects, *films.values()])


def _kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    if not path.exists():
        write_json(path, {**make(), "made": made_now()})
        print(f"{path.stem} is done.", flush=True)
    return read_json(path)


def projects_part(seeds: range) -> dict[str, Any]:
    """The round trips of some projects, one a seed."""
    lost = {name: {"projects": 0, "moments": 0, "lost": 0, "strange": 0} for name in FORMATS}
    worst: dict[str, dict[str, float]] = {name: dict.fromkeys(RATES, 0.0) for name in FORMATS}
    with tempfile.TemporaryDirectory() as temporary:
        for seed in seeds:
            folder = Path(temporary) / str(seed)
            rate = list(RATES)[seed % len(RATES)]
            project = random_project(folder / "p", seed, rate=rate)
            count = len(_moments(project))
            for name in FORMATS:
                result = round_trip(project, name, folder)
                row = lost[name]
                row["projects"] += 1
                row["moments"] += count
                row["lost"] += int(result["lost"])
                row["strange"] += int(result["strange"])
                worst[name][rate] = max(worst[name][rate], result["worst"])
    return {"lost": lost, "worst": worst}


def _summed(parts: list[dict[str, Any]]) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    lost = {name: {key: sum(part["lost"][name][key] for part in parts) for key in parts[0]["lost"][name]}
            for name in FORMATS}  # fmt: skip
    worst = {name: {rate: max(part["worst"][name][rate] for part in parts) for rate in RATES} for name in FORMATS}
    return lost, worst


def _page(lost: dict[str, dict[str, int]], worst: dict[str, dict[str, float]], projects: int) -> str:
    lines = [
        "# Moments out to other programs, and back", "",
        f"Made by `python benchmarks/export_round_trips.py --out benchmarks/results --projects {projects}`: random "
        "projects without video files (moments that overlap, touch, are empty or lie beyond two hours; labels with "
        "commas, line breaks, markup, control signs and all scripts), written in each format and read back.", "",
        "The right columns: the largest error of a moment's start, in milliseconds, by the frame rate of the videos. "
        "Formats that count frames round to the nearest one (at most half a frame); an edit list of 12.5 frames a "
        "second counts 25.", "",
        f"| format | moments | lost | from nowhere | {' | '.join(f'{rate}' for rate in RATES)} |",
        f"|---|---|---|---|{'---|' * len(RATES)}",
    ]  # fmt: skip
    for name, row in lost.items():
        errors = " | ".join(f"{worst[name][rate] * 1000:.3f}" for rate in RATES)
        lines.append(f"| {name} | {row['moments']:,} | {row['lost']} | {row['strange']} | {errors} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
