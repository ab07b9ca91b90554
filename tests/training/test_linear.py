"""Logistic regression: worked cases, the conditions of a minimum, and another program's solution where there is one."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from whenabouts.core.errors import InvalidData
from whenabouts.training.linear import logistic_regression


def problem(seed: int, rows: int = 60, width: int = 5, classes: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = 30 + 7 * torch.randn(rows, width, generator=generator)
    scores = features @ torch.randn(width, classes, generator=generator)
    noisy = scores - scores.mean(0) + 5 * torch.randn(rows, classes, generator=generator)
    return features, functional.one_hot(noisy.argmax(1), classes).float()


def test_two_points_have_a_solution_that_can_be_worked_out() -> None:
    """Features -1 and 1 of two classes: by symmetry the weights are (-w, w), and one number is left to solve for."""
    penalty = 0.1
    solved = logistic_regression(torch.tensor([[-1.0], [1.0]]), torch.eye(2), penalty)
    low, w = solved.fc.weight.detach().flatten().tolist()
    assert low == pytest.approx(-w, abs=1e-6)
    assert solved.fc.bias.tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    # d/dw of log(1 + exp(-2w)) + penalty w^2 is 0.
    assert 2 * penalty * w == pytest.approx(2 / (1 + math.exp(2 * w)), rel=1e-5)
    assert solved.objective == pytest.approx(math.log1p(math.exp(-2 * w)) + penalty * w * w, rel=1e-9)


@pytest.mark.parametrize("link", ["softmax", "sigmoid"])
def test_no_step_from_the_solution_is_better(link: str) -> None:
    features, targets = problem(3)
    solved = logistic_regression(features, targets, 0.01, link=link)
    assert solved.slope < 1e-5
    scale = float((features.double() - features.double().mean(0)).square().mean().sqrt())

    def objective(weight: Tensor, bias: Tensor) -> Tensor:
        scores = features.double() @ weight.T + bias
        if link == "softmax":
            loss = functional.cross_entropy(scores, targets.double())
        else:
            loss = functional.binary_cross_entropy_with_logits(scores, targets.double(), reduction="sum") / len(scores)
        return loss + 0.005 * (weight * scale).square().sum()

    weight, bias = solved.fc.weight.detach().double(), solved.fc.bias.detach().double()
    best = float(objective(weight, bias))
    assert best == pytest.approx(solved.objective, abs=1e-5)
    generator = torch.Generator().manual_seed(0)
    for size in (1e-3, 1e-2):
        for _ in range(20):
            away = size * torch.randn(weight.shape, generator=generator, dtype=torch.float64)
            aside = size * torch.randn(bias.shape, generator=generator, dtype=torch.float64)
            assert float(objective(weight + away, bias + aside)) > best - 1e-6


def test_the_solution_is_scikit_learns() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    features, targets = problem(5)
    middle = features.mean(0)
    scale = float((features - middle).square().mean().sqrt())
    penalty = 0.02
    other = linear_model.LogisticRegression(C=1 / (penalty * len(features)), tol=1e-10, max_iter=5000)
    other.fit(((features - middle) / scale).numpy(), targets.argmax(1).numpy())
    solved = logistic_regression(features, targets, penalty)
    ours = solved.fc.weight.detach().numpy() * scale
    np.testing.assert_allclose(ours - ours.mean(0), other.coef_ - other.coef_.mean(0), atol=2e-4)


def test_the_scale_of_features_and_the_parts_they_come_in_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features, targets = problem(7)
    one = logistic_regression(features, targets, 0.05)
    other = logistic_regression(features * 100 + 3, targets, 0.05)
    torch.testing.assert_close(one.fc(features), other.fc(features * 100 + 3), atol=1e-3, rtol=1e-3)
    monkeypatch.setattr("whenabouts.training.linear._ROWS", 7)
    torch.testing.assert_close(logistic_regression(features, targets, 0.05).fc.weight, one.fc.weight)


def test_a_heavier_penalty_makes_smaller_weights_and_constant_features_no_trouble() -> None:
    features, targets = problem(9)
    sizes = [float(logistic_regression(features, targets, p).fc.weight.detach().norm()) for p in (0.001, 0.1, 10.0)]
    assert sizes == sorted(sizes, reverse=True)
    constant = logistic_regression(torch.ones(6, 2), torch.tensor([[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 2), 0.1)
    shares = constant.fc(torch.ones(1, 2)).softmax(1)[0].detach().tolist()
    assert shares == pytest.approx([4 / 6, 2 / 6], abs=1e-5)


def test_what_can_not_be_solved_is_told() -> None:
    features, targets = problem(1)
    with pytest.raises(InvalidData, match="one row for each example"):
        logistic_regression(features[:3], targets, 0.1)
    with pytest.raises(InvalidData, match="above 0"):
        logistic_regression(features, targets, 0.0)
    with pytest.raises(InvalidData, match="not finite"):
        logistic_regression(features * float("inf"), targets, 0.1)
