"""What travels between a decoding child process and its parent: small JSON, then the raw bytes of arrays."""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from typing import Any, BinaryIO

import numpy as np

from whenabouts.core.video import Video
from whenabouts.media.parts import Arrays, Part


@dataclass(frozen=True, slots=True)
class Message:
    """One message: a `kind`, plain JSON values, and arrays."""

    kind: str
    values: Mapping[str, Any]
    arrays: Arrays

    @property
    def size(self) -> int:
        """Bytes of the arrays."""
        return sum(array.nbytes for array in self.arrays.values())


def message_of(part: Part) -> Message:
    """A part as it is sent."""
    if part is None:
        return Message("alive", {}, {})
    if isinstance(part, Video):
        return Message("video", part.to_json(), {})
    return Message("arrays", {}, part)


def send(pipe: BinaryIO, message: Message) -> None:
    """Write a message: the length of the head, the head as JSON, then the arrays' bytes one after the other."""
    arrays = {name: np.ascontiguousarray(array) for name, array in message.arrays.items()}
    shapes = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
    head = json.dumps({"kind": message.kind, "values": message.values, "arrays": shapes}).encode()
    pipe.write(struct.pack("<Q", len(head)) + head)
    for array in arrays.values():
        pipe.write(array.reshape(-1).view(np.uint8).data)
    pipe.flush()


def receive(pipe: BufferedReader) -> Message | None:
    """Read a message; None where the other side is gone."""
    length = pipe.read(8)
    if len(length) < 8:
        return None
    text = pipe.read(struct.unpack("<Q", length)[0])
    if not text.endswith(b"}"):
        return None
    head = json.loads(text)
    arrays = {}
    for name, kind, shape in head["arrays"]:
        length = math.prod(shape) * np.dtype(kind).itemsize
        data = np.empty(length, np.uint8)
        if length and pipe.readinto(data.data) < length:
            return None
        arrays[name] = data.view(kind).reshape(shape)
    return Message(head["kind"], head["values"], arrays)
