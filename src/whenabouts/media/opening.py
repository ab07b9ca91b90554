"""Opening media files with care, and finding the stream and the zero of its clock."""

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from whenabouts.core.errors import MediaError
from whenabouts.media.complaints import Complaints
from whenabouts.media.fetching import fetched

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream


# Errors that FFmpeg hands on from the system.
_OF_THE_SYSTEM = frozenset({
    errno.EACCES, errno.EPERM, errno.ENOENT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EBUSY,
    errno.EINTR, errno.ETIMEDOUT,
})  # fmt: skip


def failures() -> tuple[type[Exception], ...]:
    """What FFmpeg and PyAV raise over broken files; IndexError where streams turn up that no header announced."""
    import av

    return (av.FFmpegError, OSError, ValueError, RuntimeError, ArithmeticError, LookupError, MemoryError)


def passing(error: BaseException | None, path: Path) -> bool:
    """True where a failure says nothing of the file itself: no permission, an unreachable disk, no memory.

    FFmpeg says "input/output error" of cut files too: there it counts whether the file can be read without FFmpeg.
    """
    import av

    if isinstance(error, MediaError):
        return passing(error.__cause__, path)
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, OSError):
        return False
    if error.errno == errno.EIO or not isinstance(error, av.FFmpegError):
        return not isinstance(error, av.FFmpegError) or not _can_be_read(path)
    return error.errno in _OF_THE_SYSTEM


def _can_be_read(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass
    except OSError:
        return False
    return True


@contextmanager
def opened(path: Path, complaints: Complaints | None = None) -> Iterator["InputContainer"]:
    """Open a media file and close it at the end; `complaints` hear what FFmpeg says of its headers.

    One in an object store is fetched first. Of local files no more than the file is read: a playlist can't reach the
    network or other protocols. Raises MediaError with the reason for whatever can't be opened.
    """
    with ExitStack() as held:
        try:
            copy = held.enter_context(fetched(path))
        except OSError as error:
            raise MediaError(f"It can't be fetched: {error.strerror or error}.") from error
        yield held.enter_context(_opened(copy, complaints))


@contextmanager
def _opened(path: Path, complaints: Complaints | None) -> Iterator["InputContainer"]:
    import av

    if not path.is_file():
        raise MediaError(f"There is no file {path}.")
    if path.stat().st_size == 0:
        raise MediaError("The file is empty (0 bytes).")
    options = {"protocol_whitelist": "file", "format_blacklist": "hls,concat,dash,tty,ansi"}
    try:
        with complaints.heard() if complaints is not None else nullcontext():
            container = av.open(f"file:{path.absolute()}", metadata_errors="replace", container_options=options)
    except failures() as error:
        raise MediaError(f"The file can't be opened: {told(error)}.") from error
    with container:
        yield container


def video_stream(container: "InputContainer") -> "VideoStream":
    """The film: of the streams marked as default the one with most pixels; cover pictures are none. Else MediaError."""
    from av.stream import Disposition

    films = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    films = [stream for stream in films if stream.codec_context is not None]
    if not films:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise MediaError(f"The file holds no video stream (it holds: {kinds}).")
    defaults = [stream for stream in films if stream.disposition & Disposition.default] or films
    return max(defaults, key=lambda stream: (stream.width * stream.height, -stream.index))


def audio_stream(container: "InputContainer") -> "AudioStream":
    """The audio stream that FFmpeg thinks best; MediaError if there is none."""
    best = container.streams.best("audio")
    if best is None:
        raise MediaError("The file holds no audio stream.")
    return next(stream for stream in container.streams.audio if stream.index == best.index)


def zero_of(container: "InputContainer") -> Fraction:
    """Seconds at which the file's clock starts: the first of its sound and pictures, as players count."""
    from av.stream import Disposition

    starts = [
        stream.start_time * stream.time_base
        for stream in (*container.streams.video, *container.streams.audio)
        if stream.start_time is not None and stream.time_base and not stream.disposition & Disposition.attached_pic
    ]
    if starts:
        return min(starts)
    return Fraction(container.start_time or 0, 1_000_000)


def end_of(stream: "Stream") -> Fraction | None:
    """Seconds at which a stream says it ends, on the file's own clock; None where it says nothing."""
    start = (stream.start_time or 0) * (stream.time_base or Fraction(0))
    if stream.duration and stream.time_base:
        return start + stream.duration * stream.time_base
    return None


def told(error: BaseException) -> str:
    """A short reason from an error of FFmpeg or the system, without paths."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).strip().rstrip(".")
