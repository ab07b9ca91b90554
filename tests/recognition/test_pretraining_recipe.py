"""The recipe of the paper's pre-training, against the figures that the paper prints."""

from pathlib import Path

import pytest

from whenabouts.config import load, tables
from whenabouts.recognition.backbone_settings import BackboneSettings
from whenabouts.recognition.pretrain_settings import PretrainSettings
from whenabouts.training.schedules import rate_factor

RECIPE = Path(__file__).parents[2] / "recipes" / "ig-kinetics-pretraining.toml"


def read(*overrides: str) -> tuple[BackboneSettings, PretrainSettings]:
    told = tables(RECIPE, overrides, sections=("backbone", "pretrain"))
    return load(BackboneSettings, told["backbone"], "[backbone]"), load(
        PretrainSettings, told["pretrain"], "[pretrain]"
    )


def test_the_net_is_that_of_table_2() -> None:
    """R(2+1)D-34 with 359 classes: 63,676,142 parameters, printed as 64 M."""
    shape, _ = read()
    net = shape.build()
    assert sum(parameter.numel() for parameter in net.parameters()) + (net.width + 1) * 359 == 63_676_142
    assert (shape.box, shape.crop, shape.frames) == ((128, 171), 112, 32)


def test_rates_fall_as_told_in_section_3_3() -> None:
    _, paper = read()
    plan = paper.plan(0, processes=128)
    factors = [
        rate_factor(
            step,
            steps=plan.steps,
            schedule=plan.schedule,
            warmup=plan.warmup,
            warmup_from=plan.warmup_from,
            halvings=plan.halvings,
        )
        for step in range(plan.steps)
    ]
    rates = [plan.learning_rate * factor for factor in factors]
    assert plan.steps == 638_021
    assert rates[0] == pytest.approx(0.0015, rel=0.02)
    assert max(rates) == 0.192
    assert rates[plan.warmup] == 0.192
    falls = [one / two for one, two in zip(rates[plan.warmup :], rates[plan.warmup + 1 :], strict=False) if one != two]
    assert falls == [2.0] * 13
    assert rates[-1] == 0.192 / 8192


def test_short_clips_and_few_processes_follow() -> None:
    _, short = read("backbone.frames=8", "pretrain.batch=16")
    assert short.plan(0, 128).steps == 239_258
    assert short.plan(0, 128).learning_rate == pytest.approx(0.512)
    _, few = read("pretrain.accumulate=16")
    assert few.plan(0, 8).steps == 638_021
    assert few.plan(0, 8).learning_rate == pytest.approx(0.192)
