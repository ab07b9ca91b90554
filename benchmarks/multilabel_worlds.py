"""Worlds of the multi-label tables, the backbone of each seed, and its feature maps of all clips, kept as files."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from multilabel_nets import PooledThree, SmallSoundNet, SmallVideoNet
from whenabouts.core.files import replacing
from whenabouts.data.worlds.activity_plan import ActivityKnobs
from whenabouts.data.worlds.activity_sounds import ActivitySounds, SoundKnobs, SoundWorld, sound_world
from whenabouts.data.worlds.activity_videos import ActivityVideos, ActivityWorld, activity_world
from whenabouts.data.worlds.speech_sound import read_recordings
from whenabouts.nets.losses import known_bce
from whenabouts.recognition.views import Speed, clip_frames, clip_starts, drawn_start
from whenabouts.training import Compute, Measured, Plan, Trainee, fit

FRAMES = 8  # of a clip
RATE = 4  # every fourth frame, as in the paper
VIDEOS = {"train": 400, "test": 200}
STREAMS = {"train": 600, "test": 300}
CLIPS = 3  # of a training video, at each rate
BACKBONE_STEPS = {"video": 500, "sound": 400}
VIEWS = {  # as the paper's sets of views, with one crop
    "4": (Speed(4, 10, 1),),
    "2+4": (Speed(2, 5, 1), Speed(4, 5, 1)),
    "2+4+8": (Speed(2, 3, 1), Speed(4, 4, 1), Speed(8, 3, 1)),
}
_LOOK, _CLIP = 7, 8  # what chance is for

# The base world, and each knob moved alone to where a claim should fail.
KNOBS: dict[str, ActivityKnobs] = {
    "base": ActivityKnobs(),
    "single": ActivityKnobs(most=1),
    "shifted": ActivityKnobs(shifted=True),
    "unrelated": ActivityKnobs(together=0.0, apart=False),
    "always together": ActivityKnobs(together=1.0),
    "one place": ActivityKnobs(overlap=1.0),
    "large": ActivityKnobs(radius=0.2),
    "one tempo": ActivityKnobs(tempo_ratio=1.0),
    "nothing else": ActivityKnobs(still=0.0, grey=0.0),
}
SOUNDS: dict[str, SoundKnobs] = {
    "sound": SoundKnobs(),
    "sound, shifted": SoundKnobs(shifted=True),
    "sound, single": SoundKnobs(most=1, voices=1),
}
WORLDS = (*KNOBS, *SOUNDS)


@dataclass(frozen=True)
class Place:
    """Where cells and features lie, and the recordings of spoken digits."""

    work: Path
    recordings: Path


@dataclass(frozen=True)
class Features:
    """What heads learn from and are tested on.

    train (B, C, T, H, W) of clips at the paper's rate and labels (B, A); `video_labels` (V, A); by set of views the
    test's features (V x views, C, T, H, W), and its labels (V, A). `rates` has training clips at other rates.
    """

    train: Tensor
    labels: Tensor
    video_labels: Tensor
    test: dict[str, Tensor]
    test_labels: NDArray[np.bool_]
    rates: dict[int, tuple[Tensor, Tensor]]


@lru_cache(maxsize=1)
def video_world(name: str, seed: int) -> ActivityWorld:
    return activity_world(KNOBS[name], train=VIDEOS["train"], test=VIDEOS["test"], seed=seed)


@lru_cache(maxsize=1)
def sounds_of(name: str, seed: int, folder: Path) -> SoundWorld:
    return sound_world(read_recordings(folder), SOUNDS[name], train=STREAMS["train"], test=STREAMS["test"], seed=seed)


def clips_of(side: ActivityVideos, videos: Sequence[int], frames: Sequence[NDArray[np.int64]]) -> Tensor:
    """Clips (B, 3, T, S, S) of numbered frames, near a mean of 0 and a spread of 1."""
    pixels = np.stack([side.frames[video][rows] for video, rows in zip(videos, frames, strict=True)])
    return torch.from_numpy(pixels).permute(0, 4, 1, 2, 3).float() / 64 - 2


def drawn_clips(
    side: ActivityVideos, videos: Sequence[int], rate: int, rng: np.random.Generator
) -> tuple[list[NDArray[np.int64]], Tensor]:
    """Frames of one clip of each video at a random place, and what is under way in them (B, A)."""
    length = side.frames.shape[1]
    starts = [drawn_start(length, rate, rng, frames=FRAMES) for _ in videos]
    rows = [clip_frames(start, rate, length, frames=FRAMES) for start in starts]
    labels = [side.clip_labels(video, int(each[0]), int(each[-1])) for video, each in zip(videos, rows, strict=True)]
    return rows, torch.from_numpy(np.stack(labels)).float()


def backbone_of(kind: str, seed: int, place: Place) -> nn.Module:
    """The backbone of one seed, pre-trained on the training side of the base world (of the sound world)."""
    net: nn.Module = SmallVideoNet() if kind == "video" else SmallSoundNet()
    path = place.work / "backbones" / f"{kind}-{seed}.safetensors"
    if not path.is_file():
        net = pretrained(kind, seed, place)
        with replacing(path) as part:
            save_file({name: each.contiguous() for name, each in net.state_dict().items()}, part)
    net.load_state_dict(load_file(path))
    return net.eval()


def pretrained(kind: str, seed: int, place: Place) -> nn.Module:
    """Train a backbone under three pooled classifiers at once."""
    torch.manual_seed(seed)
    net: nn.Module = SmallVideoNet() if kind == "video" else SmallSoundNet()
    if kind == "video":
        side = video_world("base", seed).train
        activities, count = len(side.vocabulary), len(side)
    else:
        sounds = sounds_of("sound", seed, place.recordings).train
        activities, count = len(sounds.vocabulary), len(sounds)
    whole = nn.Sequential(net, PooledThree(activities, torch.Generator().manual_seed(seed)))

    def draw(step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([seed, _LOOK, step])
        rows = rng.integers(0, count, 32).tolist()
        if kind == "sound":
            return torch.from_numpy(sounds.maps[rows])[:, None], torch.from_numpy(sounds.labels[rows]).float()
        frames, labels = drawn_clips(side, rows, RATE, rng)
        return clips_of(side, rows, frames), labels

    plan = Plan(steps=BACKBONE_STEPS[kind], learning_rate=3e-3, weight_decay=0.01, seed=seed, report_every=10_000)
    trainee = Trainee(whole, draw, lambda model, batch: Measured(known_bce(model(batch[0]), batch[1])))
    fit(trainee, plan, Compute(torch.device("cpu"), torch.float32))
    return net


@torch.inference_mode()
def maps_of(net: nn.Module, clips: Tensor) -> Tensor:
    return torch.cat([net(part) for part in clips.split(64)]).half()


def features_of(world: str, seed: int, place: Place) -> Features:
    """Feature maps of a world's clips, from the work folder where they are there."""
    path = place.work / "features" / f"{world.replace(' ', '_').replace(',', '')}-{seed}.safetensors"
    if not path.is_file():
        made = _sound_tensors(world, seed, place) if world in SOUNDS else _video_tensors(world, seed, place)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            save_file({name: tensor.contiguous() for name, tensor in made.items()}, part)
    stored = load_file(path)
    test = {name.removeprefix("test "): each for name, each in stored.items() if name.startswith("test ")}
    rates = {int(name.removeprefix("rate ")): (each, stored[f"labels {name}"])
             for name, each in stored.items() if name.startswith("rate ")}  # fmt: skip
    return Features(stored["train"], stored["labels"], stored["video_labels"], test,
                    stored["truth"].bool().numpy(), rates)  # fmt: skip


held_features = lru_cache(maxsize=1)(features_of)
"""The same, kept in memory for the cells that come next."""


def _video_tensors(world: str, seed: int, place: Place) -> dict[str, Tensor]:
    made, net = video_world(world, seed), backbone_of("video", seed, place)
    rng, videos = np.random.default_rng([seed, _CLIP]), np.repeat(np.arange(len(made.train)), CLIPS).tolist()
    tensors = {"video_labels": torch.from_numpy(made.train.labels).float(),
               "truth": torch.from_numpy(made.test.labels)}  # fmt: skip
    for rate in (RATE, 2, 8) if world in ("base", "one tempo") else (RATE,):
        frames, labels = drawn_clips(made.train, videos, rate, rng)
        name = "train" if rate == RATE else f"rate {rate}"
        tensors[name] = maps_of(net, clips_of(made.train, videos, frames))
        tensors["labels" if rate == RATE else f"labels {name}"] = labels
    for views in VIEWS if world in ("base", "one tempo") else ("4",):
        tensors[f"test {views}"] = maps_of(net, test_clips(made.test, views))
    return tensors


def test_clips(side: ActivityVideos, views: str) -> Tensor:
    """All views of all videos, video by video."""
    length = side.frames.shape[1]
    frames = [clip_frames(start, speed.rate, length, frames=FRAMES)
              for speed in VIEWS[views] for start in clip_starts(length, speed, frames=FRAMES)]  # fmt: skip
    videos = np.repeat(np.arange(len(side)), len(frames)).tolist()
    return clips_of(side, videos, frames * len(side))


def _sound_tensors(world: str, seed: int, place: Place) -> dict[str, Tensor]:
    made, net = sounds_of(world, seed, place.recordings), backbone_of("sound", seed, place)

    def maps(side: ActivitySounds) -> Tensor:
        return maps_of(net, torch.from_numpy(side.maps)[:, None])

    labels = torch.from_numpy(made.train.labels).float()
    return {"train": maps(made.train), "labels": labels, "video_labels": labels.clone(), "test 4": maps(made.test),
            "truth": torch.from_numpy(made.test.labels)}  # fmt: skip
