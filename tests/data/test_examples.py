"""Examples: features with labels, read when asked for."""

from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.features import FeatureSequence
from whenabouts.core.timing import TimeGrid
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.examples import Examples
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry, RatedSegment, WeakLabel

WORDS = Vocabulary(("dive", "jump"))


def entry(video_id: str, *labels: str, changed_ns: int = 0) -> Entry:
    video = Video(video_id, Path(f"/media/{video_id}.mp4"), 4.0)
    segments = (RatedSegment("jump", 1.0, 2.0),) if video_id == "b" else ()
    return Entry(video, tuple(WeakLabel(name) for name in labels), segments, changed_ns=changed_ns)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    def made(video_id: str, modality: str, value: float) -> FeatureSequence:
        values = np.full((4, 2), value, np.float32)
        return FeatureSequence(video_id, values, TimeGrid(0, 1, 1, 4, 4), modality, "net")

    opened = FeatureStore(tmp_path)
    opened.append([made(video, kind, ord(video)) for video in "bca" for kind in ("rgb", "audio")])
    opened.append([made("d", "rgb", 4)])
    return opened


def test_examples_join_features_labels_and_segments(store: FeatureStore) -> None:
    entries = [entry("c"), entry("b", "dive"), entry("a", "dive", "nobody knows"), entry("d", "jump"), entry("e")]
    examples = Examples.of(entries, WORDS, store, ("rgb", "audio"), "unknown")
    assert examples.video_ids == ("a", "b", "c")
    assert examples.missing == ("d", "e")
    second = examples[1]
    assert (second.video_id, second.labels.classes.tolist(), second.labels.absent) == ("b", [0, 1], "unknown")
    assert second.segments.spans.tolist() == [[1.0, 2.0]]
    assert {name: float(found.values[0, 0]) for name, found in second.features.items()} == {"rgb": 98, "audio": 98}
    assert [len(labels) for labels in examples.labels] == [1, 2, 0]
    assert [len(segments) for segments in examples.segments] == [0, 1, 0]


def test_slices_and_loops(store: FeatureStore) -> None:
    examples = Examples.of([entry(one) for one in "abcd"], WORDS, store, ("rgb",))
    assert [example.video_id for example in examples[1:3]] == ["b", "c"]
    assert [example.video_id for example in examples] == ["a", "b", "c", "d"]
    assert examples[-1].video_id == "d"
    with pytest.raises(IndexError):
        examples[4]


def test_features_of_an_older_content_count_as_missing(store: FeatureStore) -> None:
    examples = Examples.of([entry("a"), entry("b", changed_ns=2**62)], WORDS, store, ("rgb",))
    assert (examples.video_ids, examples.missing) == (("a",), ("b",))


def test_a_changed_file_is_not_joined_with_the_sound_that_it_had_before(store: FeatureStore) -> None:
    changed = entry("a", changed_ns=store.newest_ns)
    with store.writer(after_ns=changed.changed_ns) as writer:
        writer.add(store.read("a", "rgb"))
    examples = Examples.of([changed, entry("b")], WORDS, store, ("rgb", "audio"), partial=True)
    assert [sorted(example.features) for example in examples] == [["rgb"], ["audio", "rgb"]]
    assert [sorted(example.features) for example in examples[:1]] == [["rgb"]]


def test_partial_examples_need_any_of_the_modalities(store: FeatureStore) -> None:
    examples = Examples.of([entry("c"), entry("d"), entry("e")], WORDS, store, ("rgb", "audio"), partial=True)
    assert (examples.video_ids, examples.missing) == (("c", "d"), ("e",))
    assert [sorted(example.features) for example in examples] == [["audio", "rgb"], ["rgb"]]
