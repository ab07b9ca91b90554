"""The demo archive: the same from the same seed, and its truth is what can be seen and heard in its files."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.errors import ProjectError
from whenabouts.core.progress import Silent
from whenabouts.data.demo.archive import DemoArchive, DemoArchiveSettings, render_archive, render_video
from whenabouts.data.demo.plan import CONCEPTS, Stretch, VideoPlan
from whenabouts.data.importers import IMPORTERS, ImportSettings
from whenabouts.media.audio import stream_audio
from whenabouts.media.reader import VideoReader

SMALL = DemoArchiveSettings(
    short_videos=2, long_videos=1, test_videos=2, short_seconds=(1.0, 2.0), long_seconds=(6.0, 7.0),
    moment_seconds=(1.0, 2.0),
)  # fmt: skip
FULL = DemoArchiveSettings()


def render(folder: Path, *, seed: int = 3, workers: int = 1) -> DemoArchive:
    return render_archive(folder, settings=SMALL, seed=seed, progress=Silent(), workers=workers)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> DemoArchive:
    return render(tmp_path_factory.mktemp("demo") / "archive")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_same_seed_gives_the_same_bytes_with_any_number_of_workers(archive: DemoArchive, tmp_path: Path) -> None:
    first, second = contents(archive.folder), contents(render(tmp_path / "again", workers=2).folder)
    assert len(first) == 5 * 2 + 1
    assert first == second


def test_another_seed_gives_another_archive(archive: DemoArchive, tmp_path: Path) -> None:
    other = render(tmp_path / "other", seed=4)
    videos = [name for name in contents(other.folder) if name.endswith(".mp4")]
    assert len(videos) == 5
    same = [name for name in videos if contents(archive.folder)[name] == contents(other.folder)[name]]
    assert not same


def test_importer_gives_the_ids_and_lengths_of_the_truth(archive: DemoArchive) -> None:
    truth = json.loads(archive.truth_path.read_text(encoding="utf-8"))
    compared = 0
    for folder, subset in ((archive.train_folder, "train"), (archive.heldout_folder, "test")):
        imported = IMPORTERS["ytdlp"](folder, ImportSettings())
        assert not imported.problems
        expected = {key: value for key, value in truth["database"].items() if value["subset"] == subset}
        assert {entry.id for entry in imported.entries} == set(expected)
        for entry in imported.entries:
            assert entry.video.status == "complete"
            assert entry.video.has_audio
            assert entry.video.duration_seconds == pytest.approx(expected[entry.id]["duration"], abs=0.07)
            compared += 1
    assert compared == 5
    assert [node["nodeName"] for node in truth["taxonomy"][1:]] == list(CONCEPTS)


def test_an_older_demo_gives_way_and_other_files_do_not(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    render(folder)
    (folder / "train" / "old.txt").write_text("old")
    render(folder)
    assert not (folder / "train" / "old.txt").exists()
    home = tmp_path / "home"
    home.mkdir()
    (home / "letter.txt").write_text("dear")
    with pytest.raises(ProjectError, match="other files"):
        render(home)
    assert (home / "letter.txt").read_text() == "dear"


def decoded(path: Path) -> np.ndarray:
    frames = [pixels for _, pixels in VideoReader(path)]
    return np.stack(frames).astype(np.float32)


def planned(name: str, *, seed: int, frames: int = 60) -> VideoPlan:
    """A video in which nothing but `name` happens, in its middle third."""
    return VideoPlan("clip-x", "train", seed, frames, 12, (Stretch(name, frames // 3, 2 * frames // 3),), ())


def rendered(path: Path, plan: VideoPlan) -> np.ndarray:
    render_video(path, plan, FULL, seed=5)
    return decoded(path)


def steadied(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Undo the camera's shake, and tell how much still changes: frames (T, H, W), change (T - 1,) per pair."""
    grey = frames.mean(axis=3)
    steady, change = [grey[0]], []
    shifts = [(down, right) for down in range(-6, 7) for right in range(-6, 7)]
    near = (0, 0)
    for frame in grey[1:]:
        tried = [shift for shift in shifts if max(abs(shift[0] - near[0]), abs(shift[1] - near[1])) <= 2]
        rolled = [np.roll(frame, shift, axis=(0, 1)) for shift in tried]
        errors = [float(np.minimum(abs(each - steady[0]), 20).mean()) for each in rolled]
        best = int(np.argmin(errors))
        near = tried[best]
        change.append(float((abs(rolled[best] - steady[-1]) > 20).mean()))
        steady.append(rolled[best])
    return np.stack(steady), np.asarray(change)


def test_things_move_exactly_when_the_truth_says_so(tmp_path: Path) -> None:
    names = ("sliding left", "rising", "clockwise", "pulsing")
    for number, name in enumerate(names):
        plan = planned(name, seed=40 + number)
        frames = rendered(tmp_path / f"{number}.mp4", plan)
        assert len(frames) == plan.frames
        change = steadied(frames)[1]
        first, stop = plan.seen[0].first, plan.seen[0].stop
        # Pair k compares frames k and k + 1; the first frame of a moment stands where the body stood.
        inside = change[first : stop - 1]
        outside = np.concatenate([change[:first], change[stop - 1 :]])
        assert np.median(inside) > 0.001
        # A shake undone by the wrong pixel leaves a little of everything.
        assert np.quantile(outside, 0.9) < np.median(inside)
        assert np.median(outside) < np.median(inside) / 10


def travelled(frames: np.ndarray) -> np.ndarray:
    """Most likely step (T - 2, 2) down and right of what moves, from one frame to the next, on the torus."""
    steady = steadied(frames)[0]
    # What stands still leaves no trace in the change from frame to frame.
    spectra = np.fft.rfft2(np.diff(steady, axis=0))
    steps = []
    for before, after in itertools.pairwise(spectra):
        match = np.fft.irfft2(after * before.conj(), s=steady.shape[1:])
        peak = np.array(np.unravel_index(match.argmax(), match.shape))
        size = np.array(match.shape)
        steps.append((peak + size // 2) % size - size // 2)
    return np.asarray(steps)


@pytest.mark.parametrize(
    ("name", "down", "right"),
    [("sliding left", 0, -1), ("sliding right", 0, 1), ("rising", -1, 0), ("falling", 1, 0)],
)
def test_pixels_go_where_the_name_says(tmp_path: Path, name: str, down: int, right: int) -> None:
    for seed in (11, 12):
        plan = planned(name, seed=seed, frames=48)
        frames = rendered(tmp_path / "v.mp4", plan)
        steps = travelled(frames[plan.seen[0].first : plan.seen[0].stop])
        along = np.median(steps @ np.array([down, right]))
        across = np.median(abs(steps @ np.array([right, down])))
        assert along > 3
        assert across < along / 3


@pytest.mark.parametrize(("name", "sign"), [("clockwise", 1), ("anticlockwise", -1)])
def test_pixels_turn_as_the_name_says(tmp_path: Path, name: str, sign: int) -> None:
    for seed in (21, 22):
        plan = planned(name, seed=seed, frames=72)
        frames = rendered(tmp_path / "v.mp4", plan)
        down, right = travelled(frames[plan.seen[0].first : plan.seen[0].stop]).T.astype(float)
        turns = right[:-1] * down[1:] - down[:-1] * right[1:]
        assert np.median(np.sign(turns)) == sign


def heard_frames(path: Path, rate: int = 16000, length: int = 800) -> np.ndarray:
    """How far the strongest tone between 1700 and 2700 Hz stands out, for every 50 ms."""
    wave = np.concatenate(list(stream_audio(path, rate=rate)))
    count = len(wave) // length
    power = abs(np.fft.rfft(wave[: count * length].reshape(count, length) * np.hanning(length), axis=1)) ** 2
    hertz = np.fft.rfftfreq(length, 1 / rate)
    band = power[:, (hertz > 1700) & (hertz < 2700)]
    return np.asarray(band.max(axis=1))


def test_chimes_are_heard_exactly_when_the_truth_says_so(tmp_path: Path) -> None:
    heard = (Stretch("knocking", 0, 36), Stretch("chiming", 48, 96), Stretch("beeping", 108, 132))
    for seed in (31, 32, 33):
        plan = VideoPlan("clip-y", "train", seed, 144, 12, (), heard)
        render_video(tmp_path / "v.mp4", plan, FULL, seed=5)
        loud = heard_frames(tmp_path / "v.mp4")
        # Strokes come every 0.3 to 0.5 s: the strongest of every half second is that of a stroke.
        halves = loud[: len(loud) // 10 * 10].reshape(-1, 10).max(axis=1)
        inside = np.zeros(len(halves), bool)
        inside[8:16] = True
        assert halves[inside].min() > 20 * halves[~inside].max()


def test_held_out_files_lie_apart(archive: DemoArchive) -> None:
    train = sorted(path.stem for path in archive.train_folder.glob("*.mp4"))
    heldout = sorted(path.stem for path in archive.heldout_folder.glob("*.mp4"))
    assert train == ["clip-0000", "clip-0001", "long-0000"]
    assert heldout == ["test-0000", "test-0001"]
    assert archive.duration_seconds == pytest.approx(sum(plan.duration_seconds for plan in archive.plans))
