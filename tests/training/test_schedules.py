import pytest

from whenabouts.training.schedules import rate_factor


def test_warm_up_rises_in_a_straight_line_to_the_full_rate() -> None:
    factors = [rate_factor(step, steps=100, warmup=4) for step in range(5)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4] == pytest.approx(1.0)


def test_cosine_passes_half_in_the_middle_and_ends_near_nothing() -> None:
    assert rate_factor(60, steps=100, warmup=20) == pytest.approx(0.5)
    assert 0 < rate_factor(99, steps=100, warmup=20) < 1e-3
    falling = [rate_factor(step, steps=100, warmup=20) for step in range(20, 100)]
    assert falling == sorted(falling, reverse=True)


def test_steps_drop_where_they_are_told() -> None:
    factors = [rate_factor(step, steps=9, schedule="step", drops=(3, 6), drop_factor=0.5) for step in range(9)]
    assert factors == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]


def test_constant_stays() -> None:
    assert {rate_factor(step, steps=9, schedule="constant") for step in range(9)} == {1.0}


def test_the_rate_is_halved_thirteen_times_at_equal_steps() -> None:
    """Ghadiyaram et al. (2019): 14 equal segments, from 0.192 down to 0.192 / 8192."""
    factors = [rate_factor(step, steps=140, schedule="halvings", halvings=13) for step in range(140)]
    assert factors == [2.0 ** -(step // 10) for step in range(140)]
    assert 0.192 * factors[-1] == pytest.approx(2.34e-5, rel=2e-3)
    uneven = [rate_factor(step, steps=5, schedule="halvings", halvings=2) for step in range(5)]
    assert uneven == [1, 1, 0.5, 0.5, 0.25]


def test_warm_up_may_begin_at_a_share() -> None:
    """From the rate of one of 128 processes to that of all."""
    factors = [rate_factor(step, steps=100, schedule="constant", warmup=4, warmup_from=1 / 128) for step in range(5)]
    assert factors == pytest.approx([1 / 128 + 127 / 128 * k / 4 for k in (1, 2, 3, 4)] + [1])
