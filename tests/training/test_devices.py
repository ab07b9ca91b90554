import pytest
import torch
from torch import nn

from whenabouts.core.errors import SettingsError
from whenabouts.training import devices
from whenabouts.training.devices import Compute, choose_device, compute_dtype, deterministic

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
