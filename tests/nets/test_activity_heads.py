"""Heads for several activities: golden formulas, the paper's parameter counts, masks, and what must not be built."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from whenabouts.nets.activity_heads import ActivityHead, ActivityOutcome, PooledHead, co_occurrence
from whenabouts.nets.losses import known_bce


def head_of(case: dict[str, Tensor], sizes: dict[str, int], **options: Any) -> ActivityHead:
    """The golden case's head: its weights are put where ours stand."""
    rows = options.pop("rows")
    head = ActivityHead(
        sizes["C"], sizes["A"], observations=sizes["K"], hidden=sizes["c"], groups=sizes["n"],
        classifier="rows" if rows else "shared", co_occurrence=case["in_Mask"], **options,
    ).double().eval()  # fmt: skip
    kind = "row" if rows else ""
    values = {
        "alpha.weight": case["in_W_alpha"], "beta.weight": case["in_W_beta"], "gamma.weight": case["in_W_gamma"],
        "queries": case["in_D" if options.get("query") == "last" else "in_Q"],
        "own_weight": case[f"in_W{kind}_phi" if rows else "in_w_phi"].reshape(-1, sizes["c"]),
        "own_bias": case[f"in_b{kind}_phi"].reshape(-1),
        "related_weight": case[f"in_W{kind}_theta" if rows else "in_w_theta"].reshape(-1, sizes["c"]),
        "related_bias": case[f"in_b{kind}_theta"].reshape(-1),
        "between.0.weight": case["in_Wc_beta"][None], "between.1.weight": case["in_Wc_gamma"][None],
        "co_occurrence": case["in_Mask"],
    }  # fmt: skip
    head.load_state_dict(values)
    return head


@pytest.mark.golden
def test_golden_heads(shared: Path) -> None:
    paths = sorted((shared / "golden" / "multilabel" / "head").glob("*.npz"))
    assert len(paths) == 3
    for path, rows in itertools.product(paths, (False, True)):
        with np.load(path) as file:
            sizes = json.loads(str(file["meta"]))
            case = {name: torch.as_tensor(file[name]) for name in file.files if name != "meta"}
        kind = "rows" if rows else "shared"
        outcome: ActivityOutcome = head_of(case, sizes, rows=rows)(case["in_Ff"])
        expected = {
            "attention": case["out_AttnO"].flatten(2), "mixing": case["out_AttnA_query"],
            "features": case["out_FA_query"], "logits": case[f"out_logit_OA_{kind}"],
            "correlated": case[f"out_logit_OC_{kind}"],
        }  # fmt: skip
        for name, values in expected.items():
            torch.testing.assert_close(
                getattr(outcome, name), values, rtol=1e-12, atol=1e-12, msg=f"{path.name} {name}"
            )
        assert outcome.correlation is not None
        torch.testing.assert_close(outcome.correlation, case["out_AttnC"] + case["in_Mask"], rtol=1e-12, atol=1e-12)
        if not rows:
            total = known_bce(outcome.outputs, case["in_targets"])
            each = case["out_bce_OA_shared_mean"] + case["out_bce_OC_shared_mean"]
            assert total.item() == pytest.approx(each.item(), abs=1e-6)
        last = head_of(case, sizes, rows=rows, query="last")(case["in_Ff"])
        torch.testing.assert_close(last.mixing, case["out_AttnA_lastdiag"], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(last.features, case["out_FA_lastdiag"], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(co_occurrence(case["in_train_labels"]).double(), case["in_Mask"], atol=1e-7, rtol=0)


def test_options_of_the_readings_by_their_formulas() -> None:
    """Asked from the mean of the positions that are there, and with rows of the Mask that sum to 1."""
    random = torch.Generator().manual_seed(3)
    mask = torch.tensor([[1.0, 0.5, 0.5], [0.25, 1.0, 0.0], [0.0, 0.0, 0.0]])
    head = ActivityHead(
        8, 3, observations=2, hidden=4, groups=1, co_occurrence=mask, viewpoint="mean", row_shares=True,
        generator=random,
    ).eval()  # fmt: skip
    features, valid = torch.randn(2, 8, 5, generator=random), torch.ones(2, 5, dtype=torch.bool)
    valid[1, 3:] = False
    outcome = head(features, valid)
    for clip, count in ((0, 5), (1, 3)):
        seen = features[clip, :, :count]
        for number in range(2):
            alpha, beta, gamma = (linear.weight[number, 0] for linear in (head.alpha, head.beta, head.gamma))
            attention = ((gamma @ seen).T @ (beta @ seen.mean(dim=1))).softmax(dim=0)
            torch.testing.assert_close(outcome.attention[clip, number, :count], attention)
            assert not outcome.attention[clip, number, count:].any()
            observed = (alpha @ seen) @ attention
            torch.testing.assert_close(head.observe(features, valid)[1][clip, number], observed)
    shares = torch.tensor([[0.5, 0.25, 0.25], [0.2, 0.8, 0.0], [0.0, 0.0, 0.0]])
    plain = ActivityHead(8, 3, observations=2, hidden=4, groups=1, co_occurrence=mask, viewpoint="mean").eval()
    plain.load_state_dict(head.state_dict())
    difference = plain(features, valid).correlation - outcome.correlation
    torch.testing.assert_close(difference, (mask - shares).expand(2, 3, 3))
    torch.testing.assert_close(outcome.correlation.sum(dim=2)[:, :2], torch.full((2, 2), 2.0))
    assert torch.equal(plain.co_occurrence, mask)  # What is kept is what was counted.


# Activities, observations, groups -> parameters as the paper's tables print them (millions), without correlation.
PAPER = [(157, 64, 1, "50.4"), (157, 64, 8, "6.3"), (157, 64, 32, "1.6"), (157, 64, 64, "0.8"), (157, 16, 32, "0.4"),
         (157, 32, 32, "0.8"), (157, 128, 32, "3.2"), (1024, 64, 32, "1.7")]  # fmt: skip


@pytest.mark.parametrize(("activities", "observations", "groups", "millions"), PAPER)
def test_parameters_are_the_papers(activities: int, observations: int, groups: int, millions: str) -> None:
    with torch.device("meta"):
        head = ActivityHead(2048, activities, observations=observations, groups=groups, classifier="shared")
    count = sum(parameter.numel() for parameter in head.parameters())
    assert count == 3 * observations * 2048 * 128 // groups + activities * 128 + 129
    assert f"{count / 1e6:.1f}" == millions


def literal(head: ActivityHead, features: Tensor) -> Tensor:
    """Logits by the formulas as they stand: each map at every position."""
    flat = features.flatten(2)
    size, _, positions = flat.shape
    maps, groups, out, fan = head.alpha.weight.shape
    parts = flat.reshape(size, groups, fan, positions)
    alpha, beta, gamma = (
        torch.einsum("bgin,kgoi->bkgon", parts, linear.weight).reshape(size, maps, groups * out, positions)
        for linear in (head.alpha, head.beta, head.gamma)
    )
    attention = torch.einsum("bkc,bkcn->bkn", beta[..., -1], gamma).softmax(dim=2)
    observations = torch.einsum("bkn,bkcn->bkc", attention, alpha)
    own = (head.queries @ observations.transpose(1, 2)).softmax(dim=2) @ observations
    return (own * head.own_weight).sum(dim=2) + head.own_bias


def test_the_cheaper_order_gives_the_same_numbers_and_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    head = ActivityHead(64, 7, observations=5, hidden=16, groups=4, generator=generator).double().eval()
    features = torch.rand((3, 64, 2, 4, 4), generator=generator, dtype=torch.float64)
    torch.testing.assert_close(head(features).logits, literal(head, features))
    gradients = [torch.autograd.grad(f(features).sum(), list(head.parameters()), allow_unused=True)
                 for f in (lambda x: head(x).logits, lambda x: literal(head, x))]  # fmt: skip
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_nothing_of_observations_times_width_times_positions_is_built() -> None:
    head = ActivityHead(64, 6, observations=8, hidden=32, groups=4, co_occurrence=torch.eye(6)).eval()
    features = torch.rand(2, 64, 300)
    largest = 0

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            result = function(*args, **(kwargs or {}))
            if isinstance(result, Tensor):
                largest = max(largest, result.numel())
            return result

    with Watch():
        head(features)
    assert largest == features.numel()
    assert largest < 2 * 8 * 32 * 300


def test_operations_are_far_fewer_than_the_formula() -> None:
    head = ActivityHead(2048, 157, classifier="shared", dropout=0.0).eval()
    features = torch.rand(1, 2048, 196)
    with FlopCounterMode(display=False) as counter:
        head(features)
    multiplications = counter.get_total_flops() / 2
    assert multiplications < 0.06e9  # the paper counts 0.32 G for the maps at every position


def test_padding_changes_nothing() -> None:
    generator = torch.Generator().manual_seed(1)
    mask = co_occurrence((torch.rand((20, 5), generator=generator) < 0.4).long())
    for head in (
        ActivityHead(16, 5, observations=3, hidden=8, groups=2, co_occurrence=mask, generator=generator).eval(),
        *(PooledHead(16, 5, pooling=pooling, generator=generator).eval() for pooling in ("mean", "max", "logsumexp")),
    ):
        features = torch.rand((2, 16, 9), generator=generator)
        valid = torch.arange(9)[None] < torch.tensor([[9], [4]])
        padded = torch.where(valid[:, None], features, torch.full_like(features, 100.0))
        whole, short = head(padded, valid), head(features[1:, :, :4])
        logits = [outcome.logits if isinstance(outcome, ActivityOutcome) else outcome for outcome in (whole, short)]
        torch.testing.assert_close(logits[0][1], logits[1][0])
        nothing = head(features, torch.zeros_like(valid))
        assert torch.isfinite(nothing.probabilities if isinstance(nothing, ActivityOutcome) else nothing).all()


def test_outputs_and_maps_are_probabilities() -> None:
    mask = co_occurrence(torch.tensor([[1, 1, 0], [1, 0, 0]]))
    torch.testing.assert_close(mask, torch.tensor([[1, 0.5, 0], [1, 1, 0], [0, 0, 0]]))
    outcome = ActivityHead(16, 3, observations=2, hidden=8, groups=2, co_occurrence=mask).eval()(
        torch.rand(2, 16, 3, 2, 2)
    )
    assert outcome.correlated is not None
    expected = (outcome.logits.sigmoid() + outcome.correlated.sigmoid()) / 2
    torch.testing.assert_close(outcome.probabilities, expected)
    assert outcome.maps.shape == (2, 3, 12)
    torch.testing.assert_close(outcome.maps.sum(dim=2), torch.ones(2, 3))


def test_unknown_pairs_do_not_count() -> None:
    head = ActivityHead(16, 3, observations=2, hidden=8, groups=2).eval()
    outcome = head(torch.rand(2, 16, 4))
    labels = torch.tensor([[1.0, math.nan, math.nan], [math.nan, math.nan, math.nan]])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(outcome.logits[0, 0], labels[0, 0])
    torch.testing.assert_close(known_bce(outcome.outputs, labels), expected)
    assert known_bce(outcome.outputs, torch.full_like(labels, math.nan)) == 0


def test_groups_must_divide() -> None:
    with pytest.raises(ValueError, match="groups"):
        ActivityHead(2048, 3, groups=30)


def test_log_sum_exp_of_one_position_is_its_logit() -> None:
    heads = [
        PooledHead(4, 2, pooling=p, generator=torch.Generator().manual_seed(3)).eval() for p in ("mean", "logsumexp")
    ]
    features = torch.rand(3, 4, 1)
    torch.testing.assert_close(heads[0](features), heads[1](features))
