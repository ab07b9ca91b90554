"""What the page is told of why a moment was found: the relevance model's own reasons, in its own order."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core import SegmentLabels, Video
from whenabouts.core.progress import Silent
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project
from whenabouts.data.worlds.features import PlantedWorld, WorldShape, planted_world
from whenabouts.localizers import WinnersOut
from whenabouts.localizers.concepts.boosting import TreeSettings
from whenabouts.localizers.concepts.cross_class import CrossClass
from whenabouts.localizers.concepts.cross_class_settings import CrossClassSettings
from whenabouts.localizers.concepts.fitting import FitSettings
from whenabouts.localizers.concepts.makers import MakerSettings
from whenabouts.localizers.concepts.networks import NetSettings
from whenabouts.localizers.concepts.relevance import RelevanceSettings
from whenabouts.localizers.concepts.video_models import VideoModelSettings
from whenabouts.page.server.curves import Model

FIT = FitSettings(epochs=1, least_steps=60, learning_rate=5e-3)
VIDEO = VideoModelSettings(net=NetSettings(kind="logistic"), fit=FIT)
SETTINGS = CrossClassSettings(
    makers=MakerSettings(video=VIDEO, video_kinds=("logistic",), segment_kinds=(), encoders=(), folds=2),
    relevance=RelevanceSettings(model="trees", trees=TreeSettings(rounds=20)),
)


@pytest.fixture(scope="module")
def world() -> PlantedWorld:
    made = planted_world(14, np.random.default_rng(3), WorldShape(classes=3, seconds=(12.0, 14.0), widths={"rgb": 8}))
    rated = []
    for example in made.examples:
        own = made.truth[made.truth.video_ids == example.video_id]
        segments = SegmentLabels((example.video_id,) * len(own), own.spans, own.classes, np.ones(len(own), bool))
        rated.append(replace(example, segments=segments))
    return replace(made, examples=tuple(rated))


@pytest.fixture
def project(tmp_path: Path, world: PlantedWorld) -> Project:
    home = Project.create(tmp_path / "project")
    videos = [
        Video(each.video_id, home.folder / f"{each.video_id}.mp4", duration_seconds=14.0) for each in world.examples
    ]
    home.write_manifest(Manifest(tuple(Entry(video) for video in videos)))
    home.write_vocabulary(world.vocabulary)
    home.features().append([each.features["rgb"] for each in world.examples])
    return home


def test_reasons_are_those_of_the_model(project: Project, world: PlantedWorld) -> None:
    fitted = CrossClass.fit(world.examples, SETTINGS, Silent(), vocabulary=world.vocabulary)
    fitted.save(project.localizer_folder)
    entry, concept = project.manifest().entries[0], world.vocabulary.names[1]
    model = Model(project)
    model.scores(entry)
    told = model.moved(entry, concept, 2.0, 4.0)
    expected = fitted.why(world.examples[0].features, (2.0, 4.0), concept)
    assert [row["name"] for row in told] == [each.column for each in expected.reasons[: len(told)]]
    assert [row["gain"] for row in told] == pytest.approx([each.adds for each in expected.reasons[: len(told)]])
    assert any(row["gain"] != 0 for row in told)
    assert all(row["value"] is None or np.isfinite(row["value"]) for row in told)  # What is missing is null in JSON.


def test_other_localizers_have_no_trees_to_tell_of(project: Project, world: PlantedWorld) -> None:
    settings = WinnersOut.Settings(epochs=1, attentions=2, rounds=1)
    WinnersOut.fit(world.examples, settings, Silent(), vocabulary=world.vocabulary).save(project.localizer_folder)
    entry, model = project.manifest().entries[0], Model(project)
    model.scores(entry)
    assert model.moved(entry, world.vocabulary.names[0], 2.0, 4.0) == []
