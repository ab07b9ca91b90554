"""A reader of the part of Universal Binary JSON that XGBoost writes, for files that nobody vouches for.

Every length is checked against the bytes that are left before anything is allotted, and depth is bounded, so that no
file takes more memory or time than its size allows. Strings are UTF-8; numbers stand most significant byte first.
"""

from typing import Any

import numpy as np

from whenabouts.core.errors import InvalidData

_NUMBERS = {b"i": "i1", b"U": "u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_DEEPEST = 12


def read_ubj(content: bytes) -> dict[str, Any]:
    """The object that `content` holds, typed arrays as numpy arrays; InvalidData where it is anything else."""
    reader = _Reader(content)
    found = reader.value(0)
    if not isinstance(found, dict):
        raise InvalidData("The file holds no object.")
    if reader.left:
        raise InvalidData(f"{reader.left} bytes follow behind the end.")
    return found


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    @property
    def left(self) -> int:
        return len(self._content) - self._at

    def value(self, depth: int) -> Any:
        """The next value, whatever it is."""
        if depth > _DEEPEST:
            raise InvalidData(f"Values are nested more than {_DEEPEST} deep at byte {self._at}.")
        mark = self._taken(1)
        if mark == b"{":
            return self._object(depth)
        if mark == b"[":
            return self._array(depth)
        if mark == b"S":
            return self._text()
        if mark in (b"T", b"F"):
            return mark == b"T"
        if mark in _NUMBERS:
            return self._numbers(mark, 1)[0].item()
        raise InvalidData(f"Byte {self._at - 1} is {mark!r}, which begins no value.")

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._peeked() != b"}":
            name = self._text()
            if name in found:
                raise InvalidData(f"{name[:40]!r} stands twice in one object.")
            found[name] = self.value(depth + 1)
        self._taken(1)
        return found

    def _array(self, depth: int) -> Any:
        if self._peeked() == b"$":
            self._taken(1)
            kind = self._taken(1)
            if kind not in _NUMBERS:
                raise InvalidData(f"An array at byte {self._at} is of {kind!r}, which is no number.")
            return self._numbers(kind, self._counted())
        count = self._counted()
        if count > self.left:
            raise InvalidData(f"An array of {count} values can't stand in {self.left} bytes.")
        return [self.value(depth + 1) for _ in range(count)]

    def _counted(self) -> int:
        if self._taken(1) != b"#":
            raise InvalidData(f"An array at byte {self._at} does not tell its length.")
        return self._length()

    def _length(self) -> int:
        if self._taken(1) != b"L":
            raise InvalidData(f"A length at byte {self._at} is not of eight bytes.")
        length = int.from_bytes(self._taken(8), "big", signed=True)
        if length < 0:
            raise InvalidData(f"A length at byte {self._at} is {length}.")
        return length

    def _numbers(self, kind: bytes, count: int) -> Any:
        stored = np.dtype(_NUMBERS[kind])
        return np.frombuffer(self._taken(count * stored.itemsize), stored).astype(stored.newbyteorder("="))

    def _text(self) -> str:
        try:
            return self._taken(self._length()).decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidData(f"A text at byte {self._at} is not UTF-8.") from None

    def _peeked(self) -> bytes:
        if not self.left:
            raise InvalidData("The file ends too early.")
        return self._content[self._at : self._at + 1]

    def _taken(self, count: int) -> bytes:
        if count > self.left:
            raise InvalidData(f"{count} bytes are told of at byte {self._at}, but {self.left} are left.")
        self._at += count
        return self._content[self._at - count : self._at]
