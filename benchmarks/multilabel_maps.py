"""What maps of activities show on planted videos, in numbers and in pictures (Fig. 4 of the paper).

    python benchmarks/multilabel_maps.py --out benchmarks/results     writes multilabel_maps.json, .md, pictures

Uses backbones, features and tuning that `benchmarks/multilabel.py` has left in --work, and makes what lacks.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch
from torch import Tensor, nn

from multilabel_cells import STEPS, chosen, head_of, learn
from multilabel_claims import Estimate
from multilabel_rows import HEAD, MODELS, PLAIN
from multilabel_worlds import FRAMES, RATE, Place, backbone_of, clips_of, features_of, video_world
from provenance import write_result
from whenabouts.core.files import read_json, write_json
from whenabouts.core.timing import BoolArray
from whenabouts.data.worlds.activity_videos import ActivityVideos
from whenabouts.nets.activity_heads import ActivityHead, PooledHead
from whenabouts.page.activity_pictures import ClipPicture, draw_activity_maps, draw_correlation
from whenabouts.recognition.activity_maps import ClipMaps, Maps, clip_maps, heights, normalised, share_inside
from whenabouts.recognition.views import clip_frames

SHARED = Path(os.environ.get("WHENABOUTS_SHARED", Path(__file__).parents[2] / "shared"))
TIMES = FRAMES // 2  # of a clip's maps: each is of two frames
LOOKERS = (HEAD, PLAIN, "log-sum-exp")
MEASURES = ("share inside", "height while on", "height while off")


def frames_of(start: int, side: ActivityVideos) -> list[int]:
    """Frames of one clip."""
    return clip_frames(start, RATE, side.frames.shape[1], frames=FRAMES).tolist()


def region_of(side: ActivityVideos, video: int, activity: int, frames: list[int], shape: tuple[int, int]) -> BoolArray:
    """Where (T, rows, columns) an activity is seen in the two frames of each time of a map."""
    each = side.region(video, activity, frames, shape)
    region: BoolArray = each.reshape(len(frames) // 2, 2, *shape).any(axis=1)
    return region


def pooled_map(head: PooledHead, maps: Tensor, activity: int) -> Maps:
    """Which share each place has in a log-sum-exp of one activity: its softmax (T, H, W)."""
    logits = torch.einsum("c,cthw->thw", head.weight[activity], maps)
    found: Maps = logits.flatten().softmax(dim=0).view(logits.shape).double().numpy()
    return found


@torch.inference_mode()
def measured(heads: dict[str, nn.Module], backbone: nn.Module, side: ActivityVideos) -> dict[str, dict[str, float]]:
    """Means of all measures over the activities of all test videos, in the middle clip of each video."""
    found: dict[str, dict[str, list[float]]] = {}
    start = (side.frames.shape[1] - ((FRAMES - 1) * RATE + 1)) // 2
    frames = frames_of(start, side)
    for video in range(len(side)):
        maps = backbone(clips_of(side, [video], [np.asarray(frames)]))
        looked = {name: clip_maps(head(maps), maps) for name, head in heads.items() if isinstance(head, ActivityHead)}
        for activity in np.flatnonzero(side.clip_labels(video, frames[0], frames[-1])).tolist():
            region = region_of(side, video, activity, frames, maps.shape[3:])
            shown: dict[str, Maps] = {name: each.activities[activity] for name, each in looked.items()}
            shown |= {f"{name}, places' softmax": pooled_map(head, maps[0], activity)
                      for name, head in heads.items() if isinstance(head, PooledHead)}  # fmt: skip
            shown |= {"the backbone's own map": next(iter(looked.values())).backbone,
                      "chance (every place alike)": np.ones(region.shape)}  # fmt: skip
            for name, each in shown.items():
                kept = found.setdefault(name, {measure: [] for measure in MEASURES})
                kept["share inside"].append(share_inside(each, region))
                on, off = heights(each, region)
                kept["height while on"].append(on)
                kept["height while off"].append(off)
    return {
        name: {measure: float(np.nanmean(values)) for measure, values in each.items()} for name, each in found.items()
    }


def picture_of(head: nn.Module, backbone: nn.Module, side: ActivityVideos, video: int, start: int) -> ClipPicture:
    """One clip with the maps of the activities that are under way, most of them first."""
    frames = frames_of(start, side)
    with torch.inference_mode():
        maps = backbone(clips_of(side, [video], [np.asarray(frames)]))
        looked: ClipMaps = clip_maps(head(maps), maps)
    boxed, notes = {}, {}
    for activity in np.flatnonzero(side.clip_labels(video, frames[0], frames[-1])).tolist():
        name = side.vocabulary.names[activity]
        boxed[name] = normalised(looked.activities[activity])
        region = region_of(side, video, activity, frames, maps.shape[3:])
        notes[name] = f"{100 * share_inside(looked.activities[activity], region):.0f} % inside"
    seconds = tuple(each / 12 for each in frames[1::2])
    return ClipPicture(f"test video {video}", side.frames[video][frames[1::2]], seconds,
                       boxed, {"backbone": normalised(looked.backbone)}, notes)  # fmt: skip


def observation_picture(
    head: nn.Module, backbone: nn.Module, side: ActivityVideos, which: tuple[int, int], start: int
) -> ClipPicture:
    """What one observation looks at in one video; `which` are observation and video."""
    frames = frames_of(start, side)
    with torch.inference_mode():
        maps = backbone(clips_of(side, [which[1]], [np.asarray(frames)]))
        looked = clip_maps(head(maps), maps)
    seconds = tuple(each / 12 for each in frames[1::2])
    boxed = {f"observation {which[0]}": normalised(looked.observations[which[0]])}
    return ClipPicture(f"test video {which[1]}", side.frames[which[1]][frames[1::2]], seconds, boxed, {}, {})


@torch.inference_mode()
def busiest(head: ActivityHead, backbone: nn.Module, side: ActivityVideos) -> int:
    """The observation on which activities lean most, over all test videos."""
    frames = [np.asarray(frames_of(16, side))]
    total = torch.stack([head(backbone(clips_of(side, [video], frames))).mixing[0].amax(dim=0)
                         for video in range(len(side))])  # fmt: skip
    return int(total.mean(dim=0).argmax())


def heads_of(seed: int, place: Place) -> dict[str, nn.Module]:
    """The heads that are looked at, each with the rate and dropout that tuning chose."""
    features, made = features_of("base", seed, place), {}
    for name in LOOKERS:
        rate, dropout = chosen(MODELS[name], place)
        made[name] = head_of(MODELS[name], features, dropout, seed)
        learn(made[name], [(features.train, features.labels)], STEPS, rate, seed)
        made[name].eval()
    return made


def of_seed(seed: int, place: Place, out: Path) -> dict[str, dict[str, float]]:
    """The measures of one seed, from the work folder where they are there; with the pictures of seed 0.

    They are made anew where tuning speaks for other rates than those that they were made with.
    """
    path, rates = place.work / "maps" / f"{seed}.json", {name: list(chosen(MODELS[name], place)) for name in LOOKERS}
    if not path.exists() or read_json(path).get("rates") != rates:
        heads = heads_of(seed, place)
        told = measured(heads, backbone_of("video", seed, place), video_world("base", seed).test)
        if seed == 0:
            draw(out, seed, heads, place)
        write_json(path, {"rates": rates, "maps": told})
    found: dict[str, dict[str, float]] = read_json(path)["maps"]
    return found


def draw(out: Path, seed: int, heads: dict[str, nn.Module], place: Place) -> None:
    """The pictures of one seed: two videos with several activities, one observation in four, the correlation map."""
    side, backbone = video_world("base", seed).test, backbone_of("video", seed, place)
    head = heads[HEAD]
    assert isinstance(head, ActivityHead)
    many = [video for video in range(len(side)) if side.clip_labels(video, 16, 44).sum() >= 2][:4]
    draw_activity_maps([picture_of(head, backbone, side, video, 16) for video in many[:2]], out / "multilabel_maps.png")
    number = busiest(head, backbone, side)
    draw_activity_maps([observation_picture(head, backbone, side, (number, video), 16) for video in many],
                       out / "multilabel_observation.png")  # fmt: skip
    draw_correlation(correlations(head, backbone, side), side.vocabulary.names, out / "multilabel_correlation.png",
                     title="Correlation map (Attn_C + Mask), percent: what is looked at (column) for each (row)",
                     highest=1.0)  # fmt: skip


@torch.inference_mode()
def correlations(head: ActivityHead, backbone: nn.Module, side: ActivityVideos) -> Maps:
    """The correlation map (A, A) as it is on average in the middle clips of all test videos."""
    frames = [np.asarray(frames_of(16, side))]
    maps = [head(backbone(clips_of(side, [video], frames))).correlation[0] for video in range(len(side))]
    mean: Maps = torch.stack(maps).double().mean(dim=0).numpy()
    return mean


def page(told: dict[str, dict[str, dict[str, Any]]], seeds: int) -> Iterator[str]:
    """The numbers as a table."""
    yield "# Where heads look, on planted videos\n"
    yield "Made by `python benchmarks/multilabel_maps.py --out benchmarks/results`.\n"
    yield (
        f"Maps of the activities that are under way in the middle clip of each test video of the base world, {seeds} "
        "seeds (95 % intervals). `share inside`: how much of a map lies in the cells that the activity's box "
        "touches, in percent. `height`: the highest place of a time over the highest of the clip, in percent, at times "
        "at which the activity is on and at which it is off.\n"
    )
    yield "| map | share inside | height while on | height while off |"
    yield "|---|---|---|---|"
    for name, values in told.items():
        yield f"| {name} | " + " | ".join(values[measure]["told"] for measure in MEASURES) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("multilabel-work"))
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    place = Place(options.work, SHARED / "data" / "fsdd")
    by_seed = [of_seed(seed, place, options.out) for seed in range(options.seeds)]
    told = {}
    for name in by_seed[0]:
        estimates = {measure: Estimate.of([each[name][measure] for each in by_seed]) for measure in MEASURES}
        told[name] = {measure: {**each.to_json(), "told": each.told()} for measure, each in estimates.items()}
    write_result(
        options.out,
        "multilabel_maps",
        {"seeds": options.seeds, "maps": told},
        "\n".join(page(told, options.seeds)) + "\n",
    )


if __name__ == "__main__":
    main()
