"""CRC32C (Castagnoli), plain and as TFRecord files mask it."""

import google_crc32c

_MASK_DELTA = 0xA282EAD8


def masked_crc32c(data: bytes) -> int:
    """The CRC32C of `data`, rotated and shifted: TFRecord stores checksums of data that may hold checksums."""
    crc = int(google_crc32c.value(data))
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF
