"""Connecting to a cluster leaves a program its own ways."""

import signal
from typing import Any

import pytest

from whenabouts.scale import cluster


class Rude:
    """Ray's module, as far as it takes signals for itself."""

    def is_initialized(self) -> bool:
        return False

    def init(self, *_: object, **__: object) -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)

    def shutdown(self) -> None:
        pass


def test_a_program_keeps_what_it_does_on_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    before: Any = signal.getsignal(signal.SIGTERM)
    monkeypatch.setitem(__import__("sys").modules, "ray", Rude())
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with cluster.connected("ray"):
        assert signal.getsignal(signal.SIGTERM) == before
