"""Small videos of many kinds, and the ways in which files get damaged; everything follows from one seed."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from whenabouts.media.numbered import numbered_picture
from whenabouts.media.parts import Part
from whenabouts.media.writing import Encoding, Sound, write_video

FRAMES, HEIGHT, WIDTH = 75, 96, 128
X264 = {"preset": "veryfast", "bf": "2", "threads": "1"}
X265 = {"preset": "ultrafast", "x265-params": "log-level=none"}
AV1 = {"preset": "12", "crf": "35"}
MPEG2 = {"bf": "2", "b": "400000"}
VPX = {"deadline": "realtime", "cpu-used": "8"}

# name -> (container, codec, with sound, encoding)
SOURCES = {
    "mp4": ("mp4", "H.264", True, Encoding(options=X264, keyframe_every=25)),
    "hevc.mp4": ("mp4", "HEVC", False, Encoding(codec="libx265", options=X265, keyframe_every=25)),
    "mkv": ("mkv", "H.264", True, Encoding(options=X264, keyframe_every=25)),
    "av1.mkv": (
        "mkv",
        "AV1",
        False,
        Encoding(codec="libsvtav1", options=AV1, keyframe_every=25),
    ),
    "webm": ("webm", "VP9", True, Encoding(codec="libvpx-vp9", options=VPX, sound_codec="libopus", keyframe_every=25)),
    "vp8.webm": ("webm", "VP8", False, Encoding(codec="libvpx", options=VPX, keyframe_every=25)),
    "avi": (
        "avi",
        "MPEG-4",
        True,
        Encoding(codec="mpeg4", options={"threads": "1", "b": "300000"}, sound_codec="mp3", keyframe_every=25),
    ),
    "ts": ("ts", "H.264", True, Encoding(options=X264, keyframe_every=25)),
    "mpeg2.ts": (
        "ts",
        "MPEG-2",
        False,
        Encoding(codec="mpeg2video", options=MPEG2, keyframe_every=12),
    ),
    "mov": ("mov", "H.264", False, Encoding(options=X264, keyframe_every=25)),
}

WAYS = ("truncated", "bits flipped", "blocks zeroed", "headers broken")


@dataclass(frozen=True)
class Mutant:
    """One damaged file, the source it was made of, and how."""

    path: Path
    source: str
    way: str


def make_sources(folder: Path, names: tuple[str, ...] = tuple(SOURCES)) -> dict[str, Path]:
    """Write three seconds of each kind: numbered pictures with moving noise, and a tone where there is sound."""
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 6, (4, HEIGHT, WIDTH, 3))
    plain = (numbered_picture(k, height=HEIGHT, width=WIDTH) for k in range(FRAMES))
    pictures = [np.clip(picture + noise[k % 4], 0, 255).astype(np.uint8) for k, picture in enumerate(plain)]
    wave = (0.3 * np.sin(np.arange(48_000) / 5.8) + rng.normal(0, 0.05, 48_000)).astype(np.float32)
    made = {}
    for name in names:
        _, _, with_sound, encoding = SOURCES[name]
        made[name] = folder / f"source.{name}"
        times = [k / 25 for k in range(FRAMES)]
        write_video(made[name], pictures, times, encoding=encoding, sound=Sound(wave) if with_sound else None)
    return made


def damaged(data: bytes, way: str, rng: np.random.Generator) -> bytes:
    """The same file, damaged in one of the four ways."""
    changed, size = bytearray(data), len(data)
    if way == "truncated":
        return bytes(changed[: int(size * rng.uniform(0.02, 0.99))])
    if way == "bits flipped":
        for place in rng.integers(0, size, int(rng.choice([1, 2, 8, 64]))):
            changed[place] ^= 1 << int(rng.integers(0, 8))
    elif way == "blocks zeroed":
        length = int(rng.choice([16, 188, 1024, 4096]))
        start = int(rng.integers(0, max(1, size - length)))
        changed[start : start + length] = bytes(min(length, size - start))
    else:
        for _ in range(int(rng.integers(1, 9))):
            low, high = (0, min(size, 1500)) if rng.random() < 0.6 else (max(0, size - 3000), size)
            changed[int(rng.integers(low, high))] = int(rng.integers(0, 256))
    return bytes(changed)


def make_mutants(folder: Path, sources: dict[str, Path], count: int, *, seed: int = 1) -> list[Mutant]:
    """Write `count` damaged files, the sources and the ways taking turns; none is equal to its source."""
    rng, mutants = np.random.default_rng(seed), []
    names = list(sources)
    for k in range(count):
        source, way = names[k % len(names)], WAYS[k // len(names) % len(WAYS)]
        data = sources[source].read_bytes()
        changed = data
        while changed == data:
            changed = damaged(data, way, rng)
        path = folder / f"{k:04d}.{source.rpartition('.')[2]}"
        path.write_bytes(changed)
        mutants.append(Mutant(path, source, way))
    return mutants


def naive_parts(path: Path) -> Iterator[Part]:
    """What PyAV alone gives: times and a digest of each frame, until the end or an exception."""
    times, digests = [], []
    failed = 0
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                times.append(frame.time or 0.0)
                pixels = frame.to_ndarray(format="rgb24")
                digests.append(int.from_bytes(hashlib.blake2b(pixels.tobytes(), digest_size=7).digest(), "big"))
    except Exception:
        failed = 1
    yield {"times": np.array(times), "digests": np.array(digests, np.int64), "failed": np.array([failed])}
