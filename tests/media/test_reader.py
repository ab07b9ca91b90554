"""Decoding from start to end: right times, right pictures, an honest status, for odd and broken files too."""

import tracemalloc
from bisect import bisect_right
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from hypothesis import given, settings
from hypothesis import strategies as st

from whenabouts.core.errors import InvalidData
from whenabouts.media.frames import read_frames
from whenabouts.media.health import Findings
from whenabouts.media.numbered import number_in, numbered_picture
from whenabouts.media.probe import probe
from whenabouts.media.reader import VideoReader, _Shown
from whenabouts.media.writing import Encoding, Sound, write_video

TIMES = [k / 25 for k in range(50)]
VPX = {"deadline": "realtime", "cpu-used": "8"}
X265 = {"preset": "ultrafast", "x265-params": "log-level=none"}


def numbers_of(path: Path, **how: object) -> tuple[list[float], list[int | None], VideoReader]:
    reader = VideoReader(path, **how)  # type: ignore[arg-type]
    pairs = [(seconds, number_in(pixels)) for seconds, pixels in reader]
    return [seconds for seconds, _ in pairs], [number for _, number in pairs], reader


def test_every_frame_of_the_nine_kinds_comes_at_its_time(numbered: dict) -> None:
    for kind, video in numbered.items():
        seconds, numbers, reader = numbers_of(video.path)
        assert numbers == list(range(video.first, video.first + len(video.times))), kind
        assert np.allclose(seconds, video.times, atol=0.001), kind
        assert (reader.outcome.status, reader.outcome.reason) == ("complete", ""), kind
    assert len(numbered) == 9


@pytest.mark.parametrize("rate", [0.7, 10.0, 25.0, 29.97, 100.0])
def test_a_rate_gives_what_is_on_screen_at_each_tick(numbered: dict, rate: float) -> None:
    for kind, video in numbered.items():
        seconds, numbers, _ = numbers_of(video.path, rate=rate)
        begins = [time - 1e-4 for time in video.times]  # containers round to milliseconds
        shown = [video.first + max(0, bisect_right(begins, at) - 1) for at in seconds]
        assert seconds == [k / rate for k in range(len(seconds))], kind
        edges = {round(time, 3) for time in video.times}
        wrong = [k for k, at in enumerate(seconds) if numbers[k] != shown[k] and round(at, 3) not in edges]
        assert not wrong, kind
        end = video.times[-1] + 1 / 25
        assert len(seconds) == pytest.approx(np.ceil((end - 1e-6) * rate), abs=1), kind


@given(
    steps=st.lists(st.floats(0.001, 3.0), min_size=1, max_size=40),
    first=st.floats(0.0, 2.0),
    rate=st.floats(0.2, 60.0),
    declared=st.sampled_from([0.0, 1.0]),
)
@settings(max_examples=80, deadline=None)
def test_what_is_on_screen_for_any_clock_and_rate(
    steps: list[float], first: float, rate: float, declared: float
) -> None:
    times = [first, *(first + np.cumsum(steps)).tolist()]
    end = times[-1] + 0.04
    found = Findings(declared_end=end * declared, decoded_end=end)
    shown, seen = _Shown(rate, found), []
    for k, at in enumerate(times):
        seen += list(shown.until(at, k))
    seen += list(shown.rest())
    assert [at for at, _ in seen] == [k / rate for k in range(len(seen))]
    assert (len(seen) - 1) / rate < end <= len(seen) / rate + 1e-6
    for at, k in seen:
        assert k == max(0, bisect_right(times, at + 1e-9) - 1) or min(abs(at - time) for time in times) < 1e-6


CODECS = {
    "h264 10 bit": ("a.mp4", {"pixel_format": "yuv420p10le"}),
    "h264 444": ("a.mp4", {"pixel_format": "yuv444p"}),
    "hevc": ("a.mp4", {"codec": "libx265", "options": X265}),
    "hevc 10 bit mkv": ("a.mkv", {"codec": "libx265", "pixel_format": "yuv420p10le", "options": X265}),
    "av1": ("a.mkv", {"codec": "libsvtav1", "options": {"preset": "8", "crf": "8"}}),
    "vp8": ("a.webm", {"codec": "libvpx", "options": VPX}),
    "vp9 444": ("a.webm", {"codec": "libvpx-vp9", "options": VPX, "pixel_format": "yuv444p"}),
    "vp9 in mp4": ("a.mp4", {"codec": "libvpx-vp9", "options": VPX}),
    "mpeg2 ts": ("a.ts", {"codec": "mpeg2video", "options": {"bf": "2"}}),
    "mpeg4 mov": ("a.mov", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "mpeg4 B-frames avi": ("a.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "mjpeg avi": ("a.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    "ffv1 mkv": ("a.mkv", {"codec": "ffv1"}),
    "interlaced h264": ("a.mp4", {"options": {"flags": "+ildct+ilme", "x264-params": "tff=1"}}),
    "fragmented mp4": ("a.mp4", {"container_options": {"movflags": "frag_keyframe+empty_moov"}, "keyframe_every": 10}),
    "flv": ("a.flv", {"container": "flv"}),
    "wmv": ("a.wmv", {"codec": "wmv2", "container": "asf"}),
    "mpeg1 program stream": ("a.mpg", {"codec": "mpeg1video", "container": "mpeg", "options": {"bf": "2"}}),
    "3gp": ("a.3gp", {"container": "3gp"}),
    "blu-ray ts": ("a.m2ts", {"container": "mpegts", "container_options": {"mpegts_m2ts_mode": "1"}}),
    "vp8 in ogg": ("a.ogv", {"codec": "libvpx", "container": "ogg", "options": VPX}),
    "prores mov": ("a.mov", {"codec": "prores_ks", "pixel_format": "yuv422p10le"}),
    "raw h264": ("a.h264", {"container": "h264"}),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", sorted(CODECS))
def test_codecs_and_containers(encode: Callable[..., Path], tmp_path: Path, kind: str) -> None:
    name, how = CODECS[kind]
    path = encode(tmp_path / name, TIMES, **how)
    seconds, numbers, reader = numbers_of(path)
    assert numbers == list(range(50))
    assert np.allclose(seconds, TIMES, atol=0.0011)
    assert (reader.outcome.status, reader.outcome.reason) == ("complete", "")
    assert probe(path).duration_seconds == pytest.approx(2.0, abs=0.0011)
    assert reader.outcome.duration_seconds == pytest.approx(2.0, abs=0.0011)


def test_all_kinds_of_codec_ran() -> None:
    assert len(CODECS) == 23


def test_times_begin_where_sound_or_pictures_begin(encode: Callable[..., Path], tmp_path: Path) -> None:
    wave = np.sin(np.arange(48000) / 7).astype(np.float32) * 0.4
    late_film = encode(tmp_path / "film.mkv", [0.5 + time for time in TIMES], sound=Sound(wave, 16000, 0.0))
    seconds, _, _ = numbers_of(late_film)
    assert seconds[0] == pytest.approx(0.5, abs=0.001)
    late_sound = encode(tmp_path / "sound.mkv", TIMES, sound=Sound(wave, 16000, 0.5))
    assert numbers_of(late_sound)[0][0] == 0.0
    ts = encode(tmp_path / "late.ts", [10 + time for time in TIMES])
    assert probe(ts).start_pts_seconds == pytest.approx(10.0, abs=0.1)
    assert np.allclose(numbers_of(ts)[0], TIMES)


def test_sound_that_goes_on_is_no_damage(encode: Callable[..., Path], tmp_path: Path) -> None:
    wave = np.sin(np.arange(16000 * 5) / 7).astype(np.float32) * 0.4
    for name, codec in (("a.mp4", "aac"), ("a.mkv", "aac"), ("a.ts", "aac")):
        path = encode(tmp_path / name, TIMES, sound=Sound(wave), sound_codec=codec)
        seconds, _, reader = numbers_of(path)
        assert len(seconds) == 50
        assert (reader.outcome.status, reader.outcome.reason) == ("complete", ""), name
        assert reader.outcome.duration_seconds == pytest.approx(2.0, abs=0.07)


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9"])
def test_rotation_is_applied(encode: Callable[..., Path], tmp_path: Path, degrees: int, codec: str) -> None:
    options = VPX if codec == "libvpx-vp9" else {}
    plain = tmp_path / "plain.mp4"
    picture = np.zeros((48, 80, 3), np.uint8)
    picture[:24, :40] = (255, 0, 0)
    picture[24:, 40:] = (0, 0, 255)
    write_video(plain, [picture] * 5, TIMES[:5], encoding=Encoding(codec=codec, options=options))
    turned = tmp_path / "turned.mp4"
    with av.open(str(plain)) as source, av.open(str(turned), "w") as target:
        film = source.streams.video[0]
        copy = target.add_stream_from_template(film)
        copy.set_display_rotation(degrees)
        for packet in source.demux(film):
            if packet.size:
                packet.stream = copy
                target.mux(packet)
    upright = next(iter(VideoReader(plain)))[1].astype(int)
    reader = VideoReader(turned)
    pictures = [pixels.astype(int) for _, pixels in reader]
    with av.open(str(turned)) as container:
        quarters = round(next(container.decode(video=0)).rotation / 90)
    assert quarters % 4 in (1, 2, 3)
    assert len(pictures) == 5
    assert np.abs(pictures[0] - np.rot90(upright, quarters)).max() <= 2
    shown = probe(turned)
    assert (shown.height, shown.width) == pictures[0].shape[:2]
    small = next(iter(VideoReader(turned, size=(20, 30))))[1]
    assert small.shape == (20, 30, 3)


def test_pixels_that_are_not_square_are_made_square(tmp_path: Path) -> None:
    path = tmp_path / "wide.mkv"
    with av.open(str(path), "w") as container:
        film = container.add_stream("libx264", rate=25)
        film.height, film.width, film.pix_fmt = 48, 60, "yuv420p"
        film.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for k in range(3):
            frame = av.VideoFrame.from_ndarray(numbered_picture(k, height=48, width=60), format="rgb24")
            frame.pts = k
            container.mux(film.encode(frame))
        container.mux(film.encode(None))
    assert (probe(path).height, probe(path).width) == (48, 80)
    assert [pixels.shape for _, pixels in VideoReader(path)] == [(48, 80, 3)] * 3


@pytest.mark.parametrize("form", ["yuv420p", "yuv420p10le", "yuv444p"])
def test_colours_are_right(tmp_path: Path, form: str) -> None:
    colours = np.array([(200, 60, 120), (30, 200, 40), (128, 128, 128), (255, 255, 255), (0, 0, 0), (10, 20, 230)])
    path = tmp_path / "colours.mp4"
    pictures = [np.full((64, 64, 3), colour, np.uint8) for colour in colours]
    how = Encoding(pixel_format=form, options={"crf": "5", "bf": "0"})
    write_video(path, pictures, TIMES[:6], encoding=how)
    for size in (None, (32, 32), (48, 40)):
        seen = np.array([pixels.mean((0, 1)) for _, pixels in VideoReader(path, size=size)])
        assert np.abs(seen - colours).max() < 2.0
        assert abs((seen - colours).mean()) < 0.5


def test_size_changes_on_the_way_are_scaled(encode: Callable[..., Path], tmp_path: Path) -> None:
    small = encode(tmp_path / "small.h264", TIMES[:10], container="h264")
    big = tmp_path / "big.h264"
    pictures = [numbered_picture(k, height=96, width=128) for k in range(10, 20)]
    write_video(big, pictures, TIMES[:10], encoding=Encoding(container="h264"))
    joined = tmp_path / "joined.h264"
    joined.write_bytes(small.read_bytes() + big.read_bytes())
    reader = VideoReader(joined, size=(64, 64))
    pictures = [pixels for _, pixels in reader]
    assert [number_in(pixels) for pixels in pictures] == list(range(20))


@pytest.mark.parametrize(("start", "end"), [(1.0, 3.0), (0.0, 1.52), (1.32, 2.0), (2.0, 6.0)])
@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
def test_trimmed_by_an_edit_list_is_whole(
    encode: Callable[..., Path], tmp_path: Path, codec: str, start: float, end: float
) -> None:
    """As telephones trim: all samples stay in the file, an edit list says what is shown."""
    form = {"pixel_format": "yuvj420p"} if codec == "mjpeg" else {}
    path = encode(tmp_path / "a.mov", [k / 25 for k in range(150)], codec=codec, keyframe_every=30, **form)
    data = bytearray(path.read_bytes())
    place = data.index(b"elst") + 12
    first, scale = int.from_bytes(data[place + 4 : place + 8], "big"), 12_800
    assert data[place : place + 4] == (6000).to_bytes(4, "big")
    data[place : place + 8] = round((end - start) * 1000).to_bytes(4, "big") + (first + round(start * scale)).to_bytes(
        4, "big"
    )
    path.write_bytes(data)
    seconds, numbers, reader = numbers_of(path)
    count = round((end - start) * 25)
    assert numbers == list(range(round(start * 25), round(start * 25) + count))
    assert np.allclose(seconds, [k / 25 for k in range(count)], atol=1e-4)
    assert (reader.outcome.status, reader.outcome.reason) == ("complete", "")
    assert reader.outcome.duration_seconds == pytest.approx(end - start)
    assert number_in(read_frames(path, [0.5])[1][0]) == round(start * 25) + 12


def test_joined_broadcasts_are_put_end_to_end(encode: Callable[..., Path], tmp_path: Path) -> None:
    """`cat a.ts b.ts`: the clock runs back at the joint."""
    first = encode(tmp_path / "a.ts", [20 + k / 25 for k in range(100)])
    second = encode(tmp_path / "b.ts", [k / 25 for k in range(75)])
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    seconds, numbers, reader = numbers_of(joined)
    assert numbers == [*range(100), *range(75)]
    assert np.allclose(seconds, [k / 25 for k in range(175)], atol=0.05)
    assert reader.outcome.status == "partial"
    assert "the clock jumps 1 times" in reader.outcome.reason
    assert reader.outcome.duration_seconds == pytest.approx(7.0, abs=0.1)
    assert [number_in(picture) for picture in read_frames(joined, [1.0, 5.0])[1]] == [25, 25]
    paused = encode(tmp_path / "paused.ts", [*TIMES, *(40 + time for time in TIMES)])
    seconds, _, reader = numbers_of(paused)
    assert seconds[50] == pytest.approx(40.0)  # a pause that the file's own length contains is believed
    assert (reader.outcome.status, reader.findings.jumps) == ("complete", 0)


def test_one_frame(encode: Callable[..., Path], tmp_path: Path) -> None:
    path = encode(tmp_path / "one.mp4", [0.0])
    seconds, numbers, reader = numbers_of(path)
    assert (seconds, numbers, reader.outcome.status) == ([0.0], [0], "complete")
    assert len(list(VideoReader(path, rate=100))) == 4


@pytest.mark.parametrize(("default", "height"), [("both", 64), ("first", 32), ("second", 64)])
def test_the_largest_default_stream_is_read(tmp_path: Path, default: str, height: int) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w", options={"default_mode": "passthrough"}) as container:
        films = [container.add_stream("libx264", rate=25) for _ in range(2)]
        for film, name, (rows, columns) in zip(films, ("first", "second"), ((32, 48), (64, 96)), strict=True):
            film.height, film.width, film.pix_fmt = rows, columns, "yuv420p"
            film.disposition = Disposition.default if default in (name, "both") else 0
        for k in range(30):
            for film in films:
                picture = numbered_picture(k, height=film.height, width=film.width)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = k
                container.mux(film.encode(frame))
        for film in films:
            container.mux(film.encode(None))
    _, numbers, reader = numbers_of(path)
    assert numbers == list(range(30))
    assert reader.outcome.height == height
    assert reader.outcome.status == "complete"


def test_no_declared_duration(numbered: dict, tmp_path: Path) -> None:
    """A WebM as cameras in browsers write it: no duration, no index."""
    path = tmp_path / "live.webm"
    live = Encoding(codec="libvpx", options=VPX, container_options={"live": "1"})
    write_video(path, (numbered_picture(k) for k in range(50)), TIMES, encoding=live)
    with av.open(str(path)) as container:
        assert container.duration is None
    assert probe(path).duration_seconds == pytest.approx(2.0, abs=0.05)
    _, numbers, reader = numbers_of(path)
    assert numbers == list(range(50))
    assert (reader.outcome.status, reader.outcome.reason) == ("complete", "")
    assert reader.outcome.duration_seconds == pytest.approx(2.0, abs=0.05)
    assert len(list(VideoReader(path, rate=5))) == 10


def test_audio_only_text_empty_and_missing_files(encode: Callable[..., Path], tmp_path: Path) -> None:
    sound = tmp_path / "sound.m4a"
    with av.open(str(sound), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="flt", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (tmp_path / "text.mp4").write_text("words, words, words")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n")
    (tmp_path / "folder.mp4").mkdir()
    expected = {
        "sound.m4a": "no video stream (it holds: audio)",
        "text.mp4": "can't be opened",
        "empty.mp4": "0 bytes",
        "list.m3u8": "can't be opened",
        "folder.mp4": "no file",
        "missing.mp4": "no file",
    }
    for name, reason in expected.items():
        described = probe(tmp_path / name)
        assert (described.status, described.coverage, described.id) == ("unreadable", 0.0, Path(name).stem)
        assert reason in described.reason
        reader = VideoReader(tmp_path / name)
        assert list(reader) == []
        assert reader.outcome == described


def test_cover_pictures_are_no_film(encode: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("mp3", rate=16000, layout="mono")
        cover = container.add_stream("mjpeg", rate=25)
        cover.height, cover.width, cover.pix_fmt = 48, 48, "yuvj420p"
        cover.disposition = 1024  # attached picture
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="flt", layout="mono")
        frame.sample_rate = 16000
        picture = av.VideoFrame.from_ndarray(numbered_picture(1, height=48, width=48), format="rgb24")
        container.mux(cover.encode(picture) + cover.encode(None))
        container.mux(sound.encode(frame) + sound.encode(None))
    assert "no video stream" in probe(path).reason


@pytest.mark.parametrize("share", [0.4, 0.6, 0.9])
def test_truncated_files_are_partial_with_their_coverage(
    encode: Callable[..., Path], tmp_path: Path, share: float
) -> None:
    faststart = {"container_options": {"movflags": "faststart"}}
    for name, how in (
        ("a.mp4", faststart),
        ("a.mkv", {}),
        ("a.webm", {"codec": "libvpx-vp9", "options": VPX}),
        ("a.ts", {}),
    ):
        path = encode(tmp_path / name, [k / 25 for k in range(100)], keyframe_every=20, **how)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        seconds, numbers, reader = numbers_of(path)
        after = reader.outcome
        assert after.status == "partial", name
        assert after.reason
        assert numbers[: len(numbers) - 2] == list(range(len(numbers) - 2))
        if name != "a.ts":  # its duration is taken from what is left
            assert after.coverage == pytest.approx((seconds[-1] + 0.04) / 4.0, abs=0.1)
            assert after.duration_seconds == pytest.approx(4.0, abs=0.01)


def test_no_index_at_all_is_unreadable(encode: Callable[..., Path], tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", TIMES)
    path.write_bytes(path.read_bytes()[:-600])  # the index comes last
    assert "moov" in probe(path).reason or "can't be opened" in probe(path).reason


def test_damaged_pictures_are_counted(encode: Callable[..., Path], tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [k / 25 for k in range(100)])
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(3)
    start = data.index(b"mdat") + 800
    for place in rng.integers(start, start + 4000, 40):
        data[place] ^= 0xFF
    path.write_bytes(data)
    reader = VideoReader(path)
    assert len(list(reader)) > 0
    assert reader.outcome.status == "partial"
    assert 0 < reader.outcome.coverage < 1
    assert 0 < reader.findings.corrupt_frames < reader.findings.frames
    assert "frames are damaged" in reader.outcome.reason


def test_reading_twice_and_stopping_early(numbered: dict) -> None:
    reader = VideoReader(numbered["mkv"].path)
    first = [seconds for seconds, _ in reader]
    assert [seconds for seconds, _ in reader] == first
    for _, _ in reader:
        break
    assert reader.outcome == probe(reader.path)  # only a full reading can say more


def test_threads_and_ids(numbered: dict) -> None:
    path = numbered["mp4 constant rate, B-frames"].path
    one, many = VideoReader(path), VideoReader(path, threads=0, video_id="other")
    assert all((a == b).all() for (_, a), (_, b) in zip(one, many, strict=True))
    assert (one.outcome.id, many.outcome.id) == ("cfr", "other")


def test_reading_is_streaming(encode: Callable[..., Path], tmp_path: Path) -> None:
    path = encode(tmp_path / "long.mkv", [k / 25 for k in range(1500)], options={"preset": "ultrafast"})
    list(VideoReader(path, rate=1))
    tracemalloc.start()
    count = sum(1 for _ in VideoReader(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 1500
    assert peak < 2_000_000  # all frames together are 18 MB


def test_impossible_requests_are_refused(tmp_path: Path) -> None:
    for rate in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InvalidData, match="above 0 a second"):
            VideoReader(tmp_path / "x.mp4", rate=rate)
    with pytest.raises(InvalidData, match="at least 1 x 1"):
        VideoReader(tmp_path / "x.mp4", size=(0, 4))
