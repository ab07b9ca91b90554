"""A small project that can be served: planted features, a trained model, moments, some real files, odd ids."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from whenabouts.core.files import write_json
from whenabouts.core.progress import Silent
from whenabouts.core.video import Video
from whenabouts.data.manifest import Entry, FileStamp, Manifest, RatedSegment, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings
from whenabouts.data.worlds.features import PlantedWorld, WorldShape, planted_world
from whenabouts.localizers import WinnersOut
from whenabouts.localizers.finding import find_moments
from whenabouts.media.writing import write_video

ODD_IDS = ("a/../b", "..", "café #1?&%2e%2e", "with space", "<b>bold</b>", "x" * 300, "/etc/passwd", "name\udc80")


def planted(videos: int = 24) -> PlantedWorld:
    shape = WorldShape(classes=3, seconds=(12.0, 16.0), widths={"rgb": 12})
    return planted_world(videos, np.random.default_rng(3), shape)


def make_project(folder: Path, *, odd: bool = True, test_videos: int = 0) -> Project:
    """Videos 0 and 1 are files (H.264 in MP4 and in Matroska); the first ids are odd ones where `odd`."""
    world = planted()
    home = Project.create(folder)
    names = {each.video_id: ODD_IDS[n] if odd and n < len(ODD_IDS) else f"video-{n:02d}"
             for n, each in enumerate(world.examples)}  # fmt: skip
    entries, features = [], []
    for number, example in enumerate(world.examples):
        sequence, name = example.features["rgb"], names[example.video_id]
        path = home.folder / "videos" / f"{number:02d}{'.mkv' if number == 1 else '.mp4'}"
        duration = sequence.grid.duration_seconds
        labels = tuple(WeakLabel(world.vocabulary.names[index], source="csv") for index in example.labels.classes)
        segments = (RatedSegment(labels[0].name, 1.0, 2.0, source="chapters"),) if number == 2 and labels else ()
        split = "test" if number >= len(world.examples) - test_videos else "train"
        video = Video(name, path, duration_seconds=duration, fps=Fraction(25), height=36, width=48)
        entries.append(Entry(video, labels, segments, split, title=f"Title {number:02d}", uploader="Zoë",
                             stamp=FileStamp(1, (1_700_000_000 + number) * 10**9)))  # fmt: skip
        features.append(type(sequence)(name, sequence.values, sequence.grid, "rgb", sequence.source))
    home.write_manifest(Manifest(tuple(entries)))
    home.write_vocabulary(world.vocabulary, VocabularySettings(min_count=1))
    home.features().append(features)
    settings = WinnersOut.Settings(epochs=3, attentions=2, rounds=1)
    model = WinnersOut.fit(world.examples, settings, Silent(), vocabulary=world.vocabulary)
    model.save(home.localizer_folder)
    found = find_moments(model, entries, home.features(), Silent())
    write_json(home.moments_folder / "moments.json", found.moments.to_json())
    database: dict[str, dict] = {}
    for moment in world.truth:
        note = {"segment": [moment.start_seconds, moment.end_seconds], "label": moment.concept}
        place = database.setdefault(names[moment.video_id], {"subset": "validation", "annotations": []})
        place["annotations"].append(note)
    home.truth_path.write_text(__import__("json").dumps({"database": database}))
    frames = [np.full((36, 48, 3), 10 * second, np.uint8) for second in range(12)]
    for entry in entries[:2]:
        write_video(entry.video.path, frames, [float(n) for n in range(12)], rate=Fraction(1))
    return home
