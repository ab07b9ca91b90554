"""Copies among videos, by frames and by clips, against all pairs one by one."""

import numpy as np
import pytest

from whenabouts.core.progress import Silent
from whenabouts.data import near_copies
from whenabouts.data.copies import hashed
from whenabouts.data.near_copies import HashedVideo, NearCopySettings, copies_by_clips, copies_by_frames
from whenabouts.media.perceptual import BITS, Bits


def bits(random: np.random.Generator, count: int) -> Bits:
    return random.integers(0, 256, (count, 3, BITS // 8), np.uint8)


def flipped(hashes: Bits, count: int, random: np.random.Generator) -> Bits:
    """The same with `count` of the bits of each hash turned."""
    turned = np.unpackbits(hashes, axis=2)
    for row in turned.reshape(-1, BITS):
        row[random.choice(BITS, count, replace=False)] ^= 1
    return np.packbits(turned, axis=2)


def video(name: str, hashes: Bits, mirrored: Bits | None = None, quality: float = 10.0) -> HashedVideo:
    return HashedVideo(name, hashes, hashes ^ 255 if mirrored is None else mirrored, np.full(len(hashes), quality))


HOW = NearCopySettings(radius=60, share=0.5)


def test_a_part_of_a_longer_video_is_found_from_either_side() -> None:
    random = np.random.default_rng(0)
    long = bits(random, 40)
    part = flipped(long[10:20], 50, random)
    for ours, theirs in ((part, long), (long, part)):
        found = copies_by_frames([video("a", ours)], [video("b", theirs), video("c", bits(random, 30))], HOW)
        assert [(pair.source, pair.target, pair.how, pair.matched, pair.compared) for pair in found] == [
            ("a", "b", "frames", 10, 10)
        ]
        assert found[0].distance == 50


def test_radius_and_share_are_inclusive() -> None:
    random = np.random.default_rng(1)
    whole = bits(random, 10)
    at = np.concatenate([flipped(whole[:5], 60, random), bits(random, 5)])
    beyond = np.concatenate([flipped(whole[:5], 61, random), bits(random, 5)])
    assert [pair.matched for pair in copies_by_frames([video("a", at)], [video("b", whole)], HOW)] == [5]
    assert copies_by_frames([video("a", beyond)], [video("b", whole)], HOW) == []
    few = NearCopySettings(radius=60, share=0.51)
    assert copies_by_frames([video("a", at)], [video("b", whole)], few) == []


def test_mirrored_copies_are_named_so() -> None:
    random = np.random.default_rng(2)
    own, turned = bits(random, 8), bits(random, 8)
    found = copies_by_frames([video("a", own)], [video("b", turned, mirrored=own)], HOW)
    assert [(pair.how, pair.distance) for pair in found] == [("mirrored", 0)]


@pytest.mark.parametrize(("one", "other", "met"), [(0, 1, True), (1, 0, True), (2, 2, True), (1, 2, False)])
def test_views_that_are_compared(one: int, other: int, met: bool) -> None:
    random = np.random.default_rng(7)
    ours, theirs = bits(random, 6), bits(random, 6)
    ours[:, one] = theirs[:, other]
    assert bool(copies_by_frames([video("a", ours)], [video("b", theirs)], HOW)) is met


def test_frames_with_nothing_to_see_and_the_video_itself_do_not_count() -> None:
    random = np.random.default_rng(3)
    black = np.zeros((30, 3, 32), np.uint8)
    assert copies_by_frames([video("a", black, quality=0.1)], [video("b", black, quality=0.1)], HOW) == []
    same = bits(random, 9)
    assert copies_by_frames([video("a", same)], None, HOW) == []
    assert len(copies_by_frames([video("a", same)], [video("a", same)], HOW)) == 1
    assert len(copies_by_frames([video("a", same), video("b", same)], None, HOW)) == 2


def test_frames_count_from_the_least_quality_on_and_videos_from_the_least_frames_on() -> None:
    random = np.random.default_rng(6)
    rows = bits(random, 4)
    how = NearCopySettings(radius=60, share=0.5, least_quality=3.0, least_frames=4)
    assert [pair.compared for pair in copies_by_frames([video("a", rows, quality=3.0)], [video("b", rows)], how)] == [4]
    assert copies_by_frames([video("a", rows, quality=2.9)], [video("b", rows)], how) == []
    assert copies_by_frames([video("a", rows[:3])], [video("b", rows)], how) == []


def test_the_strongest_evidence_is_kept_and_of_equal_evidence_the_first() -> None:
    random = np.random.default_rng(8)
    rows = bits(random, 10)
    half = bits(random, 10)
    half[:5, 0], half[:, 2] = rows[:5, 0], rows[:, 2]
    assert [pair.matched for pair in copies_by_frames([video("a", half)], [video("b", rows)], HOW)] == [10]
    found = copies_by_frames([video("a", rows)], [video("b", rows, mirrored=rows)], HOW)
    assert [pair.how for pair in found] == ["frames"]


def test_rows_are_compared_in_blocks_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_copies, "_BLOCK", 20)
    lengths = [10, 10, 1, 19, 30, 20, 5]
    blocks = list(near_copies._blocks([np.zeros((length, 1)) for length in lengths]))
    assert blocks == [[0, 1], [2, 3], [4], [5], [6]]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(4)
    base = [bits(random, int(random.integers(3, 30))) for _ in range(12)]
    ours = [video(f"o{n}", flipped(rows, int(random.integers(30, 70)), random)) for n, rows in enumerate(base)]
    theirs = [video(f"t{n}", rows) for n, rows in enumerate(base)]
    whole = copies_by_frames(ours, theirs, HOW)
    monkeypatch.setattr(near_copies, "_BLOCK", 20)
    assert copies_by_frames(ours, theirs, HOW) == whole
    assert 3 <= len(whole) < 12


def test_clips_that_point_the_same_way() -> None:
    random = np.random.default_rng(5)
    targets = {"t": random.normal(size=(6, 32)), "u": random.normal(size=(4, 32)), "empty": np.zeros((0, 32))}
    sources = {"s": 3 * targets["t"][:4] + 0.05 * random.normal(size=(4, 32)), "other": random.normal(size=(4, 32))}
    found = copies_by_clips(sources, targets, NearCopySettings())
    assert [(pair.source, pair.target, pair.how, pair.matched, pair.compared) for pair in found] == [
        ("s", "t", "clips", 4, 4)
    ]
    assert found[0].to_json()["share"] == 1.0
    assert copies_by_clips({}, targets, NearCopySettings()) == []


def test_no_videos_have_no_copies() -> None:
    assert copies_by_frames([], [], HOW) == []
    assert list(hashed([], HOW, Silent())) == []
