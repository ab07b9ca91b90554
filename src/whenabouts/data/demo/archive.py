"""A small video archive made from nothing: real H.264 files with sound, sidecars with faulty tags, and the truth.

It is built like an archive that yt-dlp fetched. Eight concepts are told by motion alone and come in pairs that only
the order of frames tells apart; one is only heard. See `demo_archive_plan`, `demo_archive_scenes`,
`demo_archive_sounds` and `demo_archive_sidecars` for what happens, how it looks and sounds, and what is said about it.
"""

import contextlib
import multiprocessing
import signal
from collections.abc import Generator, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from whenabouts.core.errors import ProjectError
from whenabouts.core.files import replacing_folder, write_json
from whenabouts.core.progress import Progress
from whenabouts.data.demo.plan import CONCEPTS, DemoArchiveSettings, VideoPlan, plan_archive
from whenabouts.data.demo.scenes import draw_frames
from whenabouts.data.demo.sidecars import sidecar, truth_of
from whenabouts.data.demo.sounds import soundtrack

__all__ = ["CONCEPTS", "DemoArchive", "DemoArchiveSettings", "render_archive", "render_video"]


@dataclass(frozen=True)
class DemoArchive:
    """Where a demo archive lies, and what is in it."""

    folder: Path
    plans: tuple[VideoPlan, ...]

    @property
    def train_folder(self) -> Path:
        """Videos for training, with sidecars that name concepts."""
        return self.folder / "train"

    @property
    def heldout_folder(self) -> Path:
        """Videos for testing; their sidecars name no concept."""
        return self.folder / "heldout"

    @property
    def truth_path(self) -> Path:
        """What really happens when in both folders, in ActivityNet's format."""
        return self.folder / "truth.json"

    @property
    def concepts(self) -> tuple[str, ...]:
        """Names of the concepts, seen and heard."""
        return CONCEPTS

    @property
    def duration_seconds(self) -> float:
        """Length of all videos together."""
        return float(sum(plan.duration_seconds for plan in self.plans))


def render_archive(
    folder: Path, *, settings: DemoArchiveSettings, seed: int, progress: Progress, workers: int = 2
) -> DemoArchive:
    """Render the archive into `folder`, whole or not at all; the result does not depend on the number of workers.

    An older demo archive in that place is replaced; a folder with anything else in it raises ProjectError.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "truth.json").is_file():
        raise ProjectError(f"{folder} holds other files. Give an empty or new folder for the demo archive.")
    archive = DemoArchive(folder, plan_archive(settings, seed=seed))
    with replacing_folder(folder) as part:
        for name in ("train", "heldout"):
            (part / name).mkdir()
        # Closed before the folder goes, if a signal ends the work: no process still writes there.
        with contextlib.closing(_render_all(part, archive.plans, settings, seed, workers)) as rendered:
            for _ in progress.track(rendered, total=len(archive.plans), title="rendering videos"):
                pass
        write_json(part / "truth.json", truth_of(archive.plans))
    return archive


def render_video(path: Path, plan: VideoPlan, settings: DemoArchiveSettings, *, seed: int) -> None:
    """Draw, sound and encode one video (H.264 and AAC in MP4) at `path`, its sidecar beside it."""
    looks, sounds, words = (np.random.default_rng([seed, plan.number, stream]) for stream in (2, 3, 4))
    frames = draw_frames(plan, height=settings.height, width=settings.width, rng=looks)
    wave = soundtrack(plan, rate=settings.sound_rate, rng=sounds)
    _encode(path, frames, wave, settings)
    write_json(path.with_suffix(".info.json"), sidecar(plan, settings, rng=words))


def _render_all(
    folder: Path, plans: tuple[VideoPlan, ...], settings: DemoArchiveSettings, seed: int, workers: int
) -> Generator[str, None, None]:
    """Render every plan, in this process or in several, and yield ids as they are done."""
    paths = {plan.id: folder / ("train" if plan.subset == "train" else "heldout") / f"{plan.id}.mp4" for plan in plans}
    if workers <= 1:
        for plan in plans:
            render_video(paths[plan.id], plan, settings, seed=seed)
            yield plan.id
        return
    # Spawned, not forked: the parent may hold threads of torch or of a progress bar.
    spawning = multiprocessing.get_context("spawn")
    # Ctrl-C reaches all processes, and is the parent's to answer.
    with ProcessPoolExecutor(workers, spawning, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        tasks = {pool.submit(render_video, paths[plan.id], plan, settings, seed=seed): plan.id for plan in plans}
        try:
            for task in as_completed(tasks):
                task.result()
                yield tasks[task]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _encode(path: Path, frames: Iterator[np.ndarray], wave: np.ndarray, settings: DemoArchiveSettings) -> None:
    import av

    with av.open(str(path), "w") as container:
        rate = settings.frames_per_second
        picture = container.add_stream(
            "libx264", rate=rate, options={"preset": "superfast", "crf": "24", "threads": "1"}
        )
        picture.width, picture.height, picture.pix_fmt = settings.width, settings.height, "yuv420p"
        picture.time_base = picture.codec_context.time_base = Fraction(1, rate)
        sound = container.add_stream("aac", rate=settings.sound_rate, layout="mono", options={"aac_coder": "fast"})
        sound.bit_rate = 48_000
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.duration, frame.time_base = number, 1, Fraction(1, rate)
            container.mux(picture.encode(frame))
        samples = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        samples.sample_rate, samples.pts = settings.sound_rate, 0
        samples.time_base = Fraction(1, settings.sound_rate)
        container.mux(sound.encode(samples))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))
