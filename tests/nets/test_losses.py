import math

import pytest
import torch

from whenabouts.nets.losses import mixed_distillation, rated_bce, weighted_bce

LOGITS = torch.tensor([[0.0, math.log(3.0)], [-math.log(3.0), 2.0]])  # probabilities 1/2, 3/4; 1/4, 0.88
TARGETS = torch.tensor([[1.0, 0.0], [0.0, 1.0]])


def test_labels_of_videos_by_hand() -> None:
    weights = torch.tensor([[1.0, 0.5], [2.0, 0.0]])
    by_hand = (-math.log(1 / 2) - 0.5 * math.log(1 / 4) - 2 * math.log(3 / 4)) / 2
    assert weighted_bce(LOGITS, TARGETS, weights).item() == pytest.approx(by_hand)


def test_unrated_pairs_neither_count_nor_move() -> None:
    logits = LOGITS.clone().requires_grad_()
    rated = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    loss = rated_bce(logits, TARGETS, rated)
    assert loss.item() == pytest.approx((-math.log(1 / 2) - math.log(1 / 4)) / 2)
    loss.backward()
    assert logits.grad[0].tolist() == pytest.approx([-0.25, 0.375])
    assert not logits.grad[1].any()
    strange = torch.where(rated > 0, TARGETS, 1 - TARGETS)
    assert rated_bce(LOGITS, strange, rated).item() == pytest.approx(loss.item())


def test_weak_negatives_are_added_with_their_weight() -> None:
    rated = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    weak = torch.tensor([[0.0, 0.5], [0.0, 0.0]])
    expected = -math.log(1 / 2) - 0.5 * math.log(1 / 4)
    assert rated_bce(LOGITS, torch.ones(2, 2), rated, weak).item() == pytest.approx(expected)
    assert rated_bce(LOGITS, TARGETS, 0 * rated).item() == 0


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_distillation_is_half_teacher_and_half_label(share: float) -> None:
    teacher, known = torch.tensor([[0.2, 0.6], [0.4, 1.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    p = LOGITS.sigmoid()
    told = -(teacher * p.log() + (1 - teacher) * (1 - p).log()).sum() / 2
    labels = -(known * (TARGETS * p.log() + (1 - TARGETS) * (1 - p).log())).sum() / 2
    loss = mixed_distillation(LOGITS, teacher, TARGETS, known, share=share)
    torch.testing.assert_close(loss, share * told + (1 - share) * labels)


def test_extreme_logits_stay_finite() -> None:
    extreme = torch.tensor([[1e4, -1e4]])
    assert weighted_bce(extreme, torch.tensor([[0.0, 1.0]]), torch.ones(1, 2)).item() == pytest.approx(2e4)
