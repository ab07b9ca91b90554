"""Sound on the clock of the pictures."""

import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from whenabouts.core.errors import InvalidData, MediaError
from whenabouts.media import audio
from whenabouts.media.audio import Wave, stream_audio
from whenabouts.media.mel import stream_log_mel
from whenabouts.media.reader import VideoReader
from whenabouts.media.writing import Sound

RATE = 16000
CLICKS = np.arange(0.25, 3.9, 0.5)
KINDS = {
    "a.mp4": {"sound_codec": "aac"},
    "b.mov": {"sound_codec": "aac"},
    "c.mkv": {"sound_codec": "aac"},
    "d.mkv": {"sound_codec": "flac"},
    "e.mkv": {"sound_codec": "libopus"},
    "f.webm": {"sound_codec": "libopus", "codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "g.ts": {"sound_codec": "aac"},
    "h.ts": {"sound_codec": "mp2"},
    "i.mp4": {"sound_codec": "libmp3lame"},
}


def read_audio(path: Path, *, rate: int = RATE) -> Wave:
    return np.concatenate(list(stream_audio(path, rate=rate)))


def clicking() -> np.ndarray:
    wave = np.zeros(4 * RATE, np.float32)
    for at in CLICKS:
        start = round(at * RATE)
        wave[start : start + 160] = 0.9 * np.sin(np.arange(160) / 160 * np.pi * 8)
    return wave


def onsets(wave: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Seconds at which the sound near each time first exceeds a third of its peak there."""
    found = []
    for at in times:
        near = np.abs(wave[round((at - 0.2) * RATE) : round((at + 0.2) * RATE)])
        found.append(at - 0.2 + np.argmax(near > near.max() / 3) / RATE)
    return np.array(found)


@pytest.mark.parametrize("start", [0.0, 0.7])
@pytest.mark.parametrize("name", sorted(KINDS))
def test_clicks_are_heard_when_they_are_seen(
    encode: Callable[..., Path], tmp_path: Path, name: str, start: float
) -> None:
    times = [k / 25 for k in range(100)]
    path = encode(tmp_path / name, times, sound=Sound(clicking(), RATE, start), **KINDS[name])
    first_frame = next(iter(VideoReader(path)))[0]  # later than 0 where the encoder's lead-in is stored before it
    expected = CLICKS + start + first_frame
    offsets = onsets(read_audio(path), expected) - expected
    # MP3 keeps the silence of its encoder and decoder (1105 samples and more), where nothing tells to skip it.
    assert np.abs(offsets - offsets[0]).max() < 0.002
    assert -0.002 < offsets[0] < (0.075 if "mp3" in KINDS[name]["sound_codec"] else 0.002)


def test_nine_kinds_ran() -> None:
    assert len(KINDS) == 9


def test_chunks_put_together_are_the_whole(encode: Callable[..., Path], tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", [0.0, 0.04], sound=Sound(clicking(), RATE, 0.3))
    whole = read_audio(path)
    assert whole.dtype == np.float32
    for chunk_seconds in (0.01, 0.37, 1.0, 60.0):
        chunks = list(stream_audio(path, chunk_seconds=chunk_seconds))
        assert {len(chunk) for chunk in chunks[:-1]} <= {round(chunk_seconds * RATE)}
        assert (np.concatenate(chunks) == whole).all()
    assert len(read_audio(path, rate=8000)) == pytest.approx(len(whole) / 2, abs=2)


def packets_of_pcm(path: Path, pieces: list[tuple[float, np.ndarray]], rate: int = RATE) -> Path:
    """Raw sound in Matroska, each piece at its own time."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout="mono")
        for start, wave in pieces:
            frame = av.AudioFrame.from_ndarray((wave[None] * 32767).astype(np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = rate, round(start * rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_gaps_are_silent_and_overlaps_are_cut(tmp_path: Path) -> None:
    loud = np.full(RATE, 0.5, np.float32)
    gap = read_audio(packets_of_pcm(tmp_path / "gap.mkv", [(0.0, loud), (2.0, loud), (3.0, loud)]))
    assert len(gap) == 4 * RATE
    assert np.flatnonzero(np.diff(np.abs(gap) > 0.1)).tolist() == [RATE - 1, 2 * RATE - 1]
    overlap = read_audio(packets_of_pcm(tmp_path / "over.mkv", [(0.0, loud), (0.75, -loud)]))
    assert len(overlap) == round(1.75 * RATE)
    assert (overlap[:RATE] > 0.4).all()
    assert (overlap[RATE:] < -0.4).all()


def test_rounded_times_make_no_holes(tmp_path: Path) -> None:
    """Matroska rounds to milliseconds: pieces of 441 samples at 44.1 kHz must stay seamless."""
    rate = 44100
    tone = (0.5 * np.sin(np.arange(rate) * 2 * np.pi * 440 / rate)).astype(np.float32)
    pieces = [(k * 441 / rate, tone[k * 441 : (k + 1) * 441]) for k in range(100)]
    wave = read_audio(packets_of_pcm(tmp_path / "a.mkv", pieces, rate), rate=rate)
    assert len(wave) == rate
    assert np.abs(wave - tone).max() < 1e-3


def test_a_clock_that_leaps_is_not_believed() -> None:
    """A broken time beyond the file's own end, or far back, neither makes hours of silence nor cuts sound away."""
    line, heard = audio._Line(RATE, Fraction(0), declared_end=5.0), []
    for at in (0.0, 1.0, 4000.0, 4001.0, 2.0, -900.0, 5.5):
        frame = av.AudioFrame.from_ndarray(np.full((1, RATE), 0.5, np.float32), format="flt", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), round(at * RATE)
        heard += list(line.lay(frame))
    wave = np.concatenate([*heard, *line.flush()])
    # 0, 1, 4000 and 4001 s follow each other; 2 s and -900 s lie too far back and follow too; 5.5 s cuts half a second.
    assert len(wave) == 6.5 * RATE
    assert (wave == 0.5).all()


def test_silence_of_a_long_gap_streams_in_bounded_memory(tmp_path: Path) -> None:
    loud = np.full(RATE, 0.5, np.float32)
    path = packets_of_pcm(tmp_path / "long.mkv", [(0.0, loud), (900.0, loud)])
    list(stream_audio(packets_of_pcm(tmp_path / "short.mkv", [(0.0, loud)])))
    tracemalloc.start()
    samples = sum(len(chunk) for chunk in stream_audio(path, chunk_seconds=10))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert samples == 901 * RATE
    assert peak < 20_000_000  # all of it is 58 MB
    assert sum(len(rows) for rows in stream_log_mel(stream_audio(path))) == 901 * 100 - 2


def test_no_sound_is_told(numbered: dict, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no audio stream"):
        read_audio(numbered["mkv"].path)
    with pytest.raises(MediaError, match="no file"):
        read_audio(tmp_path / "nothing.wav")
    with pytest.raises(InvalidData, match="at least one sample"):
        next(stream_audio(numbered["mkv"].path, chunk_seconds=0))
    broken = packets_of_pcm(tmp_path / "broken.mkv", [(0.0, np.zeros(800, np.float32))])
    broken.write_bytes(broken.read_bytes()[:-1605])
    with pytest.raises(MediaError, match=r"No sound could be decoded|can't be opened|no audio"):
        read_audio(broken)
