"""The head over frames: one logit of both outputs, nothing from behind the mask, co-occurrence as it is told."""

import torch

from whenabouts.nets.activity_frames import ActivityFrames


def made() -> ActivityFrames:
    torch.manual_seed(0)
    return ActivityFrames(12, 3, observations=5, hidden=8).eval()


def test_the_logit_is_that_of_the_mean_probability() -> None:
    net, frames = made(), torch.randn(4, 6, 12)
    mask = torch.ones(4, 6, dtype=torch.bool)
    outcome = net.head(frames.transpose(1, 2), mask)
    torch.testing.assert_close(net(frames, mask).sigmoid(), outcome.probabilities)
    assert (outcome.logits - outcome.correlated).abs().max() > 1e-3


def test_sure_outputs_stay_finite() -> None:
    net = made()
    with torch.no_grad():
        net.head.own_bias.fill_(200.0)
        net.head.related_bias.fill_(150.0)
    logits = net(torch.randn(2, 3, 12), torch.ones(2, 3, dtype=torch.bool))
    assert logits.isfinite().all()
    assert (logits > 100).all()


def test_frames_behind_the_mask_change_nothing() -> None:
    net, frames = made(), torch.randn(2, 7, 12)
    mask = torch.arange(7) < torch.tensor([[4], [0]])
    other = torch.where(mask[..., None], frames, 9.0)
    torch.testing.assert_close(net(frames, mask), net(other, mask))
    torch.testing.assert_close(net(frames, mask)[:1], net(frames[:1, :4], mask[:1, :4]))
    torch.testing.assert_close(net.encode(frames, mask), net.encode(other, mask))
    assert not net.encode(frames, mask)[1].any()
    assert net.encode(frames, mask).shape == (2, 8)


def test_what_goes_together_is_taken_from_labels() -> None:
    net = made()
    assert not net.head.co_occurrence.any()
    before = net.head.related_weight.detach().clone()
    net.learn(torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 1]]))
    expected = torch.tensor([[1, 0.5, 0], [1, 1, 0], [0, 0, 1]])
    torch.testing.assert_close(net.head.co_occurrence, expected)
    torch.testing.assert_close(net.head.related_weight, before / (1 + 4.5 / 3))


def test_groups_divide_both_widths() -> None:
    assert ActivityFrames(36, 2, hidden=24).head.alpha.weight.shape[1] == 12
    assert ActivityFrames(35, 2, hidden=24).head.alpha.weight.shape[1] == 1
