"""`whenabouts show` of a net for activities, on video files: what is looked at, drawn and told."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("matplotlib")

from whenabouts.commands.show import show
from whenabouts.core import InvalidData, ProjectError, SegmentLabels, VideoLabels
from whenabouts.core.progress import Silent
from whenabouts.data.project import Project
from whenabouts.nets.activity_heads import ActivityHead, co_occurrence
from whenabouts.page.activity_looks import (
    LookedAt,
    activity_picture,
    busiest_observation,
    correlation_of,
    look,
    observation_picture,
)
from whenabouts.recognition.activity_clips import ExtraShape
from whenabouts.recognition.activity_model import ActivityModel, ActivitySettings, new_net
from whenabouts.recognition.activity_settings import HeadSettings
from whenabouts.recognition.backbone_settings import BackboneSettings

SHAPE = BackboneSettings(widths=(4, 8), blocks=(1, 1), stem=4, frames=4, rate=6.0, height=12, width=16)
TOLD = ActivitySettings(head=HeadSettings(observations=4, hidden=8, groups=4))


def model_for(project: Project, told: ActivitySettings = TOLD, extra: ExtraShape | None = None) -> ActivityModel:
    vocabulary = project.vocabulary()
    mask = co_occurrence(torch.eye(len(vocabulary)))
    net = new_net(SHAPE, told, len(vocabulary), mask, extra, seed=1)
    return ActivityModel(SHAPE, told, net.eval(), vocabulary, extra)


@pytest.fixture(scope="module")
def looked(archive: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[ActivityModel, list[LookedAt]]:
    model = model_for(archive)
    entries = list(archive.manifest())[:4]
    return model, look(model, entries, 2, tmp_path_factory.mktemp("cache"), Silent())


def test_maps_are_those_of_the_middle_clip(looked: tuple[ActivityModel, list[LookedAt]]) -> None:
    model, clips = looked
    assert len(clips) == 2
    for each in clips:
        assert each.frames.shape[:1] == (4,)
        steps = np.diff(each.seconds)
        np.testing.assert_allclose(steps, 1 / 6)
        middle = (each.seconds[0] + each.seconds[-1]) / 2
        assert middle == pytest.approx(each.entry.video.duration_seconds / 2, abs=0.35)
        clip = model.shape.transform().test(torch.from_numpy(each.frames[None]))
        with torch.inference_mode():
            again = model.net(clip)
        torch.testing.assert_close(again.probabilities, each.outcome.probabilities)
        assert each.maps.activities.shape[0] == len(model.vocabulary)


def test_pictures_tell_of_labels_or_of_what_is_asked_for(looked: tuple[ActivityModel, list[LookedAt]]) -> None:
    model, clips = looked
    names = model.vocabulary.names
    each = clips[0]
    labels = [names[index] for index in each.labels.classes]
    assert labels
    assert set(activity_picture(each, model.vocabulary).boxed) == set(labels)
    asked = activity_picture(each, model.vocabulary, names[:1])
    assert list(asked.boxed) == [names[0]]
    likely = each.probabilities[0]
    torch.testing.assert_close(torch.from_numpy(each.probabilities).float(), each.outcome.probabilities[0])
    assert asked.notes[names[0]] == f"p = {likely:.2f}{', labelled' if names[0] in labels else ''}"
    nowhere = dataclasses.replace(each, labels=VideoLabels.of([]))
    assert activity_picture(nowhere, model.vocabulary, names[:1]).notes[names[0]] == f"p = {likely:.2f}"
    assert len(asked.frames) == len(asked.boxed[names[0]]) == len(asked.seconds)
    assert asked.boxed[names[0]].max() == 1.0


def test_of_one_of_many_probabilities_sum_to_one(archive: Project, tmp_path: Path) -> None:
    single = dataclasses.replace(TOLD, head=dataclasses.replace(TOLD.head, kind="single-label"))
    model = model_for(archive, single)
    each = look(model, list(archive.manifest())[:1], 1, tmp_path, Silent())[0]
    names = model.vocabulary.names
    notes = activity_picture(each, model.vocabulary, names).notes
    told = sum(float(notes[name].splitlines()[0].removeprefix("p = ").partition(",")[0]) for name in names)
    assert told == pytest.approx(1.0, abs=0.011)


def test_checked_segments_tell_when_a_map_should_be_high(looked: tuple[ActivityModel, list[LookedAt]]) -> None:
    model, clips = looked
    each = clips[0]
    times = len(each.maps.backbone)
    assert times == 2
    early = np.array([[0.0, each.seconds[2] - 0.01]])
    told = dataclasses.replace(each, segments=SegmentLabels((each.entry.id,), early, np.array([0]), np.array([True])))
    note = activity_picture(told, model.vocabulary, model.vocabulary.names[:1]).notes[model.vocabulary.names[0]]
    peaks = each.maps.activities[0].max(axis=(1, 2))
    assert (
        note.splitlines()[1]
        == f"height on {100 * peaks[0] / peaks.max():.0f} %, off {100 * peaks[1] / peaks.max():.0f} %"
    )


def test_observations_and_correlations(looked: tuple[ActivityModel, list[LookedAt]]) -> None:
    model, clips = looked
    number = busiest_observation(clips)
    assert 0 <= number < 4
    picture = observation_picture(clips[1], number)
    assert list(picture.boxed) == [f"observation {number}"]
    mask, mean = correlation_of(model, clips)
    np.testing.assert_array_equal(mask, np.eye(len(model.vocabulary)))
    np.testing.assert_allclose((mean - mask).sum(axis=1), 1.0, rtol=1e-5)  # attention's rows
    plain = dataclasses.replace(TOLD, head=dataclasses.replace(TOLD.head, correlation=False))
    with pytest.raises(InvalidData, match="without correlations"):
        correlation_of(dataclasses.replace(model, settings=plain, net=_without(model)), clips)


def _without(model: ActivityModel) -> torch.nn.Module:
    plain = dataclasses.replace(TOLD, head=dataclasses.replace(TOLD.head, correlation=False))
    net = new_net(SHAPE, plain, len(model.vocabulary), None, None)
    assert isinstance(net.head, ActivityHead)
    return net


def test_missing_extra_inputs_do_not_move_the_maps(archive: Project, tmp_path: Path) -> None:
    entries = list(archive.manifest())[:1]
    made = look(
        model_for(archive, extra=ExtraShape(modality="objects", count=3, width=5)), entries, 1, tmp_path, Silent()
    )[0]
    assert made.outcome.attention.shape[2] == made.maps.backbone.size
    assert not list((tmp_path / "frames").glob("**/*.npy"))  # Frames that were not there before are gone again.


def test_a_pooled_head_and_an_unreadable_split_are_told(archive: Project, tmp_path: Path) -> None:
    pooled = dataclasses.replace(TOLD, head=HeadSettings(head="mean"))
    with pytest.raises(InvalidData, match="looks at no places"):
        look(model_for(archive, pooled), list(archive.manifest()), 1, tmp_path, Silent())
    with pytest.raises(ProjectError, match="none of this split"):
        look(model_for(archive), [], 1, tmp_path, Silent())


def test_show_draws_without_a_localizer(own_archive: Project, capsys: pytest.CaptureFixture[str]) -> None:
    model_for(own_archive).save(own_archive.models_folder / "activities")
    show(["activities", "observation", "correlation"], project=own_archive.folder, videos=2, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [Path(path).name for path in told["files"]] == ["activities.png", "observation.png", "correlation.png"]
    assert all(Path(path).stat().st_size > 5000 for path in told["files"])
    show(["all"], project=own_archive.folder, as_json=True)
    assert {Path(path).stem for path in json.loads(capsys.readouterr().out)["files"]} == {
        "activities", "observation", "correlation"}  # fmt: skip
    with pytest.raises(ProjectError, match="no model"):
        show(["moments"], project=own_archive.folder)
