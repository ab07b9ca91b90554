import threading
import time
from collections.abc import Iterator

import pytest

from whenabouts.recognition.overlap import overlapped


def numbers(source: int, count: int) -> Iterator[tuple[int, int]]:
    for number in range(count):
        yield source, number


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_items_of_each_source_come_whole_and_in_order(workers: int) -> None:
    sources = [lambda s=s: numbers(s, 3 + s) for s in range(7)]
    found: dict[int, list[int]] = {}
    ended = []
    with overlapped(sources, workers=workers, depth=3) as items:
        for index, item in items:
            if item is None:
                ended.append(index)
            else:
                assert item[0] == index
                assert index not in ended
                found.setdefault(index, []).append(item[1])
    assert found == {s: list(range(3 + s)) for s in range(7)}
    assert sorted(ended) == list(range(7))


def test_no_more_items_wait_than_are_allowed() -> None:
    made = []

    def source() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with overlapped([source], workers=1, depth=4) as items:
        next(items)
        time.sleep(0.3)
        assert len(made) <= 7
    assert len(made) <= 8


def test_an_error_in_a_source_reaches_the_consumer_and_threads_end() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise RuntimeError("broken on purpose")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="on purpose"), overlapped([source] * 3, workers=2, depth=2) as items:
        list(items)
    assert threading.active_count() == before


def test_leaving_early_stops_the_threads() -> None:
    before = threading.active_count()
    with overlapped([lambda: numbers(0, 10**9)] * 2, workers=2, depth=2) as items:
        next(items)
    assert threading.active_count() == before


def test_without_sources_nothing_comes() -> None:
    with overlapped([], workers=2, depth=2) as items:
        assert list(items) == []
