import math

import pytest

from whenabouts.training.guessing import learned_nothing, loss_of_guessing


def rows(*losses: float) -> list[dict[str, float]]:
    return [{"step": float(step), "loss": loss} for step, loss in enumerate(losses)]


def test_a_guess_says_all_evenly() -> None:
    assert loss_of_guessing(4, each=False) == pytest.approx(math.log(4))
    assert loss_of_guessing(4, each=True) == pytest.approx(4 * math.log(2))


@pytest.mark.parametrize("losses", [(1.5, 700.0, 90.0), (1.4,), (0.4, 1.37, 1.39)])
def test_a_run_that_ends_no_better_than_a_guess_is_told(losses: tuple[float, ...]) -> None:
    assert "has 1.386. Lower the learning rate" in learned_nothing(rows(*losses), math.log(4))
    assert learned_nothing(rows(*losses), math.log(4), "Do so.").endswith("has 1.386. Do so.")


@pytest.mark.parametrize("losses", [(), (1.5, 1.3), (5.0, 0.9, 1.5), (1.3499,)])
def test_one_that_has_learned_is_not(losses: tuple[float, ...]) -> None:
    """Nor one of which the very last batch alone was hard."""
    assert learned_nothing(rows(*losses), math.log(4)) == ""
