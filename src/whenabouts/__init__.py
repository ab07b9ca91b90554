"""Find when things happen in your videos, from labels that only say what."""

__version__ = "0.1.0"
