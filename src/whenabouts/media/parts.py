"""What decoding jobs do: functions that yield a video in parts, to run in a child process."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import MediaError
from whenabouts.core.video import Video
from whenabouts.media.audio import stream_audio
from whenabouts.media.frames import read_frames
from whenabouts.media.mel import stream_log_mel
from whenabouts.media.probe import probe
from whenabouts.media.reader import VideoReader
from whenabouts.media.resizing import middle, resized, target_size
from whenabouts.media.scaling import Pixels

Arrays = Mapping[str, NDArray[Any]]

# A job's function yields these: what is known of the video, arrays, or None for "still at work".
Part = Video | Arrays | None

# A sign of life is sent at least this often while frames come slowly.
_PULSE_SECONDS = 2.0

# Of large frames fewer are put together: so many bytes of them.
_CHUNK_BYTES = 64 << 20


def video_parts(
    path: Path,
    *,
    video_id: str | None = None,
    rate: float | None = None,
    size: Sequence[int] | int | None = None,
    crop: int | None = None,
    resize: str = "area",
    chunk_frames: int = 64,
    threads: int = 1,
    until_seconds: float | None = None,
) -> Iterator[Part]:
    """The frames of a video as `VideoReader` gives them: `seconds` (N,), `frames` (N, H, W, 3), N = `chunk_frames`.

    The first part is what the headers say, the last the outcome of the full reading; of a reading that ends at
    `until_seconds`, it is the headers' word again. `size` and `crop` are as in `target_size` and `middle`; with
    `resize` "bilinear" frames are decoded at their own size, and resized by `bilinear`.
    """
    described = probe(path, video_id=video_id)
    yield described
    target = target_size(size, described.height, described.width, crop=crop)
    own = None if resize == "bilinear" else target
    reader = VideoReader(path, rate=rate, size=own, threads=threads, video_id=described.id)
    end = math.inf if until_seconds is None else until_seconds
    frames = itertools.takewhile(lambda frame: frame[0] < end, reader)
    yield from cropped(
        chunked(frames if own == target or target is None else resized(frames, target), chunk_frames), crop
    )
    yield reader.outcome


def cropped(parts: Iterable[Part], crop: int | None) -> Iterator[Part]:
    """The same parts with the middle `crop` x `crop` pixels of their frames (None: all)."""
    for part in parts:
        whole = crop is None or not isinstance(part, Mapping) or "frames" not in part
        yield part if whole else {**part, "frames": middle(part["frames"], crop)}  # type: ignore[dict-item, index]


def chunked(frames: Iterable[tuple[float, Pixels]], length: int) -> Iterator[Part]:
    """At most `length` frames put together, or as many as fit into 64 MiB; a change of size begins a new chunk.

    None while they come slowly.
    """
    seconds: list[float] = []
    pictures: list[Pixels] = []
    told = monotonic()
    for at, pixels in frames:
        full = len(pictures) == length or (len(pictures) + 1) * pixels.nbytes > _CHUNK_BYTES
        if pictures and (full or pixels.shape != pictures[0].shape):
            yield {"seconds": np.array(seconds), "frames": np.stack(pictures)}
            seconds, pictures, told = [], [], monotonic()
        elif monotonic() - told > _PULSE_SECONDS:
            yield None
            told = monotonic()
        seconds.append(at)
        pictures.append(pixels)
    if pictures:
        yield {"seconds": np.array(seconds), "frames": np.stack(pictures)}


def probe_parts(path: Path, *, video_id: str | None = None) -> Iterator[Part]:
    """What the headers say: the outcome of the job is the probed video, whatever the file does to the child."""
    yield probe(path, video_id=video_id)


def frame_parts(path: Path, *, seconds: Sequence[float], size: tuple[int, int] | None = None) -> Iterator[Part]:
    """The frames on screen at some times, as `read_frames` gives them: `seconds` (N,), `frames` (N, H, W, 3)."""
    yield probe(path)
    times, frames = read_frames(path, seconds, size=_pair(size))
    yield {"seconds": times, "frames": frames}


def log_mel_parts(path: Path, *, bands: int = 64) -> Iterator[Part]:
    """The sound of a file as `stream_log_mel` gives it: `rows` (T, bands). A file without sound gives no part."""
    try:
        for rows in stream_log_mel(stream_audio(path), bands=bands):
            yield {"rows": rows}
    except MediaError:
        return


def _pair(size: Sequence[int] | None) -> tuple[int, int] | None:
    """JSON knows no tuples."""
    return None if size is None else (size[0], size[1])
