"""Scores while winners leave are those of looking at all that remains anew."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from whenabouts.nets.group_attention import Evidence, GroupAttentionNet, top_segments
from whenabouts.nets.leaving_winners import Gone, LeavingWinners, RenewedMeans

WEIGHTS = (1.0, 10.0)


def made(seed: int, sharp: float, **choices: bool) -> tuple[GroupAttentionNet, list[Evidence | None]]:
    """A net of two streams, and the evidence of a video of 40 segments for 3 classes; attention as sharp as asked."""
    generator = torch.Generator().manual_seed(seed)
    net = GroupAttentionNet((6, 4), 5, attentions=3, generator=generator, **choices)
    features = [torch.randn(40, width, generator=generator) for width in (6, 4)]
    with torch.no_grad():
        for index in range(2):
            net.stream(index).weight.mul_(sharp)
        return net, net.evidence(features, torch.tensor([4, 0, 2]), centred=True)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 1.0, 30.0, 300.0]), st.integers(1, 13), st.booleans())
def test_every_step_scores_as_if_looked_at_anew(seed: int, sharp: float, winners: int, shift: bool) -> None:
    """Also with attention so sharp that winners take nearly all of it, where differences would lose all digits."""
    net, evidence = made(seed, sharp, shift_bias=shift)
    remaining = torch.ones(3, 40, dtype=torch.bool)
    with torch.no_grad():
        if shift:
            net.stream(0).beta.fill_(0.3)
        leaving = LeavingWinners(net, evidence, WEIGHTS)
        for _ in range(4):
            scores, anew = leaving.scores(remaining), net.scores(evidence, remaining, WEIGHTS)
            torch.testing.assert_close(scores, anew, rtol=1e-4, atol=1e-5 * float(anew.max()))
            assert not scores[~remaining].any()
            remaining = remaining & ~top_segments(anew, remaining, winners, positive_only=True)
            if not remaining.any(dim=1).all():
                return


def test_means_by_hand() -> None:
    """Of four segments the first leaves for one class, the last two for the other."""
    features = torch.tensor([[8.0], [2.0], [4.0], [10.0]])
    renewed = RenewedMeans(features)
    whole = torch.tensor([[[0.5, 0.25, 0.125, 0.125]]])
    assert renewed.under(whole, None).tolist() == [[[4 + 0.5 + 0.5 + 1.25]]]
    gone = Gone.of(torch.tensor([[True, False, False, False], [False, False, True, True]]))
    assert gone.rows[1].tolist() == [2, 3]
    assert gone.true.tolist() == [[True, False], [True, True]]
    left = torch.tensor([[[0, 0.5, 0.25, 0.25]], [[2 / 3, 1 / 3, 0, 0]]])
    torch.testing.assert_close(renewed.under(left, gone), torch.tensor([[[4.5]], [[6.0]]]))


def test_a_stream_may_be_missing_but_not_all() -> None:
    net, evidence = made(3, 1.0)
    one = [evidence[0], None]
    everything = torch.ones(3, 40, dtype=torch.bool)
    with torch.no_grad():
        found, anew = LeavingWinners(net, one, WEIGHTS).scores(everything), net.scores(one, everything, WEIGHTS)
    torch.testing.assert_close(found, anew)
    with pytest.raises(ValueError, match="without any stream"):
        LeavingWinners(net, [None, None], WEIGHTS)
