"""What a person decided is what is exported, and what the next model learns from."""

import tempfile
from pathlib import Path

import numpy as np

import whenabouts
from whenabouts.core.files import read_json
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.reviews import Decided, ReviewStore
from whenabouts.data.worlds.features import planted_world

folder = Path(tempfile.mkdtemp())
project = whenabouts.Project.create(folder / "project")
world = planted_world(40, np.random.default_rng(1))
names = world.vocabulary.names
project.write_manifest(Manifest(tuple(
    Entry(whenabouts.Video(each.video_id, folder / f"{each.video_id}.mp4", duration_seconds=40.0),
          tuple(WeakLabel(names[index]) for index in each.labels.classes.tolist()))
    for each in world.examples
)))  # fmt: skip
project.write_vocabulary(world.vocabulary)
project.features().append(sequence for each in world.examples for sequence in each.features.values())

whenabouts.train(project=project.folder, localizer="multiple-instance", overrides=["train.epochs=5"])
print(whenabouts.find(names[0], project=project.folder, top=3)["moments"], "moments were found.")

best = whenabouts.Moments.from_json(read_json(project.moments_folder / "moments.json")).ranked(1)
(moment,) = best
judged = (moment.start_seconds, moment.end_seconds)
store = ReviewStore(project.reviews_path)
store.add([Decided("rejected", moment.video_id, moment.concept, *judged, judged, moment.score)])
store.close()
print(whenabouts.export(folder / "left.csv", project=project.folder)["moments"], "are left after one was rejected.")
