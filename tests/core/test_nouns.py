import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core import (
    FeatureSequence,
    InvalidData,
    Moments,
    ScoreSequence,
    SegmentLabels,
    TimeGrid,
    Video,
    VideoLabels,
    Vocabulary,
)

WORDS = Vocabulary(("dive", "wave", "wedding"), aliases={"waving": "wave"})


def moments() -> Moments:
    return Moments.build(["b", "a", "a", "a"], [[0, 2], [1, 3], [2, 4], [9, 9.5]], [0, 1, 1, 2], WORDS,
                         scores=[0.5, 0.9, 0.9, 0.1])  # fmt: skip


class TestVocabulary:
    def test_aliases_lead_to_names(self) -> None:
        assert WORDS.encode(["waving", "dive"]).tolist() == [1, 0]
        assert "waving" in WORDS

    def test_an_unknown_name_gets_a_suggestion(self) -> None:
        with pytest.raises(InvalidData, match="Did you mean 'wedding'"):
            WORDS.index("weding")

    def test_twice_and_strangers_are_refused(self) -> None:
        with pytest.raises(InvalidData, match="each concept once"):
            Vocabulary(("a", "a"))
        with pytest.raises(InvalidData, match="does not name"):
            Vocabulary(("a",), aliases={"x": "y"})
        with pytest.raises(InvalidData, match="does not name"):
            Vocabulary(("a",), parents={"z": "a"})

    def test_json_keeps_everything(self) -> None:
        assert Vocabulary.from_json(json.loads(json.dumps(WORDS.to_json()))) == WORDS


class TestLabels:
    def test_silence_means_what_the_policy_says(self) -> None:
        assert VideoLabels.of([1], "negative").known(3).tolist() == [True, True, True]
        unknown = VideoLabels(np.array([1]), np.array([0.5]), negatives=np.array([2]), absent="unknown")
        assert unknown.known(3).tolist() == [False, True, True]
        assert unknown.dense(3).tolist() == [0, 0.5, 0]

    def test_contradictions_are_refused(self) -> None:
        with pytest.raises(InvalidData, match="both present and absent"):
            VideoLabels(np.array([1]), np.array([1.0]), negatives=np.array([1]))
        with pytest.raises(InvalidData, match=r"\(0, 1\]"):
            VideoLabels(np.array([1]), np.array([0.0]))
        with pytest.raises(InvalidData, match="each class once"):
            VideoLabels.of([1, 1])

    def test_segment_labels_need_equal_columns(self) -> None:
        assert len(SegmentLabels.empty()) == 0
        with pytest.raises(InvalidData, match="one row each"):
            SegmentLabels(("a",), np.zeros((1, 2)), np.zeros(2, np.int64), np.ones(1, bool))


class TestMoments:
    def test_masks_and_classes(self) -> None:
        assert len(moments()[moments().scores > 0.4]) == 3
        assert moments().of_class("waving").video_ids.tolist() == ["a", "a"]
        assert [moment.concept for moment in moments()] == ["dive", "wave", "wave", "wedding"]

    def test_ranking_does_not_depend_on_the_order_given(self) -> None:
        backwards = moments()[np.array([3, 2, 1, 0])]
        assert [*backwards.ranked()] == [*moments().ranked()]
        assert moments().ranked(2).spans.tolist() == [[1, 3], [2, 4]]

    def test_suppression_keeps_the_best_and_other_classes(self) -> None:
        assert moments().suppressed(0.3).spans.tolist() == [[1, 3], [0, 2], [9, 9.5]]
        assert len(moments().suppressed(0.34)) == 4

    def test_merging_joins_and_keeps_the_best_score(self) -> None:
        merged = moments().merged().ranked()
        assert merged.spans.tolist() == [[1, 4], [0, 2], [9, 9.5]]
        assert merged.scores.tolist() == [0.9, 0.5, 0.1]

    def test_json_round_trip(self) -> None:
        back = Moments.from_json(json.loads(json.dumps(moments().to_json())))
        assert [*back.ranked()] == [*moments().ranked()]
        assert back.vocabulary == WORDS

    def test_plain_activitynet_results_are_read(self) -> None:
        plain = {"results": {"v": [{"label": "b", "score": 1, "segment": [0, 1]}]}, "version": "1", "external_data": {}}
        assert next(iter(Moments.from_json(plain))).concept == "b"
        good = {"label": "b", "score": 1, "segment": [0, 1]}
        for bad in ({"label": "b", "score": 1}, {**good, "score": "x"}, {**good, "segment": None},
                    {**good, "segment": [1]}, 7, [1]):  # fmt: skip
            with pytest.raises(InvalidData, match=r"can't be read \(\w+: .*\); each needs a label, a score"):
                Moments.from_json({"results": {"v": [good, bad]}})

    def test_bad_columns_are_refused(self) -> None:
        with pytest.raises(InvalidData, match=r"must lie in 0\.\.2"):
            Moments.build(["a"], [[0, 1]], [3], WORDS)
        with pytest.raises(InvalidData, match="must be finite"):
            Moments.build(["a"], [[0, 1]], [0], WORDS, scores=float("nan"))
        with pytest.raises(InvalidData, match="same vocabulary"):
            Moments.concatenate([moments()], Vocabulary(("x",)))

    def test_joining_nothing(self) -> None:
        assert len(Moments.concatenate([], WORDS)) == 0
        assert "0 in 0 videos" in repr(Moments.empty(WORDS))


def test_features_know_their_grid() -> None:
    grid = TimeGrid.of_length(2.0, 0.5)
    features = FeatureSequence("v", np.zeros((4, 8), np.float32), grid, "rgb", "net@1")
    assert "(4, 8)" in repr(features)
    features.check_finite()
    with pytest.raises(InvalidData, match="3 rows of rgb features on 4 steps"):
        FeatureSequence("v", np.zeros((3, 8)), grid, "rgb", "net@1")
    broken = np.zeros((4, 8), np.float32)
    broken[2, 5] = np.nan
    with pytest.raises(InvalidData, match="step 2, column 5"):
        FeatureSequence("v", broken, grid, "rgb", "net@1").check_finite()
    broken[2, 5] = -3e38
    with pytest.raises(InvalidData, match=r"hold -3e\+38 at step 2, column 5; they are numbers up to 1e\+18"):
        FeatureSequence("v", broken, grid, "rgb", "net@1").check_finite()
    FeatureSequence("v", np.full((4, 8), 65504, np.float16), grid, "rgb", "net@1").check_finite()
    FeatureSequence("v", np.full((4, 8), 255, np.uint8), grid, "rgb", "net@1").check_finite()
    with pytest.raises(InvalidData, match="hold inf"):
        FeatureSequence("v", np.full((4, 8), np.inf, np.float16), grid, "rgb", "net@1").check_finite()


def test_scores_fit_grid_and_vocabulary() -> None:
    grid = TimeGrid.of_length(2.0, 0.5)
    ScoreSequence("v", np.zeros((4, 3), np.float32), np.zeros(3, np.float32), grid, WORDS)
    with pytest.raises(InvalidData, match=r"\(4, 3\)"):
        ScoreSequence("v", np.zeros((4, 2), np.float32), np.zeros(3, np.float32), grid, WORDS)


def test_video_round_trip_and_reasons() -> None:
    video = Video("a", Path("a.mp4"), 3.5, Fraction(30000, 1001), None, 2, 3, 1.48, True, "partial", 0.5, "cut short")
    assert Video.from_json(json.loads(json.dumps(video.to_json()))) == video
    with pytest.raises(InvalidData, match="no reason"):
        Video("a", Path("a.mp4"), status="unreadable")
    for wrong in ({"duration_seconds": float("nan")}, {"duration_seconds": float("inf")},
                  {"start_pts_seconds": float("nan")}, {"coverage": float("nan")}):  # fmt: skip
        with pytest.raises(InvalidData):
            Video("a", Path("a.mp4"), **wrong)
