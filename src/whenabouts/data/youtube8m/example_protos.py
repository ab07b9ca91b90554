"""`tf.train.Example` and `tf.train.SequenceExample`, read from and written to their wire format by hand.

    Example          { Features features = 1; }
    SequenceExample  { Features context = 1; FeatureLists feature_lists = 2; }
    Features         { map<string, Feature> feature = 1; }        FeatureLists { map<string, FeatureList> ... = 1; }
    FeatureList      { repeated Feature feature = 1; }
    Feature          { oneof { BytesList = 1; FloatList = 2; Int64List = 3; } }   each { repeated value = 1; }

Unknown fields are skipped, packed and plain lists are read alike, and of a name that stands twice the last counts. An
Example is a SequenceExample without feature lists. Whatever is wrong raises InvalidData with the byte where it stands.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData

Feature = tuple[bytes, ...] | NDArray[np.float32] | NDArray[np.int64]
ByteArray = NDArray[np.uint8]

_VARINT, _FIXED64, _SIZED, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_BYTES, _FLOATS, _INTEGERS = 1, 2, 3
_FIRST_SIZED, _SECOND_SIZED = 1 << 3 | _SIZED, 2 << 3 | _SIZED


@dataclass(frozen=True, slots=True)
class FeatureList:
    """The features of one name over time, still in the wire format: `data[start:stop]`."""

    data: bytes
    start: int
    stop: int

    def features(self) -> Iterator[Feature]:
        """Each step's feature, in order."""
        for number, wire, begin, end in fields(self.data, self.start, self.stop):
            if (number, wire) == (1, _SIZED):
                yield _feature(self.data, begin, end)

    def byte_rows(self) -> ByteArray:
        """One bytes value per step, all of one width, as a matrix (T, W); (0, 0) without steps.

        Where every step is written alike, as all known writers do, this is a read-only strided view of the record.
        Another number of values or another width raises InvalidData.
        """
        view = self._strided()
        return self._gathered() if view is None else view

    def _strided(self) -> ByteArray | None:
        """The rows as a view, where all steps have the same header: a header says how its whole step is built."""
        begin, end = self.start, self.stop
        for level in range(3):  # a Feature that holds a BytesList that holds a value, with nothing behind either
            if begin >= end or self.data[begin] != _FIRST_SIZED:
                return None
            size, begin = _varint(self.data, begin + 1, end)
            if begin + size != end and (level or begin + size > end):
                return None
            end = begin + size
        header, stride = begin - self.start, end - self.start
        steps, rest = divmod(self.stop - self.start, stride)
        # As one value each, headers are gathered ten times faster than byte by byte.
        headers = np.ndarray(steps, _void(header), self.data, self.start, stride)
        if rest or headers.tobytes() != self.data[self.start : begin] * steps:
            return None
        return np.ndarray((steps, end - begin), np.uint8, self.data, begin, (stride, 1))

    def _gathered(self) -> ByteArray:
        rows: list[bytes] = []
        for step, feature in enumerate(self.features()):
            if not isinstance(feature, tuple) or len(feature) != 1:
                raise InvalidData(f"step {step} should hold one bytes value, but holds {described(feature)}")
            if len(feature[0]) != len(rows[0] if rows else feature[0]):
                raise InvalidData(f"step {step} holds {len(feature[0])} bytes, but the steps before it {len(rows[0])}")
            rows.append(feature[0])
        width = len(rows[0]) if rows else 0
        return np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), width)


@dataclass(frozen=True, slots=True)
class SequenceExample:
    """What holds for the whole (`context`), and what runs along time (`feature_lists`)."""

    context: Mapping[str, Feature]
    feature_lists: Mapping[str, FeatureList]


def parse(data: bytes) -> SequenceExample:
    """Read an Example or a SequenceExample; broken wire format raises InvalidData."""
    context: dict[str, Feature] = {}
    lists: dict[str, FeatureList] = {}
    for number, wire, start, stop in fields(data, 0, len(data)):
        if (number, wire) == (1, _SIZED):
            for name, begin, end in _entries(data, start, stop):
                context[name] = _feature(data, begin, end)
        elif (number, wire) == (2, _SIZED):
            for name, begin, end in _entries(data, start, stop):
                lists[name] = FeatureList(data, begin, end)
    return SequenceExample(context, lists)


def encode(context: Mapping[str, Feature], byte_lists: Mapping[str, ByteArray] | None = None) -> bytes:
    """Write an Example; with `byte_lists`, name -> (T, W) rows, a SequenceExample. Names keep their order."""
    features = b"".join(_sized(1, _sized(1, name.encode()) + _sized(2, _wired(f))) for name, f in context.items())
    if byte_lists is None:
        return _sized(1, features)
    lists = b"".join(_sized(1, _sized(1, name.encode()) + _sized(2, _steps(b))) for name, b in byte_lists.items())
    return _sized(1, features) + _sized(2, lists)


def described(feature: Feature) -> str:
    """What a feature holds, in words."""
    kind = "bytes" if isinstance(feature, tuple) else f"{feature.dtype}"
    return f"{len(feature)} {kind} value{'' if len(feature) == 1 else 's'}" if len(feature) else "nothing"


@lru_cache
def _void(size: int) -> np.dtype[np.void]:
    return np.dtype((np.void, size))


def fields(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """Fields of the message `data[start:stop]`: number, wire type, and where the value starts and stops."""
    while start < stop:
        at = start
        key = data[at]
        start += 1
        if key > 127:  # most numbers take one byte: only others are worth a call
            key, start = _varint(data, at, stop)
        wire = key & 7
        if wire == _SIZED:
            size = data[start] if start < stop else 128
            end = start + 1 + size
            start += 1
            if size > 127:
                size, start = _varint(data, start - 1, stop)
                end = start + size
        elif wire == _VARINT:
            _, end = _varint(data, start, stop)
        elif wire in _FIXED:
            end = start + _FIXED[wire]
        else:
            raise InvalidData(f"byte {at} of its data: wire type {wire} is not in use")
        if key < 8:
            raise InvalidData(f"byte {at} of its data: a field has the number 0")
        if end > stop:
            raise InvalidData(f"byte {at} of its data: a value runs to byte {end}, but what holds it ends at {stop}")
        yield key >> 3, wire, start, end
        start = end


def _varint(data: bytes, start: int, stop: int) -> tuple[int, int]:
    """The unsigned number at `start`, 7 bits a byte, and the place behind it."""
    value = shift = 0
    place = start
    while place < stop and shift < 70:
        byte = data[place]
        place += 1
        if byte < 128:
            return (value | byte << shift) & 0xFFFFFFFFFFFFFFFF, place
        value |= (byte & 127) << shift
        shift += 7
    raise InvalidData(f"byte {start} of its data: a number does not end")


def _entries(data: bytes, start: int, stop: int) -> Iterator[tuple[str, int, int]]:
    """Entries of a map from names to messages: name, start and stop of the message."""
    for number, wire, begin, end in fields(data, start, stop):
        if (number, wire) != (1, _SIZED):
            continue
        name, first, last = _plain_entry(data, begin, end) or _entry(data, begin, end)
        try:
            yield name.decode(), first, last
        except UnicodeDecodeError:
            raise InvalidData(f"byte {begin} of its data: the name {name[:40]!r} is not UTF-8") from None


def _plain_entry(data: bytes, start: int, stop: int) -> tuple[bytes, int, int] | None:
    """An entry as all known writers make it: a short name, the message, and no more; None for others."""
    if stop - start < 4 or data[start] != _FIRST_SIZED:
        return None
    split = start + 2 + data[start + 1]
    if split + 1 >= stop or data[split] != _SECOND_SIZED or data[start + 1] > 127:
        return None
    size, first = _varint(data, split + 1, stop)
    return (data[start + 2 : split], first, stop) if first + size == stop else None


def _entry(data: bytes, start: int, stop: int) -> tuple[bytes, int, int]:
    name, message = b"", (stop, stop)
    for number, wire, first, last in fields(data, start, stop):
        if (number, wire) == (1, _SIZED):
            name = data[first:last]
        elif (number, wire) == (2, _SIZED):
            message = first, last
    return name, *message


def _feature(data: bytes, start: int, stop: int) -> Feature:
    kind, value = _BYTES, (stop, stop)
    for number, wire, begin, end in fields(data, start, stop):
        if wire == _SIZED and number in (_BYTES, _FLOATS, _INTEGERS):
            kind, value = number, (begin, end)
    if kind == _FLOATS:
        return _floats(data, *value)
    if kind == _INTEGERS:
        return _integers(data, *value)
    return tuple(data[a:b] for number, wire, a, b in fields(data, *value) if (number, wire) == (1, _SIZED))


def _floats(data: bytes, start: int, stop: int) -> NDArray[np.float32]:
    parts = [(a, b) for number, wire, a, b in fields(data, start, stop) if number == 1 and wire in (_SIZED, _FIXED32)]
    for a, b in parts:
        if (b - a) % 4:
            raise InvalidData(f"byte {a} of its data: {b - a} bytes are no list of 32-bit floats")
    if len(parts) == 1:
        a, b = parts[0]
        return np.frombuffer(data, "<f4", (b - a) // 4, a)
    return np.frombuffer(b"".join(data[a:b] for a, b in parts), "<f4")


def _integers(data: bytes, start: int, stop: int) -> NDArray[np.int64]:
    values = []
    for number, wire, place, end in fields(data, start, stop):
        if number == 1 and wire in (_SIZED, _VARINT):
            while place < end:
                value, place = _varint(data, place, end)
                values.append(value)
    return np.asarray(values, np.uint64).view(np.int64)


def _written(value: int) -> bytes:
    """A number as a varint; negative ones as 64-bit two's complement."""
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _sized(number: int, content: bytes) -> bytes:
    return _written(number << 3 | _SIZED) + _written(len(content)) + content


def _wired(feature: Feature) -> bytes:
    if isinstance(feature, tuple):
        return _sized(_BYTES, b"".join(_sized(1, value) for value in feature))
    if np.issubdtype(feature.dtype, np.floating):
        return _sized(_FLOATS, _sized(1, np.asarray(feature, "<f4").tobytes()))
    return _sized(_INTEGERS, _sized(1, b"".join(_written(value) for value in feature.tolist())))


def _steps(rows: ByteArray) -> bytes:
    """A FeatureList of one bytes value per row; all rows share one header."""
    count, width = rows.shape
    empty = _sized(1, _sized(_BYTES, _sized(1, bytes(width))))
    header = np.frombuffer(empty, np.uint8, len(empty) - width)
    steps = np.empty((count, len(empty)), np.uint8)
    steps[:, : len(header)] = header
    steps[:, len(header) :] = rows
    return steps.tobytes()
