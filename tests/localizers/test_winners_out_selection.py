"""Algorithm 2, batched with masks, against the paper's own loop that takes segments away."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from whenabouts.localizers.protocol import Stream
from whenabouts.localizers.winners_out_selection import Judge, Selection, without
from whenabouts.localizers.winners_out_settings import WinnersOutSettings
from whenabouts.nets.group_attention import GroupAttentionNet

WIDTHS, CLASSES = (5, 3), 4
SETTINGS = WinnersOutSettings(attentions=3, winners_share=0.1, test_steps=6, stream_weights={"flow": 4.0})


def judge_and_video(seed: int, settings: WinnersOutSettings, segments: int = 20) -> tuple[Judge, list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    net = GroupAttentionNet(WIDTHS, CLASSES, attentions=3, generator=generator)
    streams = (Stream("flow", 5, "made"), Stream("rgb", 3, "made"))
    features = [torch.randn(segments, width, generator=generator) for width in WIDTHS]
    return Judge(net, settings, streams, torch.device("cpu")), features


def plain_algorithm(judge: Judge, features: list[torch.Tensor], index: int) -> dict[int, tuple[int, float]]:
    """Segment -> (step, score) for one class: Algorithm 2 line by line, on shorter and shorter matrices."""
    net, settings = judge.net, judge.settings
    left, won = list(range(len(features[0]))), {}
    for step in range(settings.test_steps):
        if not left:
            break
        total = np.zeros(len(left))
        for number, gamma in enumerate((4.0, 1.0)):
            stream, h = net.stream(number), features[number][left].numpy()
            energies = stream.weight.numpy() @ h.T
            attention = np.exp(energies) / np.exp(energies).sum(axis=1, keepdims=True)
            z = net.classifiers[number].numpy()
            z = z[index] - z.mean(axis=0)
            norms = np.linalg.norm(attention @ h, axis=1)
            plain = sum(attention[m] * (h @ z[m]) / (np.sqrt(3) * norms[m]) for m in range(3))
            total += gamma * np.maximum(plain, 0)
        order = sorted(range(len(left)), key=lambda place: (-total[place], place))[: settings.winners(len(features[0]))]
        winners = [place for place in order if total[place] > 0 or not settings.positive_only]
        if not winners:
            break
        won |= {left[place]: (step, total[place]) for place in winners}
        left = [segment for place, segment in enumerate(left) if place not in winners]
    return won


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("positive_only", [True, False])
@torch.no_grad()
def test_selection_equals_the_plain_algorithm(seed: int, positive_only: bool) -> None:
    judge, features = judge_and_video(seed, replace(SETTINGS, positive_only=positive_only))
    found = judge.select(features, torch.arange(CLASSES), 20)
    for index in range(CLASSES):
        won = plain_algorithm(judge, features, index)
        assert {k: int(found.steps[index, k]) for k in np.flatnonzero(found.steps[index] >= 0)} == {
            k: step for k, (step, _) in won.items()
        }
        for segment, (_, score) in won.items():
            assert found.scores[index, segment] == pytest.approx(score, rel=1e-4)


@torch.no_grad()
def test_each_class_loses_only_its_own_winners() -> None:
    judge, features = judge_and_video(1, SETTINGS)
    together = judge.select(features, torch.arange(CLASSES), 20)
    for index in range(CLASSES):
        alone = judge.select(features, torch.tensor([index]), 20)
        np.testing.assert_array_equal(alone.steps[0], together.steps[index])
        np.testing.assert_allclose(alone.first[0], together.first[index], rtol=1e-5)  # float32, summed in other shapes


@torch.no_grad()
def test_all_steps_together_keep_to_the_budget() -> None:
    for segments in (1, 2, 7, 40):
        judge, features = judge_and_video(2, replace(SETTINGS, positive_only=False, winners_share=0.07), segments)
        found = judge.select(features, torch.arange(CLASSES), segments)
        assert ((found.steps >= 0).sum(axis=1) == max(1, round(0.42 * segments))).all()


@torch.no_grad()
def test_first_scores_are_the_scores_of_the_first_step() -> None:
    judge, features = judge_and_video(3, SETTINGS)
    found = judge.select(features, torch.arange(CLASSES), 20)
    np.testing.assert_allclose(judge.first_scores(features, CLASSES, 20).T.numpy(), found.first, rtol=1e-5)
    first_winners = found.steps == 0
    np.testing.assert_array_equal(found.scores[first_winners], found.first[first_winners])


@torch.no_grad()
def test_a_missing_stream_leaves_the_other_to_decide() -> None:
    judge, features = judge_and_video(4, SETTINGS)
    found = judge.select([features[0], None], torch.arange(CLASSES), 20)
    assert (found.steps >= 0).any(axis=1).all()


def test_selection_tells_what_was_selected_until_a_step() -> None:
    selection = Selection(np.array([[0, -1, 2, 1]]), np.zeros((1, 4)), np.zeros((1, 4)))
    assert selection.until(1).tolist() == [[True, False, False, True]]
    assert selection.until(-1).tolist() == [[False] * 4]


def test_the_last_remaining_segment_is_never_removed() -> None:
    remaining = np.array([True, False, True, True])
    scores = np.array([0.5, 0.0, 0.2, 0.2])
    assert without(remaining, np.array([True, False, True, False]), scores).tolist() == [False, False, False, True]
    assert without(remaining, remaining, scores).tolist() == [False, False, True, False]
    lonely = np.array([False, True])
    assert without(lonely, lonely, np.array([9.0, 1.0])).tolist() == [False, True]


def test_winners_are_a_share_of_the_video_or_a_count() -> None:
    share = WinnersOutSettings(winners_share=0.075, test_steps=10)
    assert [share.winners(k) for k in (1, 10, 40, 400, 800)] == [1, 1, 3, 30, 60]
    assert [share.budget(k) for k in (1, 10, 40, 400)] == [1, 8, 30, 300]
    count = WinnersOutSettings(winners_count=30, test_steps=10)
    assert [count.winners(k) for k in (20, 400)] == [30, 30]
    assert [count.budget(k) for k in (200, 400)] == [200, 300]
