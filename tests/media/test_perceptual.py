"""Hashes of frames: mirrored, scaled, barred and brightened pictures; what there is to see in them."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from whenabouts.media.perceptual import BITS, Bits, frame_hashes, hash_parts, signs
from whenabouts.media.writing import write_video


def scene(seed: int, height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    """Smooth blobs of brightness, from dark to bright."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    picture = np.zeros((height, width))
    for row, column, size, depth in random.uniform([0, 0, 0.05, -1], [1, 1, 0.3, 1], (12, 4)):
        picture += depth * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / size**2)
    levels = np.interp(picture, (picture.min(), picture.max()), (40, 220)).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=2)


def differing(one: Bits, other: Bits) -> int:
    return int(np.unpackbits(one ^ other).sum())


def hash_of(picture: NDArray[np.uint8]) -> Bits:
    return frame_hashes(picture[None]).hashes[0, 0]


def test_different_pictures_differ_in_about_half_of_the_bits() -> None:
    hashes = frame_hashes(np.stack([scene(seed) for seed in range(12)])).hashes[:, 0]
    distances = [differing(hashes[i], hashes[j]) for i in range(12) for j in range(i)]
    assert min(distances) > 80
    assert abs(np.mean(distances) - BITS / 2) < 16


@pytest.mark.parametrize("seed", range(4))
def test_edits_change_few_bits(seed: int) -> None:
    before, picture = hash_of(scene(seed)), scene(seed)
    assert differing(before, hash_of(scene(seed, 192, 256))) < 20
    brighter = np.clip(picture.astype(np.int64) + 25, 0, 255).astype(np.uint8)
    assert differing(before, hash_of(brighter)) < 20
    barred = np.concatenate([np.zeros((20, 128, 3), np.uint8), picture, np.full((20, 128, 3), 5, np.uint8)])
    assert differing(before, hash_of(barred)) < 20
    pillars = np.concatenate([np.zeros((96, 30, 3), np.uint8), picture, np.zeros((96, 30, 3), np.uint8)], axis=1)
    assert differing(before, hash_of(pillars)) < 20


@pytest.mark.parametrize("seed", range(4))
def test_the_mirrored_hash_is_that_of_the_mirrored_picture(seed: int) -> None:
    found = frame_hashes(scene(seed)[None])
    mirrored = frame_hashes(scene(seed)[None, :, ::-1])
    assert differing(found.mirrored, mirrored.hashes) <= 6
    assert differing(found.hashes, mirrored.mirrored) <= 6
    assert differing(found.hashes[0, 0], mirrored.hashes[0, 0]) > 60


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_picture_is_met_by_the_middle_and_a_marked_one_by_less(seed: int) -> None:
    picture = scene(seed, 192, 256)
    whole = frame_hashes(picture[None]).hashes[0]
    cut = frame_hashes(picture[None, 10:-10, 13:-13]).hashes[0]
    assert differing(whole[1], cut[0]) < 30
    assert differing(whole[0], cut[0]) > differing(whole[1], cut[0])
    picture[4:24, -54:-4] = 255
    marked = frame_hashes(picture[None]).hashes[0]
    assert differing(whole[2], marked[2]) < 10


def test_products_of_signs_count_bits() -> None:
    hashes = frame_hashes(np.stack([scene(0), scene(1)])).hashes[:, 0]
    product = signs(hashes[:1]) @ signs(hashes[1:]).T
    assert (BITS - product[0, 0]) / 2 == differing(hashes[0], hashes[1])


def test_black_and_plain_frames_have_nothing_to_see() -> None:
    plain = np.stack([np.zeros((70, 90, 3), np.uint8), np.full((70, 90, 3), 200, np.uint8)])
    assert (frame_hashes(plain).quality < 0.01).all()
    assert frame_hashes(scene(0)[None]).quality[0] > 1
    empty = frame_hashes(np.zeros((0, 70, 90, 3), np.uint8))
    assert (empty.hashes.shape, empty.quality.shape) == ((0, 3, 32), (0,))


def test_the_job_hashes_one_frame_a_second(tmp_path: Path) -> None:
    path = tmp_path / "three.mp4"
    write_video(path, [scene(k // 10) for k in range(30)], [k / 10 for k in range(30)])
    parts = [part for part in hash_parts(path) if isinstance(part, dict)]
    assert np.concatenate([part["seconds"] for part in parts]).tolist() == [0, 1, 2]
    hashes = np.concatenate([part["hashes"] for part in parts])[:, 0]
    assert [differing(hashes[k], hash_of(scene(k))) < 30 for k in range(3)] == [True] * 3
