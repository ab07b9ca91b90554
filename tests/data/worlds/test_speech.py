"""The speech world: nothing stands on both sides, and features, labels and ratings are what they say."""

from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.data.worlds.speech import SpeechSide, SpeechWorld, noisy_labels, speech_world
from whenabouts.data.worlds.speech_sound import RATE, NoiseBed, Recordings, Whitening, mixed, pooled, read_recordings
from whenabouts.data.worlds.speech_streams import DIGITS, Concepts, SpeechSettings, recording_pools

SPEAKERS = ("ann", "bob", "cyd", "dan")


def tones(each: int = 4) -> Recordings:
    """Speakers hum: a tone for each digit, a little higher for each speaker; `each` recordings of a pair."""
    waves, digits, speakers = [], [], []
    rng = np.random.default_rng(5)
    for place, speaker in enumerate(SPEAKERS):
        for digit in range(10):
            for _ in range(each):
                time = np.arange(int(rng.integers(1200, 6000))) / RATE
                waves.append(np.sin(2 * np.pi * (300 + 200 * digit + 40 * place) * time).astype(np.float32))
                digits.append(digit)
                speakers.append(speaker)
    return Recordings(tuple(waves), tuple(digits), tuple(speakers))


def small(**changes: object) -> SpeechSettings:
    return SpeechSettings(**{"train_streams": 12, "test_streams": 5, "rated_streams": 1.0, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made() -> SpeechWorld:
    return speech_world(tones(), small())


@pytest.fixture(scope="module", params=["recordings", "speakers"])
def both(request: pytest.FixtureRequest) -> tuple[Recordings, SpeechSettings, SpeechWorld]:
    recordings = tones()
    world = small(protocol=request.param, held_out=("bob", "dan"))
    return recordings, world, speech_world(recordings, world)


def heard(side: SpeechSide) -> set[int]:
    return {row for stream in side.streams for row in stream.recordings}


def test_nothing_is_on_both_sides(both: tuple[Recordings, SpeechSettings, SpeechWorld]) -> None:
    recordings, world, found = both
    assert not heard(found.train) & heard(found.test)
    assert not {one.id for one in found.train.streams} & {one.id for one in found.test.streams}
    beds = [{one.bed for one in side.streams} for side in (found.train, found.test)]
    assert beds[0]
    assert not beds[0] & beds[1]
    voices = [{recordings.speakers[row] for row in heard(side)} for side in (found.train, found.test)]
    if world.protocol == "speakers":
        assert voices[0] == {"ann", "cyd"}
        assert voices[1] == {"bob", "dan"}
        assert found.judged == tuple(range(10))
    else:
        assert voices[0] == voices[1] == set(SPEAKERS)
        assert found.judged == tuple(range(10, 54))


def test_beds_with_other_numbers_are_other_noises() -> None:
    beds = {NoiseBed.drawn(SpeechSettings().rng(1, number)) for number in range(40)}
    assert len(beds) == 40


@pytest.mark.golden
def test_the_real_recordings_are_shared_out_without_overlap(shared: Path) -> None:
    recordings = read_recordings(shared / "data/fsdd")
    assert len(recordings) == 3000
    train, test = recording_pools(recordings, SpeechSettings())
    assert (len(train), len(test)) == (2100, 900)
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(3000))
    pairs = {(recordings.digits[row], recordings.speakers[row]) for row in test.tolist()}
    assert len(pairs) == 60
    by_speaker = SpeechSettings(protocol="speakers", held_out=("theo", "yweweler"))
    train, test = recording_pools(recordings, by_speaker)
    assert {recordings.speakers[row] for row in test.tolist()} == {"theo", "yweweler"}
    assert len(train) == 2000
    found = speech_world(recordings, SpeechSettings(train_streams=6, test_streams=2, rated_streams=1.0))
    assert len(found.vocabulary) == 76
    assert found.vocabulary.parents["three by theo"] == "three"
    assert found.train.examples[0].features["audio"].width == 96


def test_truth_says_what_was_laid_where(made: SpeechWorld) -> None:
    recordings = tones()
    for stream in made.train.streams:
        assert 60 <= stream.seconds <= 120
        assert len(stream.recordings) == stream.seconds // 6
        rows = [one for one in made.train.truth if one.video_id == stream.id]
        assert len(rows) == 3 * len(stream.recordings)
        for place, (row, start) in enumerate(zip(stream.recordings, stream.starts.tolist(), strict=True)):
            told = rows[3 * place : 3 * place + 3]
            digit, speaker = DIGITS[recordings.digits[row]], recordings.speakers[row]
            assert [one.concept for one in told] == [digit, speaker, f"{digit} by {speaker}"]
            assert 6 * place <= start
            assert start + recordings.seconds(row) <= 6 * place + 6
            assert {(one.start_seconds, one.end_seconds) for one in told} == {(start, start + recordings.seconds(row))}
            assert made.vocabulary.parents[told[2].concept] == digit


def test_every_word_lies_in_the_segment_that_holds_its_middle(made: SpeechWorld) -> None:
    every = made.test.every
    yes = {(one, start, index) for one, (start, _), index, present in
           zip(every.video_ids, every.spans.tolist(), every.classes.tolist(), every.present.tolist(), strict=True)
           if present}  # fmt: skip
    lengths = {stream.id: stream.seconds for stream in made.test.streams}
    wanted = set()
    for one in made.test.truth:
        start = (one.start_seconds + one.end_seconds) / 2 // 5 * 5
        if start + 5 <= lengths[one.video_id]:
            wanted.add((one.video_id, start, made.vocabulary.index(one.concept)))
    assert yes == wanted
    assert len(every) == sum(seconds // 5 for seconds in lengths.values()) * len(made.vocabulary)


def test_ratings_tell_the_truth_of_labelled_streams_alone(made: SpeechWorld) -> None:
    for side, wanted in ((made.train, 20), (made.test, 80)):
        every = side.every
        truth = dict(zip(zip(every.video_ids, every.spans[:, 0].tolist(), every.classes.tolist(), strict=True),
                         every.present.tolist(), strict=True))  # fmt: skip
        labels = {one.video_id: set(one.labels.classes.tolist()) for one in side.examples}
        rated = side.rated
        rows = list(zip(rated.video_ids, rated.spans[:, 0].tolist(), rated.classes.tolist(), strict=True))
        assert len(set(rows)) == len(rows)
        assert [truth[row] for row in rows] == rated.present.tolist()
        assert all(index in labels[video_id] for video_id, _, index in rows)
        counts = np.bincount(rated.classes, minlength=len(made.vocabulary))
        assert {k: wanted - n for k, n in enumerate(counts.tolist()) if n < wanted} == side.short
        assert sum(len(one.segments) for one in side.examples) == len(rated)
        five = {}
        for video_id, _, index in rows:
            five[video_id, index] = five.get((video_id, index), 0) + 1
        assert set(five.values()) == {5}


def test_fewer_ratings_are_a_part_of_more_and_move_nothing_else(made: SpeechWorld) -> None:
    few = speech_world(tones(), small(ratings=5))
    assert set(zip(few.train.rated.video_ids, few.train.rated.spans[:, 0], few.train.rated.classes, strict=True)) < set(
        zip(made.train.rated.video_ids, made.train.rated.spans[:, 0], made.train.rated.classes, strict=True)
    )
    for one, other in zip(few.train.examples, made.train.examples, strict=True):
        assert np.array_equal(one.features["audio"].values, other.features["audio"].values)
        assert np.array_equal(one.labels.classes, other.labels.classes)


def test_rated_streams_are_a_share_of_all() -> None:
    found = speech_world(tones(), small(rated_streams=0.25))
    assert len(set(found.train.rated.video_ids)) <= 3
    assert found.train.short  # 3 streams can't carry all


def test_labels_lack_and_err_as_often_as_told() -> None:
    world, rng = SpeechSettings(), np.random.default_rng(0)
    true = set(range(0, 76, 4))
    kept = wrong = 0
    for _ in range(500):
        labels = set(noisy_labels(np.asarray([*true, 0, 0]), 76, world, rng).classes.tolist())
        kept += len(labels & true)
        wrong += len(labels - true)
    assert kept / 500 / len(true) == pytest.approx(0.9, abs=0.02)
    assert wrong / 500 / (76 - len(true)) == pytest.approx(0.01, abs=0.003)


def test_whitening_is_fitted_on_training_streams_alone(made: SpeechWorld) -> None:
    rows = np.concatenate([one.features["audio"].values for one in made.train.examples])
    inside = rows[(np.abs(rows) < 1.9).all(axis=1)]
    assert np.abs(rows.mean(axis=0)).max() < 0.05
    assert len(inside) > len(rows) / 2
    # Another test side leaves the training side as it is.
    other = speech_world(tones(), small(test_streams=3))
    for one, same in zip(made.train.examples, other.train.examples, strict=True):
        assert np.array_equal(one.features["audio"].values, same.features["audio"].values)


def test_whitened_columns_are_uncorrelated() -> None:
    rng = np.random.default_rng(1)
    rows = (rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4)) + 3).astype(np.float32)
    white = Whitening.fitted([rows[:100], rows[100:]])
    turned = (rows - white.mean) @ white.turn
    assert np.cov(turned.T, bias=True) == pytest.approx(np.eye(4), abs=0.01)
    with pytest.raises(InvalidData, match="at least one row"):
        Whitening.fitted([])


def test_sound_is_mixed_at_the_ratio_told() -> None:
    recordings = tones()
    noise = NoiseBed(1.0, 0.5, 1.0).wave(5 * RATE, np.random.default_rng(2))
    assert np.mean(noise**2) == pytest.approx(1, rel=1e-4)
    sound = mixed(recordings, [3, 7], np.asarray([1.0, 3.0]), noise, 20.0)
    assert np.allclose(sound[:RATE], noise[:RATE] / 10, atol=1e-6)
    laid = sound - noise / 10
    for row, start in ((3, 1), (7, 3)):
        length = len(recordings.waves[row])
        assert np.mean(laid[start * RATE : start * RATE + length] ** 2) == pytest.approx(1, rel=1e-3)
    assert pooled(sound).shape == (5, 96)


def test_a_cache_gives_the_same_world(made: SpeechWorld, tmp_path: Path) -> None:
    first = speech_world(tones(), small(), tmp_path)
    (kept,) = tmp_path.glob("speech-*.safetensors")
    before = kept.stat().st_mtime_ns
    again = speech_world(tones(), small(ratings=10), tmp_path)
    assert kept.stat().st_mtime_ns == before
    for one, other, third in zip(made.test.examples, first.test.examples, again.test.examples, strict=True):
        assert np.array_equal(one.features["audio"].values, other.features["audio"].values)
        assert np.array_equal(one.features["audio"].values, third.features["audio"].values)
    speech_world(tones(), small(seed=1), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_can_not_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="Held-out speakers"):
        recording_pools(tones(), small(protocol="speakers", held_out=("eve",)))
    with pytest.raises(InvalidData, match="can't be shared out"):
        recording_pools(tones(each=1), small())
    with pytest.raises(InvalidData, match="holds no recordings"):
        read_recordings(tmp_path)
    assert Concepts(SPEAKERS).of(3, "cyd") == (3, 12, 28)
