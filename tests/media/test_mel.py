"""Log-mel spectrograms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whenabouts.core.errors import InvalidData
from whenabouts.media.mel import log_mel, mel_matrix, stream_log_mel


def slow_log_mel(wave: np.ndarray) -> np.ndarray:
    """The definition, window by window and band by band (VGGish: 125-7500 Hz, HTK mel, magnitudes, log(x + 0.01))."""
    rows = []
    edges = 700 * (10 ** (np.linspace(2595 * np.log10(1 + 125 / 700), 2595 * np.log10(1 + 7500 / 700), 66) / 2595) - 1)
    mel = 2595 * np.log10(1 + np.arange(257) * 31.25 / 700)
    mel_edges = 2595 * np.log10(1 + edges / 700)
    for start in range(0, len(wave) - 399, 160):
        window = wave[start : start + 400] * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400))
        magnitude = [abs((window * np.exp(-2j * np.pi * k * np.arange(400) / 512)).sum()) for k in range(257)]
        row = []
        for low, middle, high in zip(mel_edges, mel_edges[1:], mel_edges[2:], strict=False):
            weights = np.clip(np.minimum((mel - low) / (middle - low), (high - mel) / (high - middle)), 0, None)
            row.append(np.log((weights[1:] * magnitude[1:]).sum() + 0.01))
        rows.append(row)
    return np.array(rows)


def test_agrees_with_the_definition() -> None:
    wave = np.random.default_rng(0).normal(0, 0.2, 16000 // 8).astype(np.float32)
    fast = log_mel(wave)
    assert fast.shape == (11, 64)
    assert fast.dtype == np.float32
    assert np.abs(fast - slow_log_mel(wave)).max() < 1e-4


@given(
    samples=st.integers(0, 400_000),
    cuts=st.lists(st.integers(0, 400_000), max_size=5),
)
@settings(max_examples=12, deadline=None)
def test_chunks_give_the_same_rows_to_the_bit(samples: int, cuts: list[int]) -> None:
    wave = np.random.default_rng(samples).normal(0, 0.2, samples).astype(np.float32)
    whole = log_mel(wave)
    assert whole.shape == (max(0, 1 + (samples - 400) // 160), 64)
    pieces = np.split(wave, sorted(min(cut, samples) for cut in cuts))
    streamed = [np.zeros((0, 64), np.float32), *stream_log_mel(pieces)]
    assert (np.concatenate(streamed) == whole).all()


@pytest.mark.parametrize("hertz", [200.0, 440.0, 1000.0, 3000.0, 7000.0])
def test_a_tone_is_loudest_in_its_own_band(hertz: float) -> None:
    tone = np.sin(2 * np.pi * hertz * np.arange(16000) / 16000).astype(np.float32)
    centres = np.linspace(1127 * np.log(1 + 125 / 700), 1127 * np.log(1 + 7500 / 700), 66)[1:-1]
    nearest = np.abs(centres - 1127 * np.log(1 + hertz / 700)).argmin()
    assert abs(int(log_mel(tone).mean(0).argmax()) - nearest) <= 1


def test_silence_is_the_offset_and_louder_is_more() -> None:
    assert np.allclose(log_mel(np.zeros(16000, np.float32)), np.log(0.01))
    noise = np.random.default_rng(1).normal(0, 0.1, 16000).astype(np.float32)
    assert (log_mel(2 * noise) > log_mel(noise)).all()


def test_other_rates_and_bands() -> None:
    assert log_mel(np.zeros(8000, np.float32), rate=8000, bands=40).shape == (98, 40)
    assert mel_matrix(16000, 512, 64).shape == (257, 64)
    with pytest.raises(InvalidData, match="whole number of samples"):
        log_mel(np.zeros(9000, np.float32), rate=11025)
    with pytest.raises(InvalidData, match="mel bands"):
        log_mel(np.zeros(9000, np.float32), bands=0)
