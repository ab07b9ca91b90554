import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from whenabouts.config import load
from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.labels import VideoLabels
from whenabouts.core.video import Video
from whenabouts.recognition.label_draws import LabelDraws
from whenabouts.recognition.label_losses import carried_by, label_loss
from whenabouts.recognition.labelled_videos import LabelledVideo, chosen
from whenabouts.recognition.pretrain_settings import PretrainSettings


def single(*counts: int) -> list[VideoLabels]:
    """So many videos of class 0, of class 1, ..."""
    return [VideoLabels.of([index]) for index, count in enumerate(counts) for _ in range(count)]


def drawn(labels: list[VideoLabels], count: int, **plan: object) -> list[tuple[int, int]]:
    draws, random = LabelDraws(labels, 7, PretrainSettings(**plan)), np.random.default_rng(1)
    return [draws.pair(place, random) for place in range(count)]


def test_every_video_comes_once_an_epoch_with_a_label_drawn_by_weight() -> None:
    weighted = VideoLabels(np.asarray([1, 2]), np.asarray([0.9, 0.3]))
    pairs = drawn([VideoLabels.of([0]), weighted, VideoLabels.of([0])], 3000)
    for epoch in range(0, 3000, 3):
        assert sorted(video for video, _ in pairs[epoch : epoch + 3]) == [0, 1, 2]
    of_second = [index for video, index in pairs if video == 1]
    assert set(of_second) == {1, 2}
    assert np.mean(np.asarray(of_second) == 1) == pytest.approx(0.75, abs=0.05)


@pytest.mark.parametrize(
    ("exponent", "shares"),
    [(0.5, [100 / 111, 10 / 111, 1 / 111]), (1.0, [10000 / 10101, 100 / 10101, 1 / 10101]), (0.0, [1 / 3] * 3)],
)
def test_classes_are_drawn_by_a_power_of_their_counts(exponent: float, shares: list[float]) -> None:
    plan = PretrainSettings(sampling="classes", exponent=exponent)
    draws = LabelDraws(single(10000, 100, 1), 0, plan)
    np.testing.assert_allclose(draws.class_shares, shares, rtol=1e-12)
    random = np.random.default_rng(3)
    classes = Counter(draws.pair(0, random)[1] for _ in range(3000))
    for index, share in enumerate(shares):
        spread = 5 * (share * (1 - share) / 3000) ** 0.5
        assert classes[index] / 3000 == pytest.approx(share, abs=spread)


def test_within_a_class_videos_are_drawn_evenly_and_none_of_another_class() -> None:
    pairs = drawn(single(90, 10), 4000, sampling="classes")
    assert np.mean([index == 1 for _, index in pairs]) == pytest.approx(0.25, abs=0.03)
    rare = Counter(video for video, index in pairs if index == 1)
    assert set(rare) == set(range(90, 100))
    assert max(rare.values()) < 2 * min(rare.values())


def test_every_class_is_drawn_though_some_numbers_are_without_a_video() -> None:
    labels = [VideoLabels.of([2]), VideoLabels.of([5]), VideoLabels.of([5])]
    assert set(drawn(labels, 200, sampling="classes", exponent=0.0)) == {(0, 2), (1, 5), (2, 5)}


def test_repeat_factors_repeat_the_rare() -> None:
    """Counts 16, 4, 1 of 21 with threshold 4/21: factors max(1, sqrt(4/16)) = 1, 1 and sqrt(4) = 2."""
    labels = single(16, 4, 1)
    plan = PretrainSettings(sampling="repeat", repeat_threshold=4 / 21)
    np.testing.assert_allclose(LabelDraws(labels, 0, plan).repeats, [1, 1, 2])
    pairs = drawn(labels, 3 * 22, sampling="repeat", repeat_threshold=4 / 21)
    orders = []
    for epoch in range(3):
        videos = [video for video, _ in pairs[epoch * 22 : (epoch + 1) * 22]]
        assert Counter(videos) == {**dict.fromkeys(range(20), 1), 20: 2}
        orders.append(videos)
    assert orders[0] != orders[1]


def test_fractions_of_repeat_factors_come_by_chance_and_epochs_differ_in_length() -> None:
    """Counts 8, 1 of 9 with threshold 1/4: the rare class has factor sqrt(9/4) = 1.5."""
    places = drawn(single(8, 1), 4 * 9 * 200, sampling="repeat", repeat_threshold=0.25)
    rare = np.mean([video == 8 for video, _ in places])
    assert rare == pytest.approx(1.5 / 9.5, abs=0.015)


def test_a_draw_depends_on_nothing_but_its_place() -> None:
    for sampling in ("videos", "classes", "repeat"):
        plan = PretrainSettings(sampling=sampling, repeat_threshold=0.5)
        forward, backward = (LabelDraws(single(8, 3, 1), 5, plan) for _ in range(2))
        one = [forward.pair(place, np.random.default_rng(place)) for place in range(60)]
        assert [backward.pair(place, np.random.default_rng(place)) for place in reversed(range(60))] == one[::-1]


def labelled(*rows: list[int]) -> list[LabelledVideo]:
    return [LabelledVideo(Video(f"v{k}", Path()), VideoLabels.of(row)) for k, row in enumerate(rows)]


def test_one_label_for_good_is_drawn_evenly_and_depends_on_the_name_alone() -> None:
    videos = labelled(*([[0, 1, 4]] * 900))
    once = chosen(videos, PretrainSettings(label="once"), 3)
    counts = Counter(int(item.labels.classes[0]) for item in once)
    assert {len(item.labels) for item in once} == {1}
    assert set(counts) == {0, 1, 4}
    assert min(counts.values()) > 250
    backward = chosen(videos[::-1], PretrainSettings(label="once"), 3)
    assert {item.video.id: item.labels.classes.tolist() for item in once} == {
        item.video.id: item.labels.classes.tolist() for item in backward
    }
    assert chosen(videos, PretrainSettings(), 3) == videos


def test_small_classes_are_kept_whole() -> None:
    """Counts 10, 4, 1 cut to 9: cap 4, so that 4 + 4 + 1 are left."""
    videos = labelled(*([[0]] * 10), *([[1]] * 4), [2])
    kept = chosen(videos, PretrainSettings(subset=9, subset_by="tail"), 0)
    assert Counter(int(item.labels.classes[0]) for item in kept) == {0: 4, 1: 4, 2: 1}
    fewer = chosen(videos, PretrainSettings(subset=5, subset_by="tail"), 0)
    assert {item.video.id for item in fewer} < {item.video.id for item in kept}


def test_a_random_subset_is_of_the_size_asked_for() -> None:
    videos = labelled(*([[0]] * 10), *([[1]] * 4))
    assert len(chosen(videos, PretrainSettings(subset=5), 0)) == 5
    with pytest.raises(SettingsError, match="15 videos, but 14"):
        chosen(videos, PretrainSettings(subset=15), 0)


def of_lengths() -> list[LabelledVideo]:
    """Of label 0 three short videos and two long ones, of label 1 a short and three long ones, of 2 a short one."""
    seconds = {0: (3.0, 4.0, 5.0, 55.0, 60.0), 1: (2.0, 58.0, 57.0, 59.0), 2: (3.0,)}
    return [
        LabelledVideo(Video(f"{label}-{own:g}", Path(), duration_seconds=own), VideoLabels.of([label]))
        for label, all_of_it in seconds.items()
        for own in (*all_of_it, 20.0)
    ]


def test_sets_of_one_length_have_as_many_videos_of_each_label() -> None:
    plan = PretrainSettings(label="once", length="short")
    sets = {
        (length, equal): chosen(of_lengths(), dataclasses.replace(plan, length=length, equal=equal), 0)
        for length in ("short", "long", "long_centre")
        for equal in ("videos", "seconds")
    }
    for (length, equal), found in sets.items():
        counts = Counter(int(item.labels.classes[0]) for item in found)
        assert counts == ({0: 2, 1: 1} if equal == "videos" or length == "short" else {0: 1, 1: 1}), (length, equal)
    assert all(item.video.duration_seconds <= 5 for item in sets["short", "videos"])
    assert {item.video.id for item in sets["long", "videos"]} >= {"0-55", "0-60"}
    assert [item.video for item in sets["long", "seconds"]] == [item.video for item in sets["long_centre", "seconds"]]
    assert {item.video.id: item.span for item in sets["long_centre", "videos"]}.items() >= {
        "0-55": (25.5, 29.5),
        "0-60": (28.0, 32.0),
    }.items()
    backward = chosen(of_lengths()[::-1], dataclasses.replace(plan, length="long"), 0)
    assert [item.video.id for item in backward[::-1]] == [item.video.id for item in sets["long", "videos"]]


def test_sets_of_one_length_that_can_not_be_are_refused() -> None:
    with pytest.raises(ValueError, match="label = 'once'"):
        PretrainSettings(length="short")
    with pytest.raises(ValueError, match="Leave one of them out"):
        PretrainSettings(length="short", label="once", subset=3)
    with pytest.raises(InvalidData, match="nothing to compare"):
        chosen(of_lengths(), PretrainSettings(length="short", label="once", long_seconds=(100.0, 200.0)), 0)


@pytest.mark.parametrize(
    ("span", "count", "rows"),
    [
        (None, 7, range(7)),
        ((1.0, 2.0), 40, range(10, 20)),
        ((1.04, 1.16), 40, range(10, 12)),
        ((1.0, 9.0), 15, range(10, 15)),
        ((5.0, 9.0), 15, range(14, 15)),  # The file ends before: its last row.
        ((5.0, 9.0), 0, range(1)),
    ],
)
def test_the_rows_of_a_part(span: tuple[float, float] | None, count: int, rows: range) -> None:
    assert LabelledVideo(Video("v", Path()), VideoLabels.of([0]), span).rows(10.0, count) == rows


def test_no_label_and_one_label_are_told() -> None:
    for labels in ([], single(3)):
        with pytest.raises(InvalidData, match="at least 2 concepts"):
            LabelDraws(labels, 0, PretrainSettings())


def test_one_label_and_a_loss_on_all_exclude_each_other() -> None:
    with pytest.raises(SettingsError, match="learns all labels"):
        load(PretrainSettings, {"label": "once", "loss": "sigmoid"}, "[pretrain]")


def test_losses_on_all_labels_by_hand() -> None:
    """One video with classes 0 and 1 of 3, scores log 2, 0, 0: probabilities 1/2, 1/4, 1/4."""
    scores = torch.tensor([[np.log(2), 0.0, 0.0]])
    carried = carried_by((np.asarray([0, 1]),), 3)
    assert carried.tolist() == [[1, 1, 0]]
    assert float(label_loss(scores, carried, "softmax_all")) == pytest.approx((np.log(2) + np.log(4)) / 2)
    # Sigmoids: 2/3, 1/2, 1/2, the last one absent.
    assert float(label_loss(scores, carried, "sigmoid")) == pytest.approx(np.log(3 / 2) + np.log(2) + np.log(2))
    twice = label_loss(scores.repeat(2, 1), carried.repeat(2, 1), "sigmoid")
    assert float(twice) == pytest.approx(float(label_loss(scores, carried, "sigmoid")))
