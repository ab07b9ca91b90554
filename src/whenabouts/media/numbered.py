"""Pictures that carry their own number, so that any decoder's clock can be checked."""

import numpy as np

from whenabouts.core.errors import InvalidData
from whenabouts.media.scaling import Pixels

# The number is written twice, the second time inverted: a picture in between, or none of ours, is noticed.
_BITS = 16
_COLUMNS = 8


def numbered_picture(number: int, *, height: int = 64, width: int = 64, seed: int = 0) -> Pixels:
    """A picture (H, W, 3) of soft moving colours with `number` (below 65536) in big black and white blocks.

    The blocks survive lossy compression, scaling and other pixel formats; `number_in` reads them back.
    """
    if not 0 <= number < 1 << _BITS or height < 16 or width < 16:
        raise InvalidData(f"Numbers of 16 bits on at least 16 x 16 pixels, but got {number} on {height} x {width}.")
    y, x = np.mgrid[0:height, 0:width]
    phase = number * 0.15 + seed
    waves = [np.sin(x / width * 6 + phase * k) * np.cos(y / height * 5 - phase + seed * k) for k in (1.0, 1.3, 0.7)]
    picture = np.stack([127 + 70 * wave for wave in waves], -1).astype(np.uint8)
    bits = number >> np.arange(_BITS) & 1
    cells = np.concatenate([bits, 1 - bits]).reshape(-1, _COLUMNS)
    band = picture[: height // 2]
    rows = np.arange(len(band)) * len(cells) // len(band)
    columns = np.arange(width) * _COLUMNS // width
    band[:] = (cells[rows][:, columns] * 255)[..., None]
    return picture


def number_in(picture: Pixels) -> int | None:
    """The number that `numbered_picture` wrote; None where it can't be read with certainty."""
    rows = 2 * _BITS // _COLUMNS
    band = picture[: picture.shape[0] // 2].mean(-1)
    heights, widths = band.shape[0] / rows, band.shape[1] / _COLUMNS
    y = ((np.arange(rows) + 0.5) * heights).astype(int)
    x = ((np.arange(_COLUMNS) + 0.5) * widths).astype(int)
    cells = band[y][:, x].reshape(-1)
    bits, inverse = cells[:_BITS] > 127, cells[_BITS:] > 127
    if (bits == inverse).any() or (np.abs(cells - 127) < 32).any():
        return None
    return int((bits.astype(np.int64) << np.arange(_BITS)).sum())
