"""THUMOS14's text format of detections: `video start end class score`, one a line, times in seconds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from whenabouts.core.errors import InvalidData

OFFICIAL_NUMBERS: Mapping[str, int] = {
    "BaseballPitch": 7, "BasketballDunk": 9, "Billiards": 12, "CleanAndJerk": 21, "CliffDiving": 22,
    "CricketBowling": 23, "CricketShot": 24, "Diving": 26, "FrisbeeCatch": 31, "GolfSwing": 33, "HammerThrow": 36,
    "HighJump": 40, "JavelinThrow": 45, "LongJump": 51, "PoleVault": 68, "Shotput": 79, "SoccerPenalty": 85,
    "TennisSwing": 92, "ThrowDiscus": 93, "VolleyballSpiking": 97,
}  # fmt: skip
"""Classes of the detection task by their numbers among UCF101's (the kit's detclasslist.txt)."""


def read_detections(path: Path, numbers: Mapping[str, int] = OFFICIAL_NUMBERS) -> dict[str, Any]:
    """Detections as an ActivityNet results object; a class without a name keeps its number as its label.

    A line that can't be read raises InvalidData, for a ranked list with holes has another score.
    """
    names = {number: name for name, number in numbers.items()}
    results: dict[str, list[dict[str, Any]]] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InvalidData(f"There is no file {path}.") from None
    except UnicodeDecodeError as error:
        raise InvalidData(f"{path} is not text: {error}.") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            video_id, start, end, index, score = line.split()
            row = {"label": names.get(int(index), index), "segment": [float(start), float(end)], "score": float(score)}
        except ValueError:
            raise InvalidData(
                f"{path} line {number} is {line[:80]!r}, not `video start end class score`. Mend the line."
            ) from None
        results.setdefault(video_id, []).append(row)
    return {"version": "THUMOS14", "external_data": {}, "results": results}
