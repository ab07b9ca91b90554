"""Connecting to a cluster leaves a program its own ways."""

import signal
import sys
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
    monkeypatch.setitem(sys.modules, "ray", Rude())
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with cluster.connected("ray"):
        assert signal.getsignal(signal.SIGTERM) == before


def test_sigterm_while_ray_starts_ends_as_the_program_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray exits with the bare number of the signal there, and without a word."""

    class Ended(Rude):
        def init(self, *_: object, **__: object) -> None:
            signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))
            signal.raise_signal(signal.SIGTERM)

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before: Any = signal.signal(signal.SIGTERM, end)
    monkeypatch.setitem(sys.modules, "ray", Ended())
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    try:
        with pytest.raises(SystemExit) as ended, cluster.connected("ray"):
            pass
        assert ended.value.code == 143
        assert signal.getsignal(signal.SIGTERM) == end
    finally:
        signal.signal(signal.SIGTERM, before)
