"""Copies of videos after edits: how many are found, and how many other videos are taken for copies.

    python benchmarks/near_copies.py ../shared/data --out benchmarks/results --work WORK

Thresholds are chosen on the yoga takes of half of the persons and three edits; figures are of the takes of the other
persons, of other real clips, and of other edits. Other takes of one person before one camera are the hard negatives.
"""

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from provenance import write_result
from whenabouts.core.progress import Silent
from whenabouts.data.copies import hashed
from whenabouts.data.manifest import Entry
from whenabouts.data.near_copies import HashedVideo, NearCopySettings, copies_by_frames
from whenabouts.media.probe import probe
from whenabouts.media.reader import VideoReader
from whenabouts.media.writing import Encoding, write_video

Picture = NDArray[np.uint8]
RATE = 12
ENDINGS = ("mp4", "avi", "mkv", "webm")
CHOSEN_ON = ("re-encoded", "half size", "mirrored")
RADII = (40, 50, 60, 70, 80, 90)
MOST_ALARMS = 0.05
SHARES = (0.3, 0.5, 0.7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path, help="the folder that holds yoga6/ and clips/")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--work", type=Path, required=True, help="where edited videos are kept")
    given = parser.parse_args()
    begun = time.process_time()
    tuning, others, clips = sources(given.shared)
    how, grid = chosen(tuning, given.work)
    rows = [measured("yoga takes of other persons", others, how, given.work),
            measured("other real clips", clips, how, given.work)]  # fmt: skip
    told = {
        "load": os.getloadavg()[0], "cpu_seconds": time.process_time() - begun, "grid": grid,
        "radius": how.radius, "share": how.share, "rows": rows,
        "chosen_on": {"videos": len(tuning), "edits": CHOSEN_ON},
    }  # fmt: skip
    write_result(given.out, "near_copies", told, page(told))
    print(page(told))


def sources(shared: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """Takes of every second person, to choose by; those of the others; and other real clips."""
    takes = sorted((shared / "yoga6" / "videos").glob("*.mp4"))
    persons = sorted({path.name[:3] for path in takes})
    tuning = [path for path in takes if path.name[:3] in persons[::2]]
    others = [path for path in takes if path.name[:3] in persons[1::2]]
    return tuning, others, [path for path in sorted((shared / "clips").glob("*/*")) if usable(path)]


def usable(path: Path) -> bool:
    return path.suffix[1:] in ENDINGS and probe(path).duration_seconds >= 3


def mirrored(picture: Picture) -> Picture:
    return picture[:, ::-1]


def halved(picture: Picture) -> Picture:
    return picture[: picture.shape[0] // 4 * 4 : 2, : picture.shape[1] // 4 * 4 : 2]


def cropped(picture: Picture) -> Picture:
    rows, columns = (round(side * 0.05) for side in picture.shape[:2])
    return even(picture[rows:-rows, columns:-columns])


def barred(picture: Picture) -> Picture:
    bar = np.zeros((picture.shape[0] // 8 * 2, *picture.shape[1:]), np.uint8)
    return np.concatenate([bar, picture, bar])


def with_logo(picture: Picture) -> Picture:
    marked = picture.copy()
    side = max(8, picture.shape[0] // 8)
    marked[4 : 4 + side, -4 - 2 * side : -4] = [230, 40, 40]
    marked[4 + side // 4 : 4 + side // 2, -4 - 2 * side : -4] = 250
    return marked


def even(picture: Picture) -> Picture:
    return picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]


# Name -> what is done to each picture, how many times as fast, quality of the encoder (greater is worse).
EDITS: dict[str, tuple[Callable[[Picture], Picture], float, int]] = {
    "re-encoded": (even, 1.0, 30),
    "half size": (halved, 1.0, 26),
    "mirrored": (mirrored, 1.0, 23),
    "crop to 90 %": (cropped, 1.0, 23),
    "0.9 times as fast": (even, 0.9, 23),
    "1.1 times as fast": (even, 1.1, 23),
    "letterboxed": (barred, 1.0, 23),
    "logo": (with_logo, 1.0, 23),
    "mirrored, cropped, low quality": (lambda picture: cropped(mirrored(picture)), 1.0, 38),
}


def edited(path: Path, edit: str, work: Path) -> Path:
    """The edited copy, made once."""
    change, speed, quality = EDITS[edit]
    target = (
        work / edit.replace(" ", "-").replace("%", "percent").replace(",", "") / path.suffix[1:] / f"{path.stem}.mp4"
    )
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        frames = [(seconds / speed, even(change(pixels))) for seconds, pixels in VideoReader(path, rate=RATE)]
        size = min(picture.shape[:2] for _, picture in frames)
        kept = [(seconds, np.ascontiguousarray(picture[: size[0], : size[1]])) for seconds, picture in frames]
        encoding = Encoding(options={"preset": "ultrafast", "crf": str(quality)}, time_base=Fraction(1, 9000))
        write_video(target, [picture for _, picture in kept], [seconds for seconds, _ in kept], encoding=encoding)
    return target


def hashes(paths: Sequence[Path], prefix: str, how: NearCopySettings) -> list[HashedVideo]:
    entries = [
        Entry(
            probe(
                path,
                video_id=f"{prefix}/{path.parent.name if path.parent.name in ENDINGS else path.suffix[1:]} {path.stem}",
            )
        )
        for path in paths
    ]
    return list(hashed(entries, how, Silent()))


def chosen(paths: Sequence[Path], work: Path) -> tuple[NearCopySettings, list[dict[str, Any]]]:
    """The widest radius, then the smallest share, at which at most one pair of takes in twenty is a false alarm.

    Wide on purpose: a copy that stays costs more than a video that goes, and most archives look less alike than takes
    before one camera.
    """
    plain = NearCopySettings()
    originals = hashes(paths, "original", plain)
    copies = {edit: hashes([edited(path, edit, work) for path in paths], edit, plain) for edit in CHOSEN_ON}
    grid = []
    for radius, share in product(RADII, SHARES):
        how = NearCopySettings(radius=radius, share=share)
        found = [scores(originals, copies[edit], how) for edit in CHOSEN_ON]
        alarms = false_alarms(originals, how)
        grid.append({"radius": radius, "share": share, "recall": float(np.mean(found)), "false_alarms": alarms})
    best = max(grid, key=lambda row: (row["false_alarms"] <= MOST_ALARMS, row["radius"], -row["share"]))
    return NearCopySettings(radius=best["radius"], share=best["share"]), grid


def scores(originals: Sequence[HashedVideo], copies: Sequence[HashedVideo], how: NearCopySettings) -> float:
    """The share of the copies that are found as copies of their own original."""
    pairs = {
        (pair.source.split("/", 1)[1], pair.target.split("/", 1)[1])
        for pair in copies_by_frames(copies, originals, how)
    }
    return float(np.mean([(copy.video_id.split("/", 1)[1],) * 2 in pairs for copy in copies]))


def false_alarms(originals: Sequence[HashedVideo], how: NearCopySettings) -> float:
    """The share of pairs of different videos that are taken for copies."""
    pairs = copies_by_frames(originals, None, how)
    count = len(originals)
    return len(pairs) / max(1, count * (count - 1))


def measured(name: str, paths: Sequence[Path], how: NearCopySettings, work: Path) -> dict[str, Any]:
    originals = hashes(paths, "original", how)
    recall = {}
    for edit in EDITS:
        copies = hashes([edited(path, edit, work) for path in paths], edit, how)
        recall[edit] = scores(originals, copies, how)
    alarms = copies_by_frames(originals, None, how)
    return {
        "name": name, "videos": len(paths), "hashed": len(originals), "recall": recall,
        "false_alarms": false_alarms(originals, how),
        "videos_with_a_false_alarm": len({pair.source for pair in alarms}),
        "examples": [pair.to_json() for pair in alarms[:6]],
    }  # fmt: skip


def page(told: Mapping[str, Any]) -> str:
    rows = told["rows"]
    lines = [
        "# Edited copies found by hashes of frames",
        "",
        "`python benchmarks/near_copies.py ../shared/data --out benchmarks/results --work WORK`",
        "",
        f"One frame a second. Radius {told['radius']} of 256 bits and share {told['share']} were chosen on "
        f"{told['chosen_on']['videos']} yoga takes of other",
        f"persons with three edits ({', '.join(CHOSEN_ON)}), which are marked *; no video below had a part in it.",
        f"{told['cpu_seconds']:.0f} CPU s in this process beside decoding in others, load {told['load']:.1f}.",
        "",
        "| recall of edit | "
        + " | ".join(f"{row['name']} ({row['hashed']} of {row['videos']})" for row in rows)
        + " |",
        "|---|" + "---|" * len(rows),
    ]
    for edit in EDITS:
        mark = " *" if edit in CHOSEN_ON else ""
        lines.append(f"| {edit}{mark} | " + " | ".join(f"{100 * row['recall'][edit]:.0f} %" for row in rows) + " |")
    lines += [
        "| false alarms: pairs of different videos | "
        + " | ".join(f"{100 * row['false_alarms']:.2f} %" for row in rows) + " |",
        "| videos that would be lost by them | "
        + " | ".join(f"{row['videos_with_a_false_alarm']} of {row['hashed']}" for row in rows) + " |",
        "",
        "The grid on the tuning takes: recall and false alarms by radius and share.",
        "",
        "| radius | " + " | ".join(f"share {share}" for share in SHARES) + " |",
        "|---|" + "---|" * len(SHARES),
    ]  # fmt: skip
    for radius in RADII:
        cells = [row for row in told["grid"] if row["radius"] == radius]
        told_cells = [f"{100 * row['recall']:.0f} %, {100 * row['false_alarms']:.2f} %" for row in cells]
        lines.append(f"| {radius} | " + " | ".join(told_cells) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
