"""Discriminants in closed form: against hand-worked cases and a solution written otherwise."""

import numpy as np
import pytest
import torch

from whenabouts.nets.discriminants import MemberSums, Spread, soft_members, split_values


def test_a_split_is_where_two_groups_part() -> None:
    values = torch.tensor([[0.0, 5.0], [1.0, 5.0], [10.0, 5.0], [11.0, 8.0]], dtype=torch.float64)
    threshold, apart = split_values(values)
    assert threshold.tolist() == [5.5, 6.5]  # Between 1 and 10; between 5 and 8.
    assert apart.tolist() == [10.0, 3.0]  # 10.5 - 0.5; 8 - 5.


def test_a_split_has_the_largest_variance_between_both_parts() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=50)
    cuts = np.sort(values)

    def between(cut: float) -> float:
        low, high = values[values < cut], values[values >= cut]
        return float(len(low) * len(high) * (high.mean() - low.mean()) ** 2)

    best = max((cuts[1:] + cuts[:-1]) / 2, key=between)
    assert split_values(torch.from_numpy(values)[:, None])[0].item() == pytest.approx(best)


def test_members_are_soft_around_the_split() -> None:
    values = torch.tensor([[0.0], [1.0], [10.0], [11.0]], dtype=torch.float64)
    expected = 1 / (1 + np.exp(-(values[:, 0].numpy() - 5.5) / (0.4 * 10)))
    assert soft_members(values, 0.4)[:, 0].numpy() == pytest.approx(expected)
    assert soft_members(values[:3], 0.4).tolist() == [[1.0]] * 3
    assert soft_members(torch.full((6, 2), 3.0), 0.4).tolist() == [[0.5, 0.5]] * 6


def test_the_discriminant_is_the_one_that_is_written_out() -> None:
    rng = np.random.default_rng(0)
    videos = [rng.normal(size=(steps, 5)) for steps in (12, 7, 20)]
    shown, weights = [[0, 2], [2], [0]], [1.0, 0.5, 2.0]
    members = [rng.random((len(video), len(classes))) for video, classes in zip(videos, shown, strict=True)]
    spread, sums = Spread(5), MemberSums(5, 4)
    for video, classes, row, weight in zip(videos, shown, members, weights, strict=True):
        spread.add(torch.from_numpy(video))
        sums.add(torch.from_numpy(video), torch.from_numpy(row), torch.tensor(classes), weight)
    found = sums.discriminant(spread, 0.3)

    every = np.concatenate(videos)
    covariance = (np.cov(every.T, bias=True) + 0.3 * np.eye(5)) / 1.3
    for label in (0, 2):
        own = [n for n, classes in enumerate(shown) if label in classes]
        mass = np.concatenate([weights[n] * members[n][:, shown[n].index(label)] for n in own])
        rest = np.concatenate([weights[n] * (1 - members[n][:, shown[n].index(label)]) for n in own])
        values = np.concatenate([videos[n] for n in own])
        inside, beside = (np.average(values, axis=0, weights=each) for each in (mass, rest))
        against = (beside + every.mean(axis=0)) / 2
        weight = np.linalg.inv(covariance) @ (inside - against)
        assert found.weight[:, label].numpy() == pytest.approx(weight)
        assert found.bias[label].item() == pytest.approx(-(inside + against) @ weight / 2)
    assert not found.weight[:, [1, 3]].any()
    assert not found.bias[[1, 3]].any()


def test_what_only_tells_videos_apart_counts_less_than_what_tells_their_segments_apart() -> None:
    rng = np.random.default_rng(3)
    spread, sums = Spread(2), MemberSums(2, 1)
    for number in range(40):
        shows = number % 2
        acting = (np.arange(30) % 3 == 0) & bool(shows)
        scene = np.full(30, float(shows))
        values = torch.from_numpy(np.stack([acting, scene], axis=1) + rng.normal(0, 0.3, (30, 2)))
        spread.add(values)
        if shows:
            sums.add(values, torch.from_numpy(acting[:, None] * 0.8 + 0.1), torch.tensor([0]))
    weight = sums.discriminant(spread, 0.1).weight[:, 0]
    assert weight[0] > 4 * weight[1].abs()
