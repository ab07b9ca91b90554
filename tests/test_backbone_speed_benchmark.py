"""Benchmarks of nets run on whatever device there is, and count arithmetic as the papers do."""

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from whenabouts.nets.conv3d import R2Plus1D, r3d
from whenabouts.training.devices import Compute


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
    import device_rates

    return device_rates


@pytest.fixture
def speed(rates: ModuleType) -> ModuleType:
    import backbone_speed

    return backbone_speed


def test_arithmetic_is_twice_the_published_multiplications(rates: ModuleType) -> None:
    """40.52 billion of them in R(2+1)D-18 over 16 x 112 x 112, as torchvision states; training takes three times that.

    Less the gradient of the clips themselves, which nobody needs.
    """
    with torch.device("meta"):
        net = R2Plus1D()
    found = rates.arithmetic(net, (1, 3, 16, 112, 112))
    assert found["inference"] / 2e9 == pytest.approx(40.52, abs=0.01)
    stem = 2 * net.stem[0].weight.numel() * 16 * 56 * 56
    assert found["training"] == 3 * found["inference"] - stem


def test_a_family_and_an_extraction_are_measured_on_the_device_that_is_there(
    rates: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(name: str, options: Any) -> Any:
        shape = real(name, options).settings
        return SimpleNamespace(settings=shape, net=r3d(widths=(4, 8), blocks=(1, 1)))

    real = rates.backbone_of
    options = SimpleNamespace(
        batch=2, frames=4, side=16, rate=6.0, rounds=1, matrix=64, seconds=1.0, only=["r3d_18"], workers=1
    )
    monkeypatch.setattr(rates, "backbone_of", small)
    row = rates.family("r3d_18", options, Compute(torch.device("cpu"), torch.float32))
    assert row["training"]["arithmetic"] > 2 * row["inference"]["arithmetic"] > 0
    assert min(row["training"]["seconds"], row["inference"]["seconds"]) > 0
    assert rates.matrix_rate(Compute(torch.device("cpu"), torch.float32), 32) > 0


def test_the_page_tells_shares_and_hours(rates: ModuleType) -> None:
    """2 clips of 3 GFLOP in 0.5 s are 12 GFLOP/s: a quarter of a rate of 48; 120 s in 4 s are 30 hours an hour."""
    one = {"seconds": 0.5, "arithmetic": 6e9}
    values = {
        "device": "card", "machine": "m", "load": [0.0, 0.0], "matrix_rate": 48e9, "matrix": 64, "batch": 2,
        "frames": 4, "side": 16, "rounds": 1, "seconds": 60.0, "rows": {"r3d_18": {"inference": one, "training": one}},
        "extraction": {"net": "R3D-18", "video": 120.0, "clock": 4.0, "cpu": 12.0},
    }  # fmt: skip
    text = rates.page(values)
    assert "| R3D-18 | 3.0 | 4.0 | 0.012 | 25% | 4.0 | 0.012 | 25% |" in text
    assert "30.0 hours of video an hour by the clock" in text
    assert "10.0 an hour of the processor" in text


def test_losses_are_averaged_over_seeds(
    speed: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By hand: 1 % and 3 % above theirs are 2 % +- 1.41 %, of which nobody knows whether it is within 2 %."""

    seen: list[int] = []

    def learned(steps: int, seed: int, _: torch.device) -> dict[str, Any]:
        seen.append(seed)
        theirs = {"first": 2.0, "last 10": 1.0, "all": [1.0] * steps}
        ours = {"first": 2.0, "last 10": 1.01 + 0.02 * seed, "all": [1.0] * steps}
        return {"theirs float32": theirs, "ours float32": theirs, "ours bfloat16": ours}

    monkeypatch.setattr(speed, "learned", learned)
    words = ["x", "--parts", "losses", "--seeds", "2", "--threads", "1", "--device", "cpu", "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", words)
    threads = torch.get_num_threads()
    try:
        speed.main()
    finally:
        torch.set_num_threads(threads)
    row = json.loads((tmp_path / "backbone_speed.json").read_text())["losses"]["beside theirs"]["ours bfloat16"]
    assert (row["mean"], row["deviation"]) == (pytest.approx(0.02), pytest.approx(0.0141421, rel=1e-4))
    out = capsys.readouterr().out
    assert "| ours bfloat16 | +2.00% | 1.41% | 1.00% | +1.00% to +3.00% | not certain |" in out
    assert "| ours float32 | +0.00% | 0.00% | 0.00% | +0.00% to +0.00% | within |" in out
    monkeypatch.setattr("sys.argv", [*words[:4], "3", *words[5:]])
    speed.main()  # seeds that were done are not done again
    assert seen == [0, 1, 2]


def test_the_two_graphs_agree_and_learn(speed: ModuleType) -> None:
    cpu = torch.device("cpu")
    torch.manual_seed(1)
    clips = torch.randn(2, 3, 4, 32, 32)
    theirs, ours = (speed.Runner(whose, "float32", 5, cpu, seed=3) for whose in ("theirs", "ours"))
    torch.testing.assert_close(theirs.infer(clips), ours.infer(clips), rtol=1e-4, atol=1e-5)
    labels = torch.tensor([0, 1])
    assert theirs.step(clips, labels) == pytest.approx(ours.step(clips, labels), rel=1e-4)
    assert not ours.compute.compiled


def test_the_slowest_worker_tells_how_much_faster_several_are(rates: ModuleType) -> None:
    """One takes 10 CPU seconds, 2 of them to start; of two the slower takes 7: 10 / 7, and 8 / 5 of the work."""
    import extraction_shards

    one = {"cpu": [10.0], "clock": 20.0, "start": 2.0}
    two = {"cpu": [6.0, 7.0], "clock": 25.0, "start": 2.0}
    row = extraction_shards.summary([{"1": one, "2": two}])["2"]
    assert (row["slowest"], row["all"], row["start"]) == (7.0, 13.0, 2.0)
    told = [row[name]["median"] for name in ("whole", "work", "clock")]
    assert told == pytest.approx([10 / 7, 8 / 5, 0.8])
