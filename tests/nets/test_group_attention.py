"""Group attention and class-specific scores: what the paper's equations promise."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from whenabouts.nets.group_attention import GroupAttentionNet, masked_softmax, redundancy, top_segments

WIDTHS = (6, 4)
SEEDS = st.integers(0, 10_000)


def made(seed: int, *, segments: int = 9, videos: int = 3, classes: int = 5, **choices: bool | int):
    """A net and features (B, K, D) per stream, all drawn from one seed."""
    generator = torch.Generator().manual_seed(seed)
    net = GroupAttentionNet(WIDTHS, classes, attentions=3, generator=generator, **choices)
    features = [torch.randn(videos, segments, width, generator=generator) for width in WIDTHS]
    mask = torch.rand(videos, segments, generator=generator) < 0.7
    mask[:, 0] = True
    return net, features, mask


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.booleans(), st.booleans())
def test_scores_before_the_relu_sum_to_the_logit(seed: int, uniform: bool, positions: bool) -> None:
    net, features, mask = made(seed, uniform=uniform, positions=9 * positions)
    with torch.no_grad():
        if positions and not uniform:
            for index in range(len(WIDTHS)):
                net.stream(index).bias.normal_()
        logits = net(features, mask).logits
        for video in range(len(mask)):
            evidence = net.evidence([values[video] for values in features], torch.arange(5), centred=False)
            scores = net.scores(evidence, mask[video][None], (1.0, 1.0), rectified=False)
            torch.testing.assert_close(scores.sum(dim=1), logits[video])


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_masking_equals_removing(seed: int) -> None:
    net, features, mask = made(seed, videos=1)
    kept = mask[0]
    shorter = [values[:, kept] for values in features]
    with torch.no_grad():
        masked, removed = net(features, mask), net(shorter, torch.ones(1, int(kept.sum()), dtype=torch.bool))
        torch.testing.assert_close(masked.logits, removed.logits)
        for one, other in zip(masked.attentions, removed.attentions, strict=True):
            torch.testing.assert_close(one[..., kept], other)
            assert not one[..., ~kept].any()
        classes = torch.tensor([4, 1])
        whole = net.scores(net.evidence([v[0] for v in features], classes, centred=True), mask, (1.0, 10.0))
        everything = torch.ones(1, int(kept.sum()), dtype=torch.bool)
        part = net.scores(net.evidence([v[0] for v in shorter], classes, centred=True), everything, (1.0, 10.0))
    torch.testing.assert_close(whole[:, kept], part)
    assert not whole[:, ~kept].any()


def test_removing_a_segment_removes_its_column_of_the_positional_bias() -> None:
    net, features, _ = made(3, videos=1, positions=9)
    with torch.no_grad():
        net.stream(0).bias.normal_(generator=torch.Generator().manual_seed(1))
        mask = torch.tensor([[True, False] * 4 + [True]])
        energies = net.stream(0).weight @ features[0][0].T + net.stream(0).bias
        expected = energies[:, mask[0]].softmax(dim=1)
        assert net.stream(0).bias.shape == (3, 9)
        torch.testing.assert_close(net(features, mask).attentions[0][0][:, mask[0]], expected)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_padding_and_order_of_videos_change_nothing(seed: int) -> None:
    net, features, mask = made(seed)
    order = torch.tensor([2, 0, 1])
    padded = [torch.cat([values, torch.full((3, 4, values.shape[2]), 7.0)], dim=1)[order] for values in features]
    longer = torch.cat([mask, torch.zeros(3, 4, dtype=torch.bool)], dim=1)[order]
    with torch.no_grad():
        torch.testing.assert_close(net(padded, longer).logits, net(features, mask).logits[order])
        alone = net([values[:1] for values in features], mask[:1]).logits
        torch.testing.assert_close(alone, net(features, mask).logits[:1])


def test_order_of_segments_changes_nothing_without_positional_bias() -> None:
    net, features, mask = made(5)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        shuffled = net([values[:, order] for values in features], mask[:, order])
        torch.testing.assert_close(shuffled.logits, net(features, mask).logits)


def gradients(net: GroupAttentionNet, features: list[Tensor], mask: Tensor) -> None:
    outcome = net(features, mask)
    loss = outcome.logits.log_softmax(dim=1)[:, 0].sum() + sum(redundancy(a).sum() for a in outcome.attentions)
    loss.backward()


def test_gradients_flow_to_weights_and_to_what_remains_only() -> None:
    net, features, mask = made(7, positions=9)
    for values in features:
        values.requires_grad_()
    gradients(net, features, mask)
    for index in range(len(WIDTHS)):
        stream = net.stream(index)
        assert stream.weight.grad.abs().sum() > 0
        assert stream.bias.grad.abs().sum() > 0
        assert stream.alpha.grad is None
        assert net.classifiers[index].grad.abs().sum() > 0
        assert not features[index].grad[~mask].any()
        assert features[index].grad[mask].any(dim=1).all()


def test_alpha_lives_only_beside_a_shift() -> None:
    """Without a shift, alpha x / ||alpha x|| depends on alpha by its sign alone."""
    net, features, mask = made(7)
    with torch.no_grad():
        before = net(features, mask).logits
        net.stream(0).alpha.mul_(3.7)
        torch.testing.assert_close(net(features, mask).logits, before)
    shifted, features, mask = made(7, shift_bias=True)
    with torch.no_grad():
        shifted.stream(0).beta.fill_(0.3)
    gradients(shifted, features, mask)
    assert shifted.stream(0).alpha.grad.abs().sum() > 0
    assert shifted.stream(0).beta.grad.abs().sum() > 0


def test_a_missing_stream_adds_nothing_and_learns_nothing() -> None:
    net, features, mask = made(11)
    present = torch.tensor([[True, False]] * 3)
    other = [features[0], features[1] * 100 - 3]
    torch.testing.assert_close(
        net(features, mask, present=present).logits, net(other, mask, present=present).logits, rtol=0, atol=0
    )
    outcome = net(features, mask, present=present)
    assert not outcome.attentions[1].any()
    outcome.logits.sum().backward()
    assert not net.stream(1).weight.grad.any()
    assert not net.classifiers[1].grad.any()
    with torch.no_grad():
        evidence = net.evidence([features[0][0], None], torch.arange(5), centred=False)
        scores = net.scores(evidence, mask[:1], (1.0, 1.0), rectified=False)
        torch.testing.assert_close(scores.sum(dim=1), outcome.logits[0])


def test_without_any_stream_there_are_no_scores() -> None:
    net, _, mask = made(1)
    with pytest.raises(ValueError, match="without any stream"):
        net.scores([None, None], mask[:1], (1.0, 1.0))


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.floats(-50, 50))
def test_centred_scores_of_the_predicted_class_never_vanish(seed: int, drift: float) -> None:
    """A shift that all classes share is invisible to the softmax, and must be to the scores."""
    net, features, mask = made(seed, videos=1)
    with torch.no_grad():
        plain = net.scores(net.evidence([v[0] for v in features], torch.arange(5), centred=True), mask, (1.0, 1.0))
        best = int(net(features, mask).logits[0].argmax())
        pooled = (net(features, mask).attentions[0] @ features[0])[0]
        net.classifiers[0].add_(-drift * pooled)  # drives all logits down (or up) alike
        drifted = net.scores(net.evidence([v[0] for v in features], torch.arange(5), centred=True), mask, (1.0, 1.0))
        assert int(net(features, mask).logits[0].argmax()) == best
    assert plain[best].max() > 0
    assert drifted[best].max() > 0
    torch.testing.assert_close(drifted, plain, atol=2e-3, rtol=1e-3)


def test_uncentred_scores_can_all_vanish() -> None:
    net, features, mask = made(2, videos=1)
    features = [values.abs() for values in features]
    with torch.no_grad():
        for weights in net.classifiers:
            weights.sub_(5.0)
        evidence = net.evidence([v[0] for v in features], torch.arange(5), centred=False)
        assert not net.scores(evidence, mask, (1.0, 1.0)).any()


def test_uniform_attention_gives_class_activation_maps() -> None:
    net, features, mask = made(13, videos=1, uniform=True)
    with torch.no_grad():
        outcome = net(features, mask)
        torch.testing.assert_close(outcome.attentions[0][0, :, 0], torch.full((3,), 1 / float(mask.sum())))
        evidence = net.evidence([features[0][0], None], torch.arange(5), centred=False)
        scores = net.scores(evidence, mask, (1.0, 1.0), rectified=False)[:, mask[0]]
        maps = net.classifiers[0].sum(dim=1) @ features[0][0][mask[0]].T
        torch.testing.assert_close(scores / scores.abs().max(), maps / maps.abs().max())
    assert not net.stream(0).weight.requires_grad


def test_streams_add_up_with_their_weights_after_their_own_relu() -> None:
    net, features, mask = made(17, videos=1)
    classes = torch.arange(5)
    with torch.no_grad():
        both = net.scores(net.evidence([v[0] for v in features], classes, centred=True), mask, (1.0, 10.0))
        alone = [
            net.scores(net.evidence(one, classes, centred=True), mask, (1.0, 1.0))
            for one in ([features[0][0], None], [None, features[1][0]])
        ]
    torch.testing.assert_close(both, alone[0] + 10 * alone[1])


def test_attention_scores_are_the_mean_attention_for_every_class() -> None:
    net, features, mask = made(19, videos=1)
    with torch.no_grad():
        evidence = net.evidence([features[0][0], None], torch.arange(2), centred=True)
        scores = net.scores(evidence, mask, (2.0, 1.0), kind="attention")
        expected = 2 * net(features, mask).attentions[0][0].mean(dim=0)
    torch.testing.assert_close(scores, expected.expand(2, -1))


def test_classes_in_chunks_score_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    net, _, _ = made(1)
    assert len(net.chunks(torch.arange(5), 9)) == 1
    monkeypatch.setattr("whenabouts.nets.group_attention._CHUNK", 60)
    parts = net.chunks(torch.arange(5), 9)
    assert [part.tolist() for part in parts] == [[0, 1], [2, 3], [4]]


def test_softmax_over_nothing_is_nothing() -> None:
    energies = torch.tensor([[1.0, 2.0, 3.0]])
    assert not masked_softmax(energies, torch.zeros(1, 3, dtype=torch.bool)).any()
    one = masked_softmax(energies * 1e4, torch.tensor([[True, False, False]]))
    assert one.tolist() == [[1.0, 0.0, 0.0]]


def test_redundancy_is_nothing_for_attentions_on_one_segment_each() -> None:
    assert redundancy(torch.eye(3, 7)[None]).tolist() == [0.0]
    twice = torch.zeros(1, 2, 4)
    twice[..., 0] = 1
    assert redundancy(twice).tolist() == [2.0]


def test_best_segments_ties_go_to_the_earlier_and_nothing_removed_comes_back() -> None:
    scores = torch.tensor([[0.5, 0.9, 0.5, 0.0, 0.9], [0.0, 0.0, 0.1, 0.0, 0.0]])
    remaining = torch.tensor([[True, True, True, True, False], [True, True, True, True, True]])
    chosen = top_segments(scores, remaining, 2, positive_only=True)
    assert chosen.tolist() == [[True, True, False, False, False], [False, False, True, False, False]]
    every = top_segments(scores, remaining, 2, positive_only=False)
    assert every.tolist() == [[True, True, False, False, False], [True, False, True, False, False]]
    assert top_segments(scores, remaining, 99, positive_only=False).equal(remaining)


def test_standardising_takes_out_mean_and_spread() -> None:
    net, _, _ = made(1)
    values = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)) * 3 + 5
    net.stream(0).mean.copy_(values.mean(dim=0))
    net.stream(0).std.copy_(values.std(dim=0))
    standardised = net.stream(0).standardised(values)
    torch.testing.assert_close(standardised.mean(dim=0), torch.zeros(6), atol=1e-5, rtol=0)
    torch.testing.assert_close(standardised.std(dim=0), torch.ones(6))
