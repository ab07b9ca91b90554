import warnings
from functools import partial

import pytest
import torch
from torch import nn

from whenabouts.core.errors import SettingsError
from whenabouts.training import devices
from whenabouts.training.devices import Compute, choose_compute, choose_device, compute_dtype, deterministic

CPU = torch.device("cpu")


def test_a_device_that_is_not_there_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("cuda")
    assert choose_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(SettingsError, match="sees 1"):
        choose_device("cuda:3")
    for name in ("tpu", "mps", "gpu 1"):
        with pytest.raises(SettingsError, match="Choose auto, cpu"):
            choose_device(name)


def test_without_a_gpu_auto_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == CPU


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [({"avx512_bf16"}, torch.bfloat16), ({"amx_bf16"}, torch.bfloat16), ({"avx512f", "avx2"}, torch.float32)],
)
def test_the_processor_decides_on_bfloat16(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], dtype: torch.dtype
) -> None:
    monkeypatch.setattr(devices, "cpu_flags", lambda: frozenset(flags))
    assert compute_dtype(CPU) == dtype
    assert compute_dtype(CPU, "float32") == torch.float32
    assert compute_dtype(CPU, "bfloat16") == torch.bfloat16


def test_clips_and_kernels_lie_with_channels_last() -> None:
    compute = Compute(CPU, torch.bfloat16)
    clips = compute.place(torch.zeros(2, 6, 4, 8, 8))
    net = compute.place_net(nn.Conv3d(6, 8, 3))
    assert clips.is_contiguous(memory_format=torch.channels_last_3d)
    assert net.weight.is_contiguous(memory_format=torch.channels_last_3d)
    with compute.autocast():
        assert net(clips).dtype == torch.bfloat16
    with Compute(CPU, torch.float32).autocast():
        assert net(clips).dtype == torch.float32


def test_determinism_is_asked_for_within_the_block_only() -> None:
    with deterministic(CPU):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("capability", "triton", "dtype", "compiled"),
    [
        ((9, 0), True, torch.bfloat16, True),
        ((8, 0), False, torch.bfloat16, False),
        ((7, 5), True, torch.float32, True),
        ((6, 1), True, torch.float32, False),
    ],
)
def test_the_card_decides_on_formats_and_compilation(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], triton: bool, dtype: torch.dtype, compiled: bool
) -> None:
    """As on a machine with such a card; nothing is computed there."""
    found = object() if triton else None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: found if name == "triton" else None)
    compute = choose_compute("auto", "auto", "auto")
    assert compute == Compute(torch.device("cuda"), dtype, torch.channels_last_3d, compiled)
    assert str(compute) == f"cuda {str(dtype)[6:]}{' compiled' if compiled else ''}"
    assert not choose_compute("auto", "auto", "never").compiled
    assert not choose_compute("auto", "auto").compiled
    assert choose_compute("auto", "float32", "always") == Compute(torch.device("cuda"), torch.float32, compiled=True)


def test_on_a_cpu_nets_are_compiled_where_that_is_asked_for() -> None:
    assert not choose_compute("cpu", "float32", "auto").compiled
    assert choose_compute("cpu", "float32", "always").compiled
    net = nn.Linear(2, 3)
    assert Compute(CPU, torch.float32).quick(net) is net


def test_a_compiled_net_follows_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made once, and computes with the weights of the net as they are when it runs."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    net = nn.Linear(2, 3)
    quick = Compute(CPU, torch.float32, compiled=True).quick(net)
    given = torch.randn(4, 2)
    assert torch.equal(quick(given), net(given))
    with torch.no_grad():
        net.weight.mul_(2.0)
    assert torch.equal(quick(given), net(given))


def test_where_torch_can_not_compile_the_net_runs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(graph: object, inputs: object) -> None:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=broken))
    net = nn.Linear(2, 3)
    quick, given = Compute(CPU, torch.float32, compiled=True).quick(net), torch.randn(4, 2)
    with pytest.warns(UserWarning, match="can't compile.*no compiler"):
        assert torch.equal(quick(given), net(given))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(quick(given), net(given))


def test_what_the_net_itself_raises_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))

    class Choosy(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            if given.shape[0] > 2:
                raise ValueError("at most two")
            return given

    quick = Compute(CPU, torch.float32, compiled=True).quick(Choosy())
    with pytest.raises(ValueError, match="at most two"):
        quick(torch.zeros(3))
