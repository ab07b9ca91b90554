"""Caffe2's pickles of weights, read as a description of arrays: nothing in them runs, and no unpickler is used.

A pickle is a program for a stack machine, whose dangerous orders look a name up and call it. Here is another machine:
it knows the orders that describe dictionaries, tuples, texts and numbers, looks no name up, and takes the few calls by
which numpy describes its arrays as such descriptions. Every other name and order ends the reading. Arrays are made
afterwards, of plain numbers and of exactly the bytes that the file holds.
"""

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from whenabouts.core.errors import InvalidData

_NUMBERS = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_PLAIN = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()

Number = float | int


def read_arrays(path: Path) -> dict[str, NDArray[Any] | Number]:
    """The arrays and plain numbers under "blobs" of a Caffe2 pickle, by name.

    Raises InvalidData, with the reason, for anything but a dictionary of these, and for a file that is no pickle.
    """
    try:
        with path.open("rb") as file:
            found = _Machine().read(file)
            rest = file.read(1)
    except InvalidData as error:
        raise InvalidData(f"{path} is refused: {error}") from None
    except Exception as error:  # A broken pickle may raise anything: none of it has run.
        raise InvalidData(f"{path} is refused: it is no whole pickle ({type(error).__name__}: {error}).") from None
    if rest:
        raise InvalidData(f"{path} is refused: something stands behind the pickle's end.")
    blobs = found.get("blobs") if type(found) is dict else None
    if type(blobs) is not dict or set(found) - {"blobs", "cfg"}:
        raise InvalidData(f'{path} is refused: a Caffe2 pickle is a dictionary of "blobs", but this is not.')
    try:
        return {name: _value(name, blob) for name, blob in blobs.items()}
    except InvalidData as error:
        raise InvalidData(f"{path} is refused: {error}") from None


class _Name(NamedTuple):
    """A name that a pickle says; it is compared, and never looked up."""

    module: str
    name: str


@dataclass(eq=False)
class _Kind:
    """What a pickle says of an array's numbers: `f4` and the like, and the order of their bytes."""

    code: str
    order: str = "<"

    def build(self, state: Any) -> None:
        if type(state) is not tuple or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise InvalidData("it describes numbers in a way that numpy does not.")
        self.order = state[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        made: np.dtype[Any] = np.dtype(self.order.replace("=", "<") + self.code)
        return made


@dataclass(eq=False)
class _Array:
    """What a pickle says of an array; `made` is the array."""

    state: Any = None

    def build(self, state: Any) -> None:
        self.state = state

    def made(self) -> NDArray[Any]:
        if type(self.state) is not tuple or len(self.state) != 5:
            raise InvalidData("it describes an array in a way that numpy does not.")
        _, shape, kind, fortran, data = self.state
        data = data.encode("latin1") if type(data) is str else data
        if type(shape) is not tuple or not all(type(side) is int and side >= 0 for side in shape):
            raise InvalidData(f"it holds an array of shape {shape!r}.")
        if type(kind) is not _Kind or type(data) is not bytes:
            raise InvalidData("it holds an array of objects, not of numbers.")
        if math.prod(shape) * kind.dtype.itemsize != len(data):
            raise InvalidData(f"it holds {len(data)} bytes for an array of shape {shape} and kind {kind.dtype}.")
        return np.frombuffer(data, kind.dtype).reshape(shape, order="F" if fortran else "C")


@dataclass
class _Machine:
    """Reads one pickle from a file, order by order."""

    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def read(self, file: Any) -> Any:
        """What the pickle describes."""
        for order, argument, _ in pickletools.genops(file):
            if order.name in _PLAIN:
                self.stack.append(argument)
            elif order.name in _CONSTANTS:
                self.stack.append(_CONSTANTS[order.name])
            elif order.name == "STOP":
                return self.stack.pop()
            elif order.name not in ("PROTO", "FRAME"):
                self._done(order.name, argument)
        raise InvalidData("it is no whole pickle: it has no end.")

    def _done(self, order: str, argument: Any) -> None:
        if order in _ORDERS:
            _ORDERS[order](self)
        elif order in _TUPLES:
            self.stack[-_TUPLES[order] :] = [tuple(self.stack[-_TUPLES[order] :])]
        elif order in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif order in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif order == "GLOBAL":
            self.stack.append(_admitted(*argument.split(" ", 1)))
        else:
            raise InvalidData(f"it gives the order {order}, which weights have no need of. It was not run.")

    def since_mark(self) -> list[Any]:
        """What lies on the stack above the last mark, taken off with it."""
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
        taken = self.stack[place + 1 :]
        del self.stack[place:]
        return taken

    def put(self, pairs: list[Any]) -> None:
        """Names and values, one after the other, into the dictionary on top of the stack."""
        if type(self.stack[-1]) is not dict or len(pairs) % 2:
            raise InvalidData("it sets items of something that is no dictionary.")
        for name, value in zip(pairs[::2], pairs[1::2], strict=True):
            if type(name) is not str:
                raise InvalidData(f"it has a name of {type(name).__name__}, not text.")
            self.stack[-1][name] = value

    def mark(self) -> None:
        self.stack.append(_MARK)

    def empty_dictionary(self) -> None:
        self.stack.append({})

    def dictionary(self) -> None:
        pairs = self.since_mark()
        self.stack.append({})
        self.put(pairs)

    def item(self) -> None:
        pair = [self.stack.pop(-2), self.stack.pop()]
        self.put(pair)

    def items(self) -> None:
        self.put(self.since_mark())

    def tuple_made(self) -> None:
        self.stack.append(tuple(self.since_mark()))

    def memoised(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def stacked_name(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(_admitted(module, name))

    def called(self) -> None:
        given, name = self.stack.pop(), self.stack.pop()
        if type(name) is not _Name or type(given) is not tuple:
            raise InvalidData("it calls something that is no name.")
        self.stack.append(_described(name, given))

    def built(self) -> None:
        state = self.stack.pop()
        if type(self.stack[-1]) not in (_Kind, _Array):
            raise InvalidData("it tries to change what it names.")
        self.stack[-1].build(state)


_ORDERS: dict[str, Callable[[_Machine], None]] = {
    "MARK": _Machine.mark,
    "EMPTY_DICT": _Machine.empty_dictionary,
    "DICT": _Machine.dictionary,
    "SETITEM": _Machine.item,
    "SETITEMS": _Machine.items,
    "TUPLE": _Machine.tuple_made,
    "MEMOIZE": _Machine.memoised,
    "STACK_GLOBAL": _Machine.stacked_name,
    "REDUCE": _Machine.called,
    "BUILD": _Machine.built,
}

_MULTIARRAYS = ("numpy.core.multiarray", "numpy._core.multiarray")
_ADMITTED = {_Name(module, name) for module in _MULTIARRAYS for name in ("_reconstruct", "scalar")} | {
    _Name("numpy", "ndarray"),
    _Name("numpy", "dtype"),
    _Name("_codecs", "encode"),
}


def _admitted(module: Any, name: Any) -> _Name:
    """A name out of the few by which arrays are described; any other ends the reading."""
    if _Name(module, name) not in _ADMITTED:
        raise InvalidData(f"it asks for {module}.{name}, which weights have no need of. It was not run.")
    return _Name(module, name)


def _described(name: _Name, given: tuple[Any, ...]) -> Any:
    """What a call describes, where numpy makes it for its arrays."""
    if name.name == "dtype" and given:
        if given[0] not in _NUMBERS:
            raise InvalidData(f"it holds numbers of kind {given[0]!r}; weights are of {', '.join(sorted(_NUMBERS))}.")
        return _Kind(given[0])
    if name.name == "_reconstruct" and given:
        if given[0] != _Name("numpy", "ndarray"):
            raise InvalidData("it makes an array of a type other than numpy's.")
        return _Array()
    if name.name == "scalar" and len(given) == 2:
        return _Array((1, (), given[0], False, given[1]))
    if name.name == "encode":  # So newer Pythons write bytes into older pickles.
        if len(given) != 2 or type(given[0]) is not str or given[1] != "latin1":
            raise InvalidData(f"it encodes something as {given[-1:]}.")
        return given[0].encode("latin1")
    raise InvalidData(f"it calls {name.module}.{name.name}, which only stands for a type.")


def _value(name: str, blob: Any) -> NDArray[Any] | Number:
    if type(blob) is _Array:
        return blob.made()
    if type(blob) in (int, float):
        number: Number = blob
        return number
    raise InvalidData(f"its blob {name!r} is neither an array nor a number.")
