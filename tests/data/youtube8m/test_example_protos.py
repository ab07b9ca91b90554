"""Example and SequenceExample: hand-written wire bytes, the odd forms that protobuf allows, round trips, damage."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from whenabouts.core.errors import InvalidData
from whenabouts.data.youtube8m.example_protos import Feature, SequenceExample, described, encode, parse

INTEGERS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5).map(lambda values: np.asarray(values, np.int64))
FLOATS = st.lists(st.floats(width=32, allow_nan=False), max_size=5).map(lambda values: np.asarray(values, np.float32))
BYTES = st.lists(st.binary(max_size=20), max_size=3).map(tuple)
CONTEXTS = st.dictionaries(st.text(max_size=8), st.one_of(INTEGERS, FLOATS, BYTES), max_size=4)


def sized(number: int, *parts: bytes) -> bytes:
    """A field that holds bytes; short ones only."""
    content = b"".join(parts)
    assert len(content) < 128
    assert number < 16
    return bytes([number << 3 | 2, len(content)]) + content


def one_feature(*content: bytes) -> Feature:
    """What an Example with one feature, of these wire bytes, holds."""
    entry = sized(1, sized(1, b"x"), sized(2, *content))
    return parse(sized(1, entry)).context["x"]


def steps(*features: bytes) -> SequenceExample:
    """A SequenceExample with one feature list "x"."""
    return parse(sized(2, sized(1, sized(1, b"x"), sized(2, *(sized(1, feature) for feature in features)))))


def same(one: Feature, other: Feature) -> bool:
    if not len(one) and not len(other):
        return True  # which kind of list is empty is of no matter
    if isinstance(one, tuple) or isinstance(other, tuple):
        return one == other
    return one.dtype == other.dtype and np.array_equal(one, other)


def test_an_example_written_by_hand() -> None:
    data = bytes.fromhex(
        "0a 2d"  # features, 45 bytes
        " 0a 0c 0a 02 6964 12 06 0a 04 0a 02 6162"  # "id": bytes_list of b"ab"
        " 0a 0f 0a 06 6c6162656c73 12 05 1a 03 0a 01 07"  # "labels": int64_list, packed, of 7
        " 0a 0c 0a 01 66 12 07 12 05 0d 0000c03f"  # "f": float_list, not packed, of 1.5
        .replace(" ", "")
    )  # fmt: skip
    found = parse(data).context
    assert list(found) == ["id", "labels", "f"]
    assert found["id"] == (b"ab",)
    assert same(found["labels"], np.asarray([7]))
    assert same(found["f"], np.asarray([1.5], np.float32))


def test_a_sequence_example_is_written_as_tensorflow_writes_it() -> None:
    written = encode({"id": (b"ab",)}, {"rgb": np.asarray([[1, 2, 3], [4, 5, 6]], np.uint8)})
    assert written.hex(" ") == (
        "0a 0e 0a 0c 0a 02 69 64 12 06 0a 04 0a 02 61 62 "
        "12 1b 0a 19 0a 03 72 67 62 12 12 0a 07 0a 05 0a 03 01 02 03 0a 07 0a 05 0a 03 04 05 06"
    )
    assert parse(written).feature_lists["rgb"].byte_rows().tolist() == [[1, 2, 3], [4, 5, 6]]


def test_frames_written_alike_are_a_view_without_a_copy() -> None:
    rows = np.arange(300 * 40, dtype=np.int64).reshape(300, 40).astype(np.uint8)
    found = parse(encode({}, {"rgb": rows})).feature_lists["rgb"].byte_rows()
    assert np.array_equal(found, rows)
    assert not found.flags.owndata
    assert not found.flags.writeable
    assert found.strides == (40 + 6, 1)


@pytest.mark.parametrize("width", [0, 1, 127, 128, 1024, 20_000])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_frames_of_any_shape(count: int, width: int) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (count, width), np.uint8)
    found = parse(encode({}, {"rgb": rows})).feature_lists["rgb"].byte_rows()
    assert found.shape == ((count, width) if count else (0, 0))
    assert np.array_equal(found.reshape(count, width), rows)


def test_frames_written_in_several_ways_are_read_too() -> None:
    plain = sized(1, sized(1, b"ab"))
    with_unknown = sized(1, sized(1, b"cd")) + bytes([9 << 3, 5])
    long_number = sized(1, bytes([1 << 3 | 2, 0x82, 0x00]) + b"ef")  # the length 2 in two bytes
    found = steps(plain, with_unknown, long_number).feature_lists["x"].byte_rows()
    assert bytes(found) == b"abcdef"
    assert found.shape == (3, 2)


def test_frames_whose_sizes_differ_although_the_total_fits_are_told() -> None:
    values = [b"abcd", b"ab", b"abcdef"]
    with pytest.raises(InvalidData, match="step 1 holds 2 bytes, but the steps before it 4"):
        steps(*(sized(1, sized(1, value)) for value in values)).feature_lists["x"].byte_rows()


@pytest.mark.parametrize(
    ("feature", "seen"),
    [
        (b"", "nothing"),
        (sized(1), "nothing"),
        (sized(1, sized(1, b"a"), sized(1, b"b")), "2 bytes values"),
        (sized(3, sized(1, b"\x05")), "1 int64 value"),
        (sized(2, sized(1, struct.pack("<2f", 1, 2))), "2 float32 values"),
    ],
)
def test_steps_that_do_not_hold_one_bytes_value_are_told(feature: bytes, seen: str) -> None:
    with pytest.raises(InvalidData, match=f"step 1 should hold one bytes value, but holds {seen}"):
        steps(sized(1, sized(1, b"a")), feature).feature_lists["x"].byte_rows()


def test_numbers_packed_plain_and_mixed_read_alike() -> None:
    packed = sized(3, sized(1, b"\x01\x96\x01"))
    plain = sized(3, b"\x08\x01", b"\x08\x96\x01")
    mixed = sized(3, b"\x08\x01", sized(1, b"\x96\x01"))
    assert all(same(one_feature(wire), np.asarray([1, 150])) for wire in (packed, plain, mixed))
    one, two = struct.pack("<f", 1.5), struct.pack("<f", -2)
    for wire in (sized(2, sized(1, one + two)), sized(2, b"\x0d" + one, sized(1, two))):
        assert same(one_feature(wire), np.asarray([1.5, -2], np.float32))


def test_negative_and_greatest_numbers() -> None:
    minus_one = b"\xff" * 9 + b"\x01"
    assert same(one_feature(sized(3, sized(1, minus_one))), np.asarray([-1]))
    values = np.asarray([-(2**63), -1, 0, 127, 128, 2**63 - 1])
    assert same(parse(encode({"x": values})).context["x"], values)


def test_of_what_stands_twice_the_last_counts_and_unknown_fields_are_skipped() -> None:
    unknown = bytes([5 << 3, 1]) + bytes([6 << 3 | 1]) + bytes(8) + bytes([7 << 3 | 5]) + bytes(4) + sized(9, b"abc")
    old = sized(1, sized(1, b"x"), sized(2, sized(3, sized(1, b"\x01"))))
    new = sized(1, unknown, sized(2, sized(3, sized(1, b"\x02")), unknown), sized(1, b"x"))
    assert same(parse(unknown + sized(1, old) + sized(1, unknown, new)).context["x"], np.asarray([2]))
    both = sized(1, sized(1, b"a")) + sized(3, sized(1, b"\x05"))
    assert same(one_feature(both), np.asarray([5]))


def test_a_name_without_a_feature_and_a_feature_without_a_name() -> None:
    assert parse(sized(1, sized(1, sized(1, b"x")))).context == {"x": ()}
    assert list(parse(sized(1, sized(1, sized(2, b"")))).context) == [""]
    assert described(()) == "nothing"
    assert parse(b"") == SequenceExample({}, {})


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\x0a", "byte 1 of its data: a number does not end"),
        (b"\x0a\x05ab", r"byte 0 of its data: a value runs to byte 7, but what holds it ends at 4"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "byte 1 of its data: a number does not end"),
        (b"\x0b", "byte 0 of its data: wire type 3 is not in use"),
        (b"\x02\x00", "byte 0 of its data: a field has the number 0"),
        (sized(1, sized(1, sized(1, b"\xff"), sized(2, b""))), "the name b'\\\\xff' is not UTF-8"),
        (sized(1, sized(1, sized(1, b"x"), sized(2, sized(2, sized(1, b"abc"))))), "3 bytes are no list of 32-bit"),
        (b"\x0d\x00", "byte 0 of its data: a value runs to byte 5, but what holds it ends at 2"),
    ],
)
def test_broken_wire_format_is_told_with_its_byte(data: bytes, told: str) -> None:
    with pytest.raises(InvalidData, match=told):
        parse(data)


@given(CONTEXTS, st.integers(0, 5), st.integers(0, 40))
def test_what_is_written_is_read(context: dict[str, Feature], count: int, width: int) -> None:
    rows = np.random.default_rng(count).integers(0, 256, (count, width), np.uint8)
    example = parse(encode(context, {"a": rows, "b": rows[:, :1]}))
    assert list(example.context) == list(context)
    assert all(same(example.context[name], value) for name, value in context.items())
    assert np.array_equal(example.feature_lists["a"].byte_rows().reshape(count, width), rows)
    alone = parse(encode(context))
    assert not alone.feature_lists
    assert list(alone.context) == list(context)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_told(data: bytes) -> None:
    read_all(data)


@given(st.data())
@hypothesis_settings(max_examples=300)
def test_any_damage_is_read_or_told(data: st.DataObject) -> None:
    context: dict[str, Feature] = {"id": (b"ab",), "labels": np.asarray([1, 300]), "f": np.asarray([1.5], np.float32)}
    content = bytearray(encode(context, {"rgb": np.zeros((3, 5), np.uint8), "audio": np.ones((3, 2), np.uint8)}))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read_all(bytes(content[: data.draw(st.integers(0, len(content)))]))


def read_all(data: bytes) -> None:
    """Read everything; only InvalidData may stop it, and the fast way and the general one agree."""
    try:
        example = parse(data)
    except InvalidData:
        return
    for listed in example.feature_lists.values():
        try:
            rows = listed.byte_rows()
        except InvalidData:
            continue
        single = [feature for feature in listed.features() if isinstance(feature, tuple)]
        assert [row.tobytes() for row in rows] == [feature[0] for feature in single]
