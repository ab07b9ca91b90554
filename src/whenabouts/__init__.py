"""Find when things happen in your videos, from labels that only say what."""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`load_backbone`, imported where it is used: torch takes its time."""
    if name == "load_backbone":
        from whenabouts.recognition.published import load_backbone

        return load_backbone
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
