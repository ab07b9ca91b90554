"""Thresholds of temporal IoU, from text and checked."""

import math

import numpy as np
from numpy.typing import ArrayLike

from whenabouts.core.errors import SettingsError
from whenabouts.core.timing import FloatArray

MOST = 10_000  # More would fill the memory, and tell nothing new.


def tiou_thresholds(text: str) -> FloatArray:
    """`0.5:0.95:0.05` (from, to, step) or `0.3,0.5` -> thresholds (T,).

    A range is numpy.linspace, as in the official code, so that its floats are the official ones to the last bit.
    Raises SettingsError for anything else.
    """
    try:
        if ":" in text:
            first, last, step = (float(part) for part in text.split(":"))
            if not step > 0 or (last - first) / step > MOST:
                raise ValueError
            return checked(np.linspace(first, last, round((last - first) / step) + 1))
        return checked([float(part) for part in text.split(",")])
    except (ValueError, OverflowError):
        raise SettingsError(
            f"{text!r} are no tIoU thresholds. Write from:to:step (0.5:0.95:0.05) or a list (0.3,0.5), each above 0 "
            f"and at most 1."
        ) from None


def checked(tiou: ArrayLike) -> FloatArray:
    """Thresholds as float64 (T,); raises SettingsError where there is none or one lies outside (0, 1]."""
    levels = np.atleast_1d(np.asarray(tiou, np.float64))
    if levels.ndim != 1 or not len(levels) or not all(0 < level <= 1 and math.isfinite(level) for level in levels):
        raise SettingsError(f"tIoU thresholds lie above 0 and at most at 1, but got {np.asarray(tiou).tolist()}.")
    return levels
