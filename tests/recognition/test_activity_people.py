"""Persons in boxes: the head judges each by what is in the box, or all beside the scene."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from whenabouts.core.boxes import Boxes, Keyframe, keyframes_of
from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.progress import Silent
from whenabouts.data.project import Project
from whenabouts.nets.activity_net import ActivityNet, People
from whenabouts.nets.roi_align import roi_align
from whenabouts.recognition.activity_clips import ClipSettings
from whenabouts.recognition.activity_model import ActivityModel, ActivitySettings, ViewSettings
from whenabouts.recognition.activity_people import PeopleDraws, numbers_around, people_clips, people_of
from whenabouts.recognition.activity_settings import HeadSettings, HeadTraining
from whenabouts.recognition.activity_testing import Look, recognize, recognize_people
from whenabouts.recognition.activity_training import CPU
from whenabouts.recognition.activity_videos import Gathered, gather, train_activities
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.backbone_settings import BackboneSettings
from whenabouts.recognition.pretraining import Run

SHAPE = BackboneSettings(widths=(4, 8), blocks=(1, 1), stem=4, frames=4, rate=6.0, short_side=16, last_stride=1)
HEAD = HeadSettings(observations=4, hidden=8, groups=4, dropout=0.0)


def settings(people: str) -> ActivitySettings:
    return ActivitySettings(head=HEAD, training=HeadTraining(steps=3, batch=4), people=people, box_side=3)  # type: ignore[arg-type]


def boxes_for(project: Project) -> Boxes:
    """Two persons at second 1 of each video: one above who does 0, one below who does 1, and one outside."""
    ids = [entry.id for entry in project.manifest()]
    corners = [[0.0, 0.0, 1.0, 0.5], [0.0, 0.5, 1.0, 1.0], [1.2, 0.0, 1.4, 1.0]]
    rows = [(video, corner, label) for video in ids for label, corner in enumerate(corners)]
    return Boxes(
        tuple(video for video, _, _ in rows), np.full(len(rows), 1.0), np.array([corner for _, corner, _ in rows]),
        np.array([label if label < 2 else -1 for _, _, label in rows]), np.ones(len(rows)),
        tuple(str(label) for _, _, label in rows),
    )  # fmt: skip


def begun() -> Backbone:
    torch.manual_seed(0)
    return Backbone(SHAPE.boxed(1.5), SHAPE.build().eval())


def gathered(project: Project, start: Backbone, told: ActivitySettings, run: Run) -> Gathered:
    assert isinstance(start.settings, BackboneSettings)
    return gather(
        project.manifest().of_split("train")[:4], project.vocabulary(), start.settings, told, run,
        store=project.features(), boxes=boxes_for(project),
    )  # fmt: skip


@pytest.mark.parametrize("people", ["each", "positions"])
def test_people_are_learned_and_looked_at(people: str, archive: Project, tmp_path: Path) -> None:
    told, start = settings(people), begun()
    run = Run(tmp_path, CPU, workers=1)
    found = gathered(archive, start, told, run)
    assert [len(clip.keyframe) for clip in found.people] == [2] * 4  # Who is outside the picture is left out.
    model = train_activities(found, archive.vocabulary(), start, told, run)
    model.save(tmp_path / "model")
    read = ActivityModel.load(tmp_path / "model")
    tests = archive.manifest().of_split("test")[:2]
    keyframes = [clip for clip in keyframes_of(boxes_for(archive), 2) if clip.video_id in {entry.id for entry in tests}]
    look = Look(ViewSettings(), archive.features(), tmp_path, CPU, Silent())
    seen = recognize_people(read, tests, keyframes, look)
    assert [each.shape for each in seen.probabilities] == [(3, 2) if people == "each" else (1, 2)] * 2
    assert all(np.isfinite(each).all() for each in seen.probabilities)
    alone = recognize_people(read, tests[1:], keyframes[1:], look)
    np.testing.assert_allclose(alone.probabilities[0], seen.probabilities[1], atol=1e-6)
    with pytest.raises(SettingsError, match="judges boxes"):
        recognize(read, tests, look)
    for other in (dataclasses.replace(told, people="none"), dataclasses.replace(told, box_side=5)):
        with pytest.raises(SettingsError, match=r"has (people|box_side) .* \(now .*Give it the same"):
            train_activities(found, archive.vocabulary(), read, other, run)


def test_a_head_for_each_person_reads_the_box() -> None:
    """Boxes of different halves get what the head says of those halves alone."""
    torch.manual_seed(0)
    net = ActivityNet(HEAD.build(8, 2, torch.zeros(2, 2), torch.Generator().manual_seed(0)), people="each", side=2)
    net.eval()
    maps = torch.randn(2, 8, 3, 4, 4)
    people = People(
        torch.tensor([[0.0, 0.0, 1.0, 0.5], [0.0, 0.5, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]), torch.tensor([1, 0, 0])
    )
    outcome = net(maps, people=people)
    features = roi_align(maps, people.boxes, people.clips, side=2)
    for number in range(3):
        alone = net.judged(features[number : number + 1])
        torch.testing.assert_close(outcome.logits[number], alone.logits[0], rtol=1e-4, atol=1e-5)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="give both, or neither"):
        net(maps)


def test_persons_beside_the_scene_do_not_depend_on_who_else_is_in_the_batch() -> None:
    torch.manual_seed(0)
    net = ActivityNet(HEAD.build(8, 2, torch.zeros(2, 2), torch.Generator().manual_seed(0)), people="positions", side=2)
    net.eval()
    maps, boxes = torch.randn(3, 8, 2, 4, 4), torch.rand(5, 4).sort(dim=1).values[:, [0, 1, 2, 3]]
    clips = torch.tensor([2, 0, 2, 0, 2])  # Nobody in clip 1, and not in order.
    together: Tensor = net(maps, people=People(boxes, clips)).logits
    for number in range(3):
        own = boxes[clips == number]
        alone = net(maps[number : number + 1], people=People(own, torch.zeros(len(own), dtype=torch.long)))
        torch.testing.assert_close(together[number], alone.logits[0], rtol=1e-4, atol=1e-5)
    bare = net(maps[:1], people=People(boxes[:0], clips[:0])).logits
    assert not torch.allclose(bare[0], together[0])


def test_draws_move_boxes_with_pixels(archive: Project, tmp_path: Path) -> None:
    told, start = settings("each"), begun()
    found = gathered(archive, start, told, Run(tmp_path, CPU, workers=1))
    assert isinstance(start.settings, BackboneSettings)

    def batch(flips: str, crop: int | None) -> tuple[Tensor, People, Tensor]:
        shape = dataclasses.replace(start.settings, crop=crop)  # type: ignore[type-var]
        how = ClipSettings(flips=flips)  # type: ignore[arg-type]
        draws = PeopleDraws(
            found.people,
            ("a", "b"),
            shape,
            how,
            speed=found.speed,
            batch=4,
            seed=1,
            each=True,  # type: ignore[arg-type]
        )
        made = draws.batch(0)
        assert made.people is not None
        return made.features, made.people, made.labels

    pixels, people, labels = batch("never", None)
    assert pixels.shape[0] == 4
    assert people.clips.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert labels.tolist() == [[1, 0], [0, 1]] * 4
    mirrored, moved, _ = batch("always", None)
    flipped = [clip for clip in range(4) if torch.equal(mirrored[clip], pixels[clip].flip(-1))]
    assert flipped
    torch.testing.assert_close(moved.boxes[:, 1], people.boxes[:, 1])
    cut, inside, rows = batch("never", 8)
    assert cut.shape[-2:] == (8, 8)
    assert len(rows) == len(inside.boxes) <= 8
    assert bool(((inside.boxes >= 0) & (inside.boxes <= 1)).all())


def test_keyframes_at_either_end() -> None:
    assert numbers_around(1.0, 2, 4, 100, 10.0).tolist() == [6, 8, 10, 12]
    assert numbers_around(0.0, 2, 4, 100, 10.0).tolist() == [0, 0, 0, 2]
    assert numbers_around(99.0, 1, 4, 5, 10.0).tolist() == [2, 3, 4, 4]


def test_what_is_missing_is_told(archive: Project, tmp_path: Path) -> None:
    told, start, run = settings("each"), begun(), Run(tmp_path, CPU, workers=1)
    assert isinstance(start.settings, BackboneSettings)
    entries = archive.manifest().of_split("train")[:2]
    with pytest.raises(SettingsError, match="needs boxes"):
        gather(entries, archive.vocabulary(), start.settings, told, run, store=archive.features())
    strangers = dataclasses.replace(boxes_for(archive)[np.array([0])], video_ids=("nobody",))
    found = gather(entries, archive.vocabulary(), start.settings, told, run, store=archive.features(), boxes=strangers)
    with pytest.raises(InvalidData, match="has a box of a person"):
        train_activities(found, archive.vocabulary(), start, told, run)
    assert people_clips([], [Keyframe("a", 1.0, np.zeros((1, 4)), np.zeros((1, 2)), np.ones(1))]) == ()
    assert people_of([]).boxes.shape == (0, 4)


def test_keyframes_after_the_decoded_part_of_a_video_are_left_out_and_told(archive: Project, tmp_path: Path) -> None:
    """Their clips would be of the last picture alone, under the labels of another time."""
    told, start, said = settings("each"), begun(), list[str]()

    class Heard(Silent):
        def say(self, message: str) -> None:
            said.append(message)

    assert isinstance(start.settings, BackboneSettings)
    short = dataclasses.replace(told, clips=ClipSettings(longest_seconds=0.5))
    entries, both = archive.manifest().of_split("train")[:2], boxes_for(archive)
    early = dataclasses.replace(both, seconds=np.where(np.asarray(both.persons) == "0", 0.25, 1.0))
    run = Run(tmp_path, CPU, workers=1, progress=Heard())
    found = gather(
        entries, archive.vocabulary(), start.settings, short, run, store=archive.features(), boxes=early
    )  # fmt: skip
    assert [clip.keyframe.seconds for clip in found.people] == [0.25, 0.25]
    model = train_activities(found, archive.vocabulary(), start, short, run)
    keyframes = [each for each in keyframes_of(early, 2) if each.video_id == entries[0].id]
    assert len(keyframes) == 2
    seen = recognize_people(
        model, entries[:1], keyframes, Look(ViewSettings(), archive.features(), tmp_path, CPU, Heard())
    )
    assert [each.seconds for each in seen.keyframes] == [0.25]
    lost = [line.partition(". Raise")[0] for line in said if "after what was decoded" in line]
    assert seen.problems == tuple(line for line in said if "after what was decoded" in line)[1:]
    assert lost == [f"Keyframes after what was decoded of their videos are left out: {count}" for count in (2, 1)]
