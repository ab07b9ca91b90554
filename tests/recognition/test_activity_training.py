"""Training heads for activities: what is planted is learned, unknown is no negative, parts that don't learn stay."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from whenabouts.config import load
from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.nets.activity_heads import ActivityHead, groups_within
from whenabouts.recognition.activity_settings import HeadSettings, HeadTraining
from whenabouts.recognition.activity_training import TrainedHead, drawn_rows, train_head
from whenabouts.recognition.label_kinds import KINDS, joined

SMALL = HeadSettings(observations=8, hidden=16, groups=4, dropout=0.0)
SHORT = HeadTraining(steps=150, batch=16, learning_rate=5e-3)
ACTIVITIES, WIDTH = 3, 16


def world(count: int, seed: int = 0, positions: tuple[int, ...] = (2, 3, 3)) -> tuple[Tensor, Tensor]:
    """Noise with each activity's own pattern at one position; some clips have none, some all."""
    random = np.random.default_rng(seed)
    patterns = np.random.default_rng(99).normal(size=(ACTIVITIES, WIDTH)) * 2
    features = random.normal(size=(count, WIDTH, int(np.prod(positions)))) * 0.3
    labels = random.integers(2, size=(count, ACTIVITIES))
    for row in range(count):
        for label in np.flatnonzero(labels[row]):
            features[row, :, random.integers(features.shape[2])] += patterns[label]
    return torch.tensor(features, dtype=torch.float32).reshape(count, WIDTH, *positions), torch.tensor(labels).float()


def ap(head: TrainedHead, features: Tensor | Sequence[Tensor], labels: Tensor) -> float:
    names = [str(number) for number in range(labels.shape[1])]
    scores = head.probabilities(features).double().numpy()
    return next(iter(KINDS[head.settings.kind].measure(names, scores, labels.double().numpy()).figures.values()))


@pytest.mark.parametrize("head", ["activities", "mean", "max", "logsumexp"])
def test_planted_activities_are_learned(head: str) -> None:
    features, labels = world(128)
    trained = train_head(features, labels, dataclasses.replace(SMALL, head=head), SHORT)
    assert ap(trained, *world(128, seed=1)) > 0.85
    assert trained.history[-1]["loss"] < trained.history[0]["loss"]


def test_sequences_of_any_length_are_features_too() -> None:
    features, labels = world(96, positions=(12,))
    cut = [row[:, : 12 - number % 3] for number, row in enumerate(features)]
    trained = train_head(cut, labels, SMALL, SHORT)
    whole = trained.probabilities(cut[:8])
    alone = torch.cat([trained.probabilities([row]) for row in cut[:8]])
    torch.testing.assert_close(whole, alone, atol=1e-5, rtol=1e-4)  # Padding changes nothing.
    assert ap(trained, cut, labels) > 0.85
    assert trained.probabilities([]).shape == (0, ACTIVITIES)


def test_unknown_labels_change_nothing_and_say_nothing() -> None:
    """Two trainings that differ in what stands behind unknown labels are the same; unknown beats false negatives."""
    features, labels = world(128)
    hidden = torch.rand(labels.shape, generator=torch.Generator().manual_seed(3)) < 0.6
    wrong, unknown = labels.masked_fill(hidden, 0.0), labels.masked_fill(hidden & (labels == 1), float("nan"))
    test = world(128, seed=1)
    honest = train_head(features, unknown, SMALL, SHORT).probabilities(test[0])
    fooled = train_head(features, wrong, SMALL, SHORT).probabilities(test[0])
    there = test[1] == 1
    assert honest[there].mean() > fooled[there].mean() + 0.2


def test_one_of_many() -> None:
    features, labels = world(160)
    one = torch.zeros_like(labels)
    kept = labels.sum(1) == 1
    one[kept] = labels[kept]
    single = dataclasses.replace(SMALL, kind="single-label")
    trained = train_head(features[kept], one[kept], single, SHORT)
    torch.testing.assert_close(trained.probabilities(features).sum(1), torch.ones(160))
    assert ap(trained, features[kept], one[kept]) > 0.9


def test_same_seed_same_head_also_after_a_kill(tmp_path: Path) -> None:
    features, labels = world(32)
    training = HeadTraining(steps=20, batch=8, checkpoint_every=10)
    straight = train_head(features, labels, SMALL, training, seed=4)
    place = tmp_path / "checkpoint.safetensors"

    class Killed:
        def say(self, message: str) -> None: ...

        def track(self, items, *, total=None, title=""):  # type: ignore[no-untyped-def]
            for number, item in enumerate(items):
                if number == 15:
                    raise KeyboardInterrupt
                yield item

    with pytest.raises(KeyboardInterrupt):
        train_head(features, labels, SMALL, training, seed=4, checkpoint=place, progress=Killed())
    assert place.exists()
    kept, others = place.read_bytes(), features.clone()
    others[7] += 1  # Of other features, or another co-occurrence, it is no beginning.
    apart = train_head(others, labels, SMALL, training, seed=4, checkpoint=place)
    once = train_head(others, labels, SMALL, training, seed=4)
    assert torch.equal(apart.net.head.queries, once.net.head.queries)  # type: ignore[union-attr, arg-type]
    place.write_bytes(kept)
    known = torch.ones(1, labels.shape[1])
    apart = train_head(features, labels, SMALL, training, video_labels=known, seed=4, checkpoint=place)
    assert apart.net.head.co_occurrence.min() == 1  # type: ignore[union-attr, operator]
    place.write_bytes(kept)
    resumed = train_head(features, labels, SMALL, training, seed=4, checkpoint=place)
    for name, tensor in straight.net.state_dict().items():
        assert torch.equal(tensor, resumed.net.state_dict()[name]), name


def test_the_correlation_map_is_learned_anew_alone() -> None:
    """In the first world 0 and 1 occur together, in the second they exclude each other."""
    features, labels = world(96)
    labels[:, 1] = labels[:, 0]
    first = train_head(features, labels, SMALL, HeadTraining(steps=20))
    assert isinstance(first.net.head, ActivityHead)
    mask = first.net.head.co_occurrence
    assert mask is not None
    assert mask[0, 1] == 1
    labels[:, 1] = 1 - labels[:, 0]
    again = train_head(features, labels, start=first, learns="correlation", training=HeadTraining(steps=20))
    before, after = first.net.state_dict(), again.net.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[1] for name in changed} == {"co_occurrence", "between", "related_weight", "related_bias"}
    assert after["head.co_occurrence"][0, 1] == 0
    plain = train_head(features, labels, dataclasses.replace(SMALL, correlation=False), HeadTraining(steps=1))
    with pytest.raises(SettingsError, match="no correlation map"):
        train_head(features, labels, start=plain, learns="correlation")


@pytest.mark.parametrize("fusion", ["positions", "added"])
def test_extra_inputs_tell_what_pictures_do_not(fusion: str) -> None:
    random = np.random.default_rng(5)
    labels = torch.tensor(random.integers(2, size=(128, ACTIVITIES))).float()
    features = torch.tensor(random.normal(size=(128, WIDTH, 6)) * 0.3).float()
    extras = torch.zeros(128, 2, 5)
    extras[:, 0, :ACTIVITIES] = labels * 2 - 1
    extras[:, 1] = float("nan")  # Never there.
    settings = dataclasses.replace(SMALL, fusion=fusion)
    trained = train_head(features, labels, settings, SHORT, extras=extras)
    scores = trained.probabilities(features, extras).double().numpy()
    names = [str(number) for number in range(ACTIVITIES)]
    assert KINDS["multi-label"].measure(names, scores, labels.double().numpy()).figures["map"] > 0.95
    with pytest.raises(ValueError, match="give both, or neither"):
        trained.probabilities(features)


def test_odd_numbers_of_activities_and_widths() -> None:
    """One activity, a thousand, and a width that 32 does not divide."""
    features = torch.randn(8, 10, 4, generator=torch.Generator().manual_seed(0))
    for activities in (1, 1024):
        labels = torch.zeros(8, activities)
        labels[::2, 0] = 1
        trained = train_head(features, labels, HeadSettings(observations=2), HeadTraining(steps=2, batch=4))
        assert trained.probabilities(features).shape == (8, activities)
    assert groups_within(32, 10, 128) == 2
    assert groups_within(32, 2304, 128) == 32


def test_what_cannot_be_learned_is_told() -> None:
    features, labels = world(8)
    with pytest.raises(InvalidData, match="No clip has any activity"):
        train_head(features, torch.full_like(labels, float("nan")))
    with pytest.raises(InvalidData, match="one row of activities"):
        train_head(features, labels[:5])
    with pytest.raises(InvalidData, match="1, 0, or NaN"):
        train_head(features, labels * 0.7)
    with pytest.raises(SettingsError, match="drops"):
        load(HeadTraining, {"schedule": "step"}, "[activities]")


def test_features_that_do_not_fit_are_told_before_anything_is_learned() -> None:
    features, labels = world(8)
    broken = features.clone()
    broken[3, 0] = torch.inf
    some = list(features.flatten(2))
    begun = train_head(features, labels, SMALL, HeadTraining(steps=1))
    for given, more, told in (
        (broken, {}, "1 of 8 clips hold what is no finite number; the first is clip 3"),
        (features[:, :, 0, 0, 0], {}, r"a clip has shape \(16,\)"),
        ([*some[:7], some[7][:9]], {}, r"widths \[9, 16\]"),
        (features.numpy(), {}, "one is a ndarray"),
        (features, {"extras": torch.zeros(8)}, "Extra inputs need a row"),
        (features, {"extras": torch.full((8, 2), torch.inf)}, "Extra inputs hold infinite"),
        (features, {"video_labels": torch.ones(4, 7)}, "column for each of 3 activities"),
        (features[:, :8], {"start": begun}, "width 16, 3 activities and extras of width None, but these have 8, 3"),
    ):
        with pytest.raises(InvalidData, match=told):
            train_head(given, labels, SMALL, HeadTraining(steps=1), **more)  # type: ignore[arg-type]
    wide = train_head(features.double(), labels, SMALL, HeadTraining(steps=1))  # Any numbers, computed in float32.
    assert torch.equal(wide.probabilities(features.double()), begun.probabilities(features))


def test_rows_come_in_rounds() -> None:
    rows = np.concatenate([drawn_rows(step, 4, 10, 0) for step in range(5)])
    assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10))
    assert rows[:10].tolist() != rows[10:].tolist()


def test_views_are_joined_without_losing_them() -> None:
    views = np.array([[0.2, 0.9], [0.4, 0.1]])
    np.testing.assert_allclose(joined(views), [0.3, 0.5])
    np.testing.assert_allclose(joined(views, "max"), [0.4, 0.9])
    np.testing.assert_allclose(joined(views, weights=np.array([3.0, 1.0])), [0.25, 0.7])
