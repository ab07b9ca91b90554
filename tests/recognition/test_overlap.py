import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from whenabouts.recognition.overlap import SharedIterator, overlapped


def numbers(source: int, count: int) -> Iterator[tuple[int, int]]:
    for number in range(count):
        yield source, number


def test_items_of_each_source_come_whole_and_in_order() -> None:
    found: dict[int, list[int]] = {}
    with overlapped([partial(numbers, source, 30 + source) for source in range(7)], depth=3) as items:
        for source, number in items:
            found.setdefault(source, []).append(number)
    assert found == {source: list(range(30 + source)) for source in range(7)}


def test_no_more_items_wait_than_are_allowed() -> None:
    made = []

    def source() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with overlapped([source], depth=4) as items:
        next(items)
        time.sleep(0.3)
        assert len(made) <= 7
    assert len(made) <= 8


def test_an_error_in_a_source_reaches_the_consumer_and_threads_end() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise RuntimeError("broken on purpose")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="on purpose"), overlapped([source] * 3, depth=2) as items:
        list(items)
    assert threading.active_count() == before


def test_leaving_early_stops_the_threads() -> None:
    before = threading.active_count()
    with overlapped([partial(numbers, 0, 10**9)] * 2, depth=2) as items:
        next(items)
    assert threading.active_count() == before


def test_without_sources_nothing_comes() -> None:
    with overlapped([], depth=2) as items:
        assert list(items) == []


def test_threads_that_share_an_iterator_take_each_item_once() -> None:
    shared = SharedIterator(iter(range(1000)))
    with overlapped([lambda: ((item, item) for item in shared)] * 4, depth=10) as items:
        assert sorted(item for item, _ in items) == list(range(1000))
