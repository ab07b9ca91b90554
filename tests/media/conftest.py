"""Small videos of many kinds whose pictures carry their own number, made once per session."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from whenabouts.media.numbered import numbered_picture
from whenabouts.media.writing import Encoding, Sound, write_video

COUNT = 150
RATE = Fraction(25)
X264 = {"preset": "veryfast", "bf": "3", "threads": "1"}
CFR = [k / 25 for k in range(COUNT)]


@dataclass(frozen=True)
class Numbered:
    """A video and the truth about it: `times[k]` is when the picture with number `first + k` appears."""

    path: Path
    times: list[float]
    first: int = 0


def variable_times() -> list[float]:
    steps = np.random.default_rng(7).choice([1, 1, 1, 2, 3, 9], COUNT - 1) / 30
    return [0.0, *np.cumsum(steps).tolist()]


VP9 = {"deadline": "realtime", "cpu-used": "8"}

KINDS: dict[str, tuple[str, list[float], Encoding]] = {
    "mp4 constant rate, B-frames": ("cfr.mp4", CFR, Encoding(options=X264, keyframe_every=30)),
    "mp4 open GOP": ("open.mp4", CFR, Encoding(options={**X264, "x264-params": "open-gop=1:keyint=24:min-keyint=24"})),
    "mp4 start 0.5 s": ("start.mp4", [t + 0.5 for t in CFR], Encoding(options=X264, keyframe_every=30)),
    "mkv": ("plain.mkv", CFR, Encoding(options=X264, keyframe_every=30)),
    "mp4 variable rate": ("vfr.mp4", variable_times(), Encoding(options=X264, keyframe_every=30)),
    "avi mpeg4": ("plain.avi", CFR, Encoding(codec="mpeg4", options={"threads": "1"}, keyframe_every=30)),
    "webm vp9": ("plain.webm", CFR, Encoding(codec="libvpx-vp9", options=VP9)),
    "ts": ("plain.ts", CFR, Encoding(options=X264, keyframe_every=30)),
}


def make(path: Path, times: list[float], encoding: Encoding, *, rate: Fraction = RATE, **more: Any) -> Path:
    write_video(path, (numbered_picture(k) for k in range(len(times))), times, rate=rate, encoding=encoding, **more)
    return path


@pytest.fixture(scope="session")
def encode() -> Callable[..., Path]:
    """Write numbered pictures at given times: `encode(path, times, codec=..., options=..., sound=..., rate=...)`."""

    def encoded(
        path: Path, times: list[float], *, rate: Fraction = RATE, sound: Sound | None = None, **how: Any
    ) -> Path:
        usual = X264 if how.get("codec", "libx264") == "libx264" else {}
        how["options"] = {**usual, **how.get("options", {})}
        return make(path, times, Encoding(**how), rate=rate, sound=sound)

    return encoded


def cut_without_decoding(source: Path, target: Path, *, first_packet: int, first_shown: int) -> None:
    """Copy packets from a key frame on; what comes before `first_shown` is hidden by an edit list."""
    with av.open(str(source)) as whole, av.open(str(target), "w", options={"avoid_negative_ts": "disabled"}) as part:
        film = whole.streams.video[0]
        copy = part.add_stream_from_template(film)
        packets = [packet for packet in whole.demux(film) if packet.size]
        zero = sorted(packet.pts for packet in packets)[first_shown]
        for packet in packets[first_packet:]:
            packet.pts, packet.dts, packet.stream = packet.pts - zero, packet.dts - zero, copy
            part.mux(packet)


@pytest.fixture(scope="session")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Numbered]:
    """The nine kinds of file on which random access must be right to the frame."""
    folder = tmp_path_factory.mktemp("numbered")
    made = {}
    for kind, (name, times, encoding) in KINDS.items():
        made[kind] = Numbered(make(folder / name, times, encoding), [time - times[0] for time in times])
    cut_without_decoding(folder / "cfr.mp4", folder / "edit.mp4", first_packet=30, first_shown=42)
    made["mp4 edit list"] = Numbered(folder / "edit.mp4", CFR[: COUNT - 42], 42)
    return made
