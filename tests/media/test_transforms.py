"""Clips to tensors, and the controls of what motion adds."""

import pytest
import torch

from whenabouts.media.transforms import ClipTransform


def clips(batch: int = 3, frames: int = 8, height: int = 12, width: int = 10, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, frames, height, width, 3), generator=generator, dtype=torch.uint8)


def drawing(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("differences", [True, False])
def test_shapes_and_values(differences: bool) -> None:
    transform = ClipTransform(differences=differences)
    made = transform.test(clips())
    assert made.shape == (3, transform.channels, 8, 12, 10)
    assert made.dtype == torch.float32
    rgb = clips().permute(0, 4, 1, 2, 3).float() / 255
    assert torch.allclose(made[:, :3], (rgb - 0.45) / 0.225, atol=1e-5)
    if differences:
        assert (made[:, 3:, 0] == 0).all()
        assert torch.allclose(made[:, 3:, 1:], made[:, :3, 1:] - made[:, :3, :-1])


def test_test_and_unchanging_train_agree() -> None:
    assert (ClipTransform().train(clips(), drawing()) == ClipTransform().test(clips())).all()


def test_single_repeats_the_middle_frame_and_shows_no_motion() -> None:
    made = ClipTransform(frames="single").test(clips())
    ordered = ClipTransform().test(clips())
    assert (made[:, :3] == ordered[:, :3, 4:5]).all()
    assert (made[:, 3:] == 0).all()


def test_shuffled_keeps_the_frames_and_loses_their_order() -> None:
    batch = clips(batch=4, frames=16)
    made = ClipTransform(frames="shuffled", differences=False).train(batch, drawing())
    ordered = ClipTransform(differences=False).test(batch)
    orders = []
    for clip, whole in zip(made, ordered, strict=True):
        distances = torch.cdist(clip.transpose(0, 1).flatten(1), whole.transpose(0, 1).flatten(1))
        orders.append(tuple(distances.argmin(1).tolist()))
        assert sorted(orders[-1]) == list(range(16))
    assert len(set(orders)) == 4
    fixed = ClipTransform(frames="shuffled")
    assert (fixed.test(batch) == fixed.test(batch)).all()


def test_shift_moves_whole_clips_within_its_bound() -> None:
    batch = torch.zeros(40, 4, 20, 20, 3, dtype=torch.uint8)
    batch[:, :, 10, 10] = 255
    made = ClipTransform(differences=False, shift=0.2).train(batch, drawing())
    places = made[:, 0].flatten(2).argmax(-1)
    rows, columns = places // 20 - 10, places % 20 - 10
    assert (rows == rows[:, :1]).all()
    assert (columns == columns[:, :1]).all()
    assert int(rows.abs().max()) == int(columns.abs().max()) == 4
    assert len(torch.unique(rows)) == len(torch.unique(columns)) == 9


def test_colour_changes_clips_not_frames_and_stays_near() -> None:
    batch = clips(batch=20)
    plain = ClipTransform(differences=False).test(batch)
    made = ClipTransform(differences=False, colour=0.3).train(batch, drawing())
    for before, after in zip(plain, made, strict=True):
        for channel in range(3):
            x, y = before[channel].flatten(), after[channel].flatten()
            slope, offset = torch.linalg.lstsq(torch.stack([x, torch.ones_like(x)], 1), y[:, None]).solution.flatten()
            assert (slope * x + offset - y).abs().max() < 1e-3
            assert 0.7 * 0.85 - 1e-3 <= slope <= 1.3 * 1.15 + 1e-3
            assert abs(float(offset)) <= 0.3 / 0.45 + 1e-3
    assert (made - plain).abs().max() > 0.1


def test_left_stays_left() -> None:
    batch = torch.zeros(64, 2, 8, 8, 3, dtype=torch.uint8)
    batch[:, :, :, :2] = 255
    made = ClipTransform(differences=False, shift=0.1, colour=0.1).train(batch, drawing())
    assert (made[..., :4].mean((1, 2, 3, 4)) > made[..., 4:].mean((1, 2, 3, 4))).all()


def test_the_generator_decides_alone() -> None:
    transform = ClipTransform(frames="shuffled", shift=0.2, colour=0.3)
    torch.manual_seed(0)
    first = transform.train(clips(), drawing(5))
    torch.manual_seed(1)
    assert (transform.train(clips(), drawing(5)) == first).all()
    assert (transform.train(clips(), drawing(6)) != first).any()


def test_no_clips() -> None:
    empty = clips()[:0]
    assert ClipTransform(frames="single").test(empty).shape == (0, 6, 8, 12, 10)


def test_stacks_of_flow_alternate_x_and_y_and_stillness_is_zero() -> None:
    fields = torch.randint(0, 256, (2, 7, 6, 5, 2), generator=drawing(), dtype=torch.uint8)
    transform = ClipTransform(stack=5, colour=0.5)
    made = transform.test(fields)
    assert (transform.channels, made.shape) == (10, (2, 10, 3, 6, 5))
    for start in range(3):
        for place in range(5):
            for axis in range(2):
                wanted = (fields[:, start + place, :, :, axis].float() - 128) / (255 * 0.225)
                torch.testing.assert_close(made[:, 2 * place + axis, start], wanted)
    assert torch.equal(transform.train(fields, drawing()), made)
    assert (transform.test(torch.full((1, 5, 3, 3, 2), 128, dtype=torch.uint8)) == 0).all()
