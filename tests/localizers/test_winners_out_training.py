"""Winners-out training: what is learned from, what is removed, and that a killed training ends the same."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from whenabouts.core import FeatureMismatch, FeatureSequence, InvalidData, VideoLabels
from whenabouts.core.progress import Silent
from whenabouts.data.examples import Example
from whenabouts.data.worlds.features import PlantedWorld, WorldShape, planted_world
from whenabouts.localizers.training_videos import RunningMoments, TrainingVideos
from whenabouts.localizers.winners_out import WinnersOut
from whenabouts.localizers.winners_out_selection import Judge
from whenabouts.localizers.winners_out_settings import WinnersOutSettings
from whenabouts.localizers.winners_out_training import WinnersOutTraining, make_net, remove_winners
from whenabouts.training import Compute

QUICK = WinnersOutSettings(epochs=3, attentions=3)
CPU = Compute(torch.device("cpu"), torch.float32)


class Notes(Silent):
    """Progress that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def without_steps(sequence: FeatureSequence) -> FeatureSequence:
    """The same stream of a video of no length."""
    grid = replace(sequence.grid, steps=0, duration_seconds=0.0)
    return replace(sequence, values=sequence.values[:0], grid=grid)


def with_a_hole(example: Example, modality: str) -> Example:
    """The same video with NaN among the features of one stream."""
    sequence = example.features[modality]
    values = np.where(sequence.values > 2, np.nan, sequence.values)
    return replace(example, features={**example.features, modality: replace(sequence, values=values)})


def weights(localizer: WinnersOut) -> dict[str, torch.Tensor]:
    return localizer.net.state_dict()


def assert_same(one: WinnersOut, other: WinnersOut) -> None:
    for name, tensor in weights(one).items():
        assert torch.equal(tensor, weights(other)[name]), name


def fit(examples: list[Example] | tuple[Example, ...], world: PlantedWorld, **choices: Any) -> WinnersOut:
    settings = replace(QUICK, **choices.pop("change", {}))
    return WinnersOut.fit(examples, settings, choices.pop("progress", Silent()), vocabulary=world.vocabulary, **choices)


def test_same_seed_same_net_and_another_seed_another(world: PlantedWorld, quick: WinnersOut) -> None:
    assert_same(fit(world.examples, world, seed=3), quick)
    other = fit(world.examples, world, seed=4)
    assert not torch.equal(weights(other)["classifiers.0"], weights(quick)["classifiers.0"])


def test_number_of_threads_changes_nothing_and_is_left_as_it_was(world: PlantedWorld, quick: WinnersOut) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert_same(fit(world.examples, world, seed=3), quick)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_order_of_examples_given_lazily_or_not_changes_nothing(world: PlantedWorld, quick: WinnersOut) -> None:
    class Lazy:
        def __len__(self) -> int:
            return len(world.examples)

        def __getitem__(self, index: int) -> Example:
            return world.examples[index]

    videos = TrainingVideos(Lazy(), 4, QUICK, Silent(), cache_bytes=0)  # type: ignore[arg-type]
    net = WinnersOutTraining(videos, QUICK, CPU, Silent(), seed=3, checkpoints=None).run()
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, weights(quick)[name]), name


def test_unusable_videos_are_counted_and_told_and_change_nothing(world: PlantedWorld, quick: WinnersOut) -> None:
    first = world.examples[0]
    unlabelled = replace(first, video_id="unlabelled", labels=VideoLabels.of([]))
    broken = with_a_hole(replace(first, video_id="broken"), "rgb")
    empty = replace(first, video_id="empty", features={m: without_steps(s) for m, s in first.features.items()})
    bare = replace(first, video_id="bare", features={})
    notes = Notes()
    found = fit((*world.examples, unlabelled, broken, empty, bare), world, progress=notes, seed=3)
    assert found.training["videos"] == 20
    assert found.training["left_out"] == {
        "without a label": 1,
        "broken features": 1,
        "without a step of features": 2,
    }
    assert any("nan at step" in said for said in notes.said)
    assert any(said.startswith("20 of 24 videos are used; left out: 2 without a step") for said in notes.said)
    assert_same(found, quick)


def test_nothing_usable_is_said_plainly(world: PlantedWorld) -> None:
    unlabelled = [replace(example, labels=VideoLabels.of([])) for example in world.examples[:3]]
    with pytest.raises(InvalidData, match="No video can be learned from: 3 without a label"):
        fit(unlabelled, world)
    with pytest.raises(InvalidData, match="none was given"):
        fit([], world)


def test_features_of_two_makers_are_refused(world: PlantedWorld) -> None:
    stranger = world.examples[1]
    rgb = replace(stranger.features["rgb"], source="another backbone")
    mixed = replace(stranger, features={**stranger.features, "rgb": rgb})
    with pytest.raises(FeatureMismatch, match="another backbone, but the model was trained on 24, from planted world"):
        fit([world.examples[0], mixed], world)


def test_a_video_may_lack_a_stream(world: PlantedWorld) -> None:
    silent = [replace(e, features={"rgb": e.features["rgb"]}) for e in world.examples[:6]]
    found = fit((*silent, *world.examples[6:]), world)
    assert found.training["videos"] == 20
    assert [stream.modality for stream in found.streams] == ["flow", "rgb"]
    assert len(found.localize(silent[0].features)) > 0
    assert not found.score(silent[0].features).attention[:3].any()


def test_labels_become_targets_that_sum_to_one_and_weights_count(world: PlantedWorld) -> None:
    labels = VideoLabels(np.array([1, 3]), np.array([0.6, 0.2]))
    trusted, doubted = world.examples[0], replace(world.examples[1], labels=labels)
    videos = TrainingVideos([trusted, doubted], 4, QUICK, Silent()).videos
    assert videos[1].targets.tolist() == pytest.approx([0, 0.75, 0, 0.25])
    assert (videos[0].weight, videos[1].weight) == (1.0, 0.6)
    assert videos[1].classes == (1, 3)


def test_standardising_takes_the_spread_of_all_training_segments(world: PlantedWorld) -> None:
    videos = TrainingVideos(world.examples, 4, QUICK, Silent())
    stacked = np.concatenate([videos.features(index)[1] for index in range(len(videos))])
    net = make_net(videos, QUICK, 0)
    np.testing.assert_allclose(net.stream(1).mean.numpy(), stacked.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(net.stream(1).std.numpy(), stacked.std(axis=0), rtol=1e-5)
    plain = make_net(videos, replace(QUICK, standardised=False), 0)
    assert not plain.stream(1).mean.any()


def test_running_moments_survive_large_means_and_constant_columns() -> None:
    rows = np.random.default_rng(0).normal(1e4, 0.5, size=(1000, 3)).astype(np.float32)
    rows[:, 2] = 7.3
    running = RunningMoments(3)
    for part in np.array_split(rows, 7):
        running.add(part)
    np.testing.assert_allclose(running.mean, rows.astype(np.float64).mean(axis=0))
    np.testing.assert_allclose(running.deviation()[:2], rows[:, :2].astype(np.float64).std(axis=0))
    assert running.deviation()[2] == 1.0


def test_winners_of_all_classes_go_at_once_and_are_those_of_the_same_segments(world: PlantedWorld) -> None:
    videos = TrainingVideos(world.examples, 4, QUICK, Silent())
    judge = Judge(make_net(videos, QUICK, 0), QUICK, videos.streams, torch.device("cpu"))
    matrices, everything = judge.placed(videos.features(0)), np.ones(videos.videos[0].grid.steps, bool)
    each = [~remove_winners(judge, matrices, (index,), everything) for index in (0, 2)]
    both = ~remove_winners(judge, matrices, (0, 2), everything)
    np.testing.assert_array_equal(both, each[0] | each[1])
    count = QUICK.winners(len(everything))
    assert [gone.sum() for gone in each] == [count, count]
    again = remove_winners(judge, matrices, (0, 2), ~both)
    assert not (again & both).any()
    assert again.sum() < (~both).sum()


def test_rounds_remove_but_never_the_last_segment(world: PlantedWorld) -> None:
    settings = replace(QUICK, epochs=1, rounds=5, winners_share=0.4, positive_only=False)
    videos = TrainingVideos(world.examples[:4], 4, settings, Silent())
    training = WinnersOutTraining(videos, settings, CPU, Silent(), seed=0, checkpoints=None)
    training.run()
    assert [int(mask.sum()) for mask in training.remaining] == [1, 1, 1, 1]
    assert len(training.history) == 5


def test_restarted_rounds_begin_with_other_weights(world: PlantedWorld, quick: WinnersOut) -> None:
    restarted = fit(world.examples, world, seed=3, change={"restart": True})
    assert not torch.equal(weights(restarted)["classifiers.0"], weights(quick)["classifiers.0"])


def test_very_long_videos_are_thinned_in_training_only(world: PlantedWorld) -> None:
    settings = replace(QUICK, longest=10)
    videos = TrainingVideos(world.examples, 4, settings, Silent())
    training = WinnersOutTraining(videos, settings, CPU, Silent(), seed=0, checkpoints=None)
    training.remaining[0][:5] = False
    matrices, mask = training._thinned(0, np.random.default_rng(0))
    assert [matrix.shape[0] for matrix in matrices if matrix is not None] == [10, 10]
    assert mask.all()
    gone = {row.tobytes() for row in videos.features(0)[0][:5]}
    assert not gone & {row.tobytes() for row in matrices[0]}
    training.run()
    assert all(len(mask) == video.grid.steps for mask, video in zip(training.remaining, videos.videos, strict=True))


def test_batches_are_drawn_without_a_look_at_parameters(world: PlantedWorld) -> None:
    """A thread that waits for torch's lock on a parameter, and a step that holds it, would wait for each other."""
    videos = TrainingVideos(world.examples, 4, QUICK, Silent())
    training = WinnersOutTraining(videos, QUICK, CPU, Silent(), seed=0, checkpoints=None)
    expected = training._draw(0, 0, 0)
    for name in ("classifiers", "streams"):
        delattr(training.net, name)
    drawn = training._draw(0, 0, 0)
    assert drawn.kept.shape == (len(drawn.targets), QUICK.attentions * sum(each.width for each in videos.streams))
    assert torch.equal(drawn.kept, expected.kept)


def test_the_penalty_is_measured_where_it_is_asked_for(world: PlantedWorld) -> None:
    found = fit(world.examples, world, change={"penalty": 0.1, "epochs": 5})
    assert found.training["rounds"][0][0]["penalty"] > 0
    plain = fit(world.examples, world, change={"epochs": 5})
    assert "penalty" not in plain.training["rounds"][0][0]


class Killed(Silent):
    """Progress that counts the steps of one stage, and dies after the n-th."""

    def __init__(self, title: str, after: int = 10**6) -> None:
        self.title, self.after, self.seen = title, after, 0

    def track(self, items: Iterable[Any], *, total: int | None, title: str) -> Iterator[Any]:
        for item in items:
            if title.startswith(self.title):
                if self.seen == self.after:
                    raise KeyboardInterrupt
                self.seen += 1
            yield item


@pytest.mark.parametrize(
    ("title", "after", "steps_left"),
    [("training", 1, 12), ("training", 3, 10), ("Removing", 2, 6), ("training", 7, 6), ("training", 8, 4)],
)
def test_a_killed_training_goes_on_to_the_same_net(
    world: PlantedWorld, quick: WinnersOut, tmp_path: Path, title: str, after: int, steps_left: int
) -> None:
    """Twelve steps in all, two to an epoch, three epochs to a round."""
    with pytest.raises(KeyboardInterrupt):
        fit(world.examples, world, seed=3, progress=Killed(title, after), checkpoints=tmp_path)
    counted = Killed("training")
    resumed = fit(world.examples, world, seed=3, progress=counted, checkpoints=tmp_path)
    assert counted.seen == steps_left
    assert_same(resumed, quick)
    assert json.dumps(resumed.training) == json.dumps(quick.training)


def test_a_checkpoint_of_other_settings_labels_or_data_is_started_over(world: PlantedWorld, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(world.examples, world, seed=3, progress=Killed("training", 9), checkpoints=tmp_path)
    fresh = fit(world.examples[:-1], world, seed=3)
    assert_same(fit(world.examples[:-1], world, seed=3, checkpoints=tmp_path), fresh)


def test_a_checkpoint_of_the_same_videos_with_other_features_is_started_over(
    world: PlantedWorld, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(world.examples, world, seed=3, progress=Killed("training", 9), checkpoints=tmp_path)
    first = world.examples[0]
    other = {name: replace(sequence, values=sequence.values + 1) for name, sequence in first.features.items()}
    examples = [replace(first, features=other), *world.examples[1:]]
    assert_same(fit(examples, world, seed=3, checkpoints=tmp_path), fit(examples, world, seed=3))


def test_a_broken_round_file_costs_time_and_nothing_else(
    world: PlantedWorld, quick: WinnersOut, tmp_path: Path
) -> None:
    (tmp_path / "round-1.safetensors").write_bytes(b"not a file of tensors")
    assert_same(fit(world.examples, world, seed=3, checkpoints=tmp_path), quick)


def test_one_concept_needs_videos_without_it() -> None:
    rng = np.random.default_rng(1)
    alone = planted_world(12, rng, WorldShape(classes=1, unlabelled=0.5, seconds=(12, 20)))
    found = fit(alone.examples, alone)
    assert found.net.classifiers[0].shape[0] == 2
    assert found.training["videos"] == 12
    everywhere = [example for example in alone.examples if len(example.labels)]
    with pytest.raises(InvalidData, match=r"one concept, and all .* agree on it"):
        fit(everywhere, alone)
    unsaid = [replace(e, labels=replace(e.labels, absent="unknown")) for e in alone.examples]
    with pytest.raises(InvalidData, match="one concept"):
        fit(unsaid, alone)


def test_erasing_by_the_mean_keeps_segments_and_puts_the_training_mean_there(world: PlantedWorld) -> None:
    settings = replace(QUICK, erasing="mean", standardised=False)
    training = training_of(world, settings)
    assert training.run() is training.net
    index = next(i for i, kept in enumerate(training.remaining) if not kept.all())
    kept, whole = training.remaining[index], training.videos.features(index)
    seen, mask = training._erased(whole, kept)
    assert mask.all()
    stacked = np.concatenate([training.videos.features(i)[1] for i in range(len(training.videos))])
    np.testing.assert_array_equal(seen[1][kept], whole[1][kept])
    np.testing.assert_allclose(seen[1][~kept], np.tile(stacked.mean(axis=0), ((~kept).sum(), 1)), atol=1e-5)


def test_rounds_stop_where_what_remains_tells_nothing(world: PlantedWorld, tmp_path: Path) -> None:
    """Half of each video goes at each round: the last rounds have nothing to learn from and are undone."""
    greedy = replace(QUICK, winners_share=0.5, positive_only=False, rounds=6, stop_below=0.9)
    training = training_of(world, greedy, checkpoints=tmp_path / "a")
    net = training.run()
    assert 1 < len(training.history) < 6
    undone = len(training.history) - 1
    shorter = training_of(world, replace(greedy, rounds=undone))
    for name, tensor in shorter.run().state_dict().items():
        assert torch.equal(tensor, net.state_dict()[name]), name
    again = training_of(world, greedy, checkpoints=tmp_path / "a")
    for name, tensor in again.run().state_dict().items():
        assert torch.equal(tensor, net.state_dict()[name]), name
    assert again._hits == training._hits


def training_of(
    world: PlantedWorld, settings: WinnersOutSettings, *, checkpoints: Path | None = None
) -> WinnersOutTraining:
    videos = TrainingVideos(world.examples, 4, settings, Silent())
    return WinnersOutTraining(videos, settings, CPU, Silent(), seed=3, checkpoints=checkpoints)
