"""What the demo archive says about itself: sidecars as yt-dlp writes them, faults included, and the truth."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from whenabouts.data.demo.plan import CONCEPTS, DemoArchiveSettings, VideoPlan

SPAM = ("fyp", "viral", "vlog", "2024", "shorts", "foryou")
PLACES = ("kitchen", "garage", "balcony", "attic", "hallway", "garden", "cellar", "office", "workshop", "porch")
CATEGORIES = ("Entertainment", "People & Blogs", "Science & Technology")

UPLOADERS = ("odd shapes", "paper theatre", "window cam", "slow afternoon", "bench tests")


def sidecar(plan: VideoPlan, settings: DemoArchiveSettings, *, rng: np.random.Generator) -> dict[str, Any]:
    """The `.info.json` of one video; held-out videos name no concept, training videos name some, and some wrongly."""
    place, uploader = str(rng.choice(PLACES)), str(rng.choice(UPLOADERS))
    named = _named(plan, settings, rng) if plan.subset == "train" else []
    where = [(name, rng.random()) for name in named]
    tags = [_spelt(name, rng) for name, dice in where if dice < 0.75]
    hashtags = ["#" + name.replace(" ", "_") for name, dice in where if dice > 0.5]
    extra = [str(name) for name in rng.choice(SPAM, size=rng.integers(0, 3), replace=False)]
    tags += [*extra, *([place] if rng.random() < 0.3 else [])]
    rng.shuffle(tags)
    title = f"{place.title()}, take {plan.number + 1}"
    description = " ".join(["Filmed without a plan.", *hashtags, *(["#fyp"] if rng.random() < 0.2 else [])])
    chapters = _chapters(plan) if plan.id.startswith("long") and rng.random() < settings.chapters else None
    return {
        "id": plan.id,
        "display_id": plan.id,
        "title": title,
        "description": description,
        "tags": tags,
        "categories": [str(rng.choice(CATEGORIES))],
        "uploader": uploader,
        "uploader_id": "@" + uploader.replace(" ", ""),
        "channel": uploader,
        "duration": round(plan.duration_seconds, 3),
        "chapters": chapters,
        "upload_date": f"2024{rng.integers(1, 13):02d}{rng.integers(1, 29):02d}",
        "view_count": int(rng.integers(3, 90_000)),
        "width": settings.width,
        "height": settings.height,
        "fps": settings.frames_per_second,
        "ext": "mp4",
        "extractor": "demo",
        "webpage_url": f"https://example.invalid/watch?v={plan.id}",
        "_type": "video",
    }


def truth_of(plans: Iterable[VideoPlan]) -> dict[str, Any]:
    """What really happens when, as an ActivityNet ground truth object."""
    taxonomy = [{"nodeId": 0, "nodeName": "Root", "parentId": None, "parentName": None}]
    taxonomy += [{"nodeId": index + 1, "nodeName": name, "parentId": 0, "parentName": "Root"}
                 for index, name in enumerate(CONCEPTS)]  # fmt: skip
    return {
        "version": "whenabouts demo 1",
        "taxonomy": taxonomy,
        "database": {plan.id: _record(plan) for plan in plans},
    }


def _record(plan: VideoPlan) -> dict[str, Any]:
    fps = plan.frames_per_second
    annotations = [{"segment": [moment.first / fps, moment.stop / fps], "label": moment.name}
                   for moment in plan.moments]  # fmt: skip
    return {"subset": plan.subset, "duration": plan.duration_seconds, "annotations": annotations}


def _named(plan: VideoPlan, settings: DemoArchiveSettings, rng: np.random.Generator) -> list[str]:
    """The concepts that a sidecar names: some that are there are forgotten, and now and then one is made up."""
    named = [name for name in plan.labels if rng.random() >= settings.missing_tags]
    absent = [name for name in CONCEPTS if name not in plan.labels]
    if rng.random() < settings.wrong_tags:
        named.append(str(rng.choice(absent)))
    return named


def _spelt(name: str, rng: np.random.Generator) -> str:
    """One of the spellings that people use for the same tag."""
    return str(rng.choice([name, name, name.title(), name.upper(), name.replace(" ", "-")]))


def _chapters(plan: VideoPlan) -> list[dict[str, Any]]:
    """Chapters from 0 to the end, one for each moment seen, `pause` between them."""
    fps, now, chapters = plan.frames_per_second, 0, []
    for moment in (stretch for stretch in plan.seen if stretch.name in CONCEPTS):
        if moment.first > now:
            chapters.append((now, moment.first, "pause"))
        chapters.append((moment.first, moment.stop, moment.name))
        now = moment.stop
    if now < plan.frames:
        chapters.append((now, plan.frames, "pause"))
    return [{"start_time": first / fps, "end_time": stop / fps, "title": title} for first, stop, title in chapters]
