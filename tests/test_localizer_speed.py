"""The peer of benchmarks/localizer_speed.py computes what winners-out computes: else their times would not compare."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

SMALL = {"segments": 30, "width": 12, "attentions": 3, "classes": 4}


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
    import localizer_speed

    return localizer_speed


def test_one_epoch_ends_at_the_same_weights(speed: ModuleType) -> None:
    training = speed.training_of(21, **SMALL)
    begin = {name: tensor.clone() for name, tensor in training.net.state_dict().items()}
    ours = {name: tensor.clone() for name, tensor in training.run().state_dict().items()}
    training.net.load_state_dict(begin)
    peer = speed.peer_epoch(training)
    for name, tensor in ours.items():
        torch.testing.assert_close(peer[name], tensor, rtol=1e-4, atol=1e-6)
    assert not torch.equal(ours["classifiers.0"], begin["classifiers.0"])


def test_the_same_segments_win_at_the_same_steps(speed: ModuleType) -> None:
    training = speed.training_of(6, **SMALL)
    training.net.double()
    judge = speed.Judge(training.net, training.settings, training.videos.streams, torch.device("cpu"))
    won = 0
    for index in range(6):
        matrices = [torch.from_numpy(matrix).double() for matrix in training.videos.features(index)]
        ours = speed.our_selection(judge, matrices, [0, 1, 2, 3])
        for label in range(4):
            steps, scores = speed.peer_selection(judge, matrices, label)
            np.testing.assert_array_equal(ours.steps[label], steps)
            np.testing.assert_allclose(ours.scores[label], scores, rtol=1e-5, atol=1e-9)
            won += int((steps >= 0).sum())
    assert won > 100
