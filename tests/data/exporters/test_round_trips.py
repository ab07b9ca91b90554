"""Random projects, written in each format of moments and read back: nothing is lost. The benchmark does 1,000."""

import importlib.util
import itertools
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whenabouts.core.video import Video
from whenabouts.data.exporters.edl import legal_rate, time_code
from whenabouts.data.exporters.lines import from_one_line, one_line
from whenabouts.data.exporters.marked import frames_of, layers, rate_of


@pytest.fixture(scope="module")
def trips() -> ModuleType:
    path = Path(__file__).resolve().parents[3] / "benchmarks" / "export_round_trips.py"
    spec = importlib.util.spec_from_file_location("export_round_trips", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Its dataclasses look themselves up by this name.
    spec.loader.exec_module(module)
    return module


def test_random_projects_lose_nothing(trips: ModuleType, tmp_path: Path) -> None:
    done = 0
    for seed in range(7):
        project = trips.random_project(tmp_path / str(seed), 5000 + seed, rate=list(trips.RATES)[seed], rows=15)
        for name in trips.FORMATS:
            result = trips.round_trip(project, name, tmp_path / str(seed))
            assert (result["lost"], result["strange"]) == (0, 0), (name, seed)
            done += 1
    assert done == 7 * 15


def test_the_comparison_notices_what_is_missing(trips: ModuleType, tmp_path: Path) -> None:
    project = trips.random_project(tmp_path, 1, rate="25", rows=6)
    moments = trips._moments(project)
    videos = {entry.id: entry.video for entry in project.manifest()}
    rows = [(row.video_id, row.concept, row.start_seconds, row.end_seconds) for row in moments]
    whole = trips.compared(moments, rows, videos, trips.FORMATS["csv"])
    assert (whole["lost"], whole["strange"]) == (0, 0)
    assert trips.compared(moments, rows[1:], videos, trips.FORMATS["csv"])["lost"] == 1
    late = [(name, label, start + 0.1, end + 0.1) for name, label, start, end in rows]
    assert trips.compared(moments, late, videos, trips.FORMATS["otio"])["lost"] == 6


@pytest.mark.parametrize(("rate", "ending"), [("23.976", "mkv"), ("variable", "mp4")])
def test_clips_and_chapters_are_right_to_the_picture(
    trips: ModuleType, rate: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trips.film_times, "KEYS", 8)  # "Minutes" of 16 s; the benchmark has 122 whole ones.
    film = trips.film_times.make_film(tmp_path, rate, ending, 3)
    found = trips.film_times.measure(film, tmp_path, moments=6, seed=3)
    assert {how: row["wrong"] for how, row in found.items()} == {"exact": 0, "copy": 0, "chapters": 0}
    assert max(row["worst"] for row in found.values()) < 0.0011
    assert min(row["pictures"] for row in found.values()) >= 9
    late = trips.film_times.Film(film.path, [at + Fraction(1, 5) for at in film.times], film.numbers)
    noticed = trips.film_times.measure(late, tmp_path, moments=6, seed=3)
    assert min(noticed["exact"]["wrong"], noticed["copy"]["worst"], noticed["chapters"]["worst"]) > 0.19


@given(st.text(st.characters(codec=None)))
def test_any_text_is_one_line_and_back(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert line == line.strip(" ")
    line.encode("utf-8")
    assert from_one_line(line) == text


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=12))
def test_layers_hold_each_span_once_and_never_overlap(drawn: list[tuple[int, int]]) -> None:
    spans = [(start, start + length) for start, length in drawn]
    lists = layers(spans)
    assert sorted(place for one in lists for place in one) == list(range(len(spans)))
    for one in lists:
        assert all(spans[first][1] <= spans[then][0] for first, then in itertools.pairwise(one))
    busiest = max((sum(start <= at < stop for start, stop in spans) for at in range(41)), default=0)
    assert len(lists) == busiest


@pytest.mark.parametrize(
    ("told", "rate"),
    [("30000/1001", "30000/1001"), ("2997/100", "30000/1001"), ("25/1", "25"), ("25/2", "25/2"), ("15", "15"),
     ("23976/1000", "24000/1001"), ("59.94", "60000/1001"), ("24.99", "2499/100")],
)  # fmt: skip
def test_rates_are_the_exact_ones(told: str, rate: str) -> None:
    assert rate_of(Video("v", Path("v.mp4"), fps=Fraction(told)), 25.0) == Fraction(rate)


def test_a_video_that_tells_no_rate_has_the_fallback() -> None:
    assert rate_of(Video("v", Path("v.mp4")), 29.97) == Fraction(30000, 1001)


def test_edges_go_to_the_nearest_frame_and_last_at_least_one() -> None:
    rate = Fraction(30000, 1001)
    assert frames_of(7200.0, 7201.0, rate) == (215784, 215814)  # 215784.2 and 215814.2
    assert frames_of(1.0, 1.0, Fraction(25)) == (25, 26)
    assert frames_of(1.019, 1.021, Fraction(25)) == (25, 26)


@pytest.mark.parametrize(
    ("rate", "legal"), [("25", "25"), ("25/2", "25"), ("15", "30"), ("10", "30"), ("18", "24000/1001"), ("120", "60"),
                        ("60000/1001", "60000/1001")]
)  # fmt: skip
def test_edit_lists_count_at_a_rate_that_fits(rate: str, legal: str) -> None:
    assert legal_rate(Fraction(rate)) == Fraction(legal)


def test_time_codes_count_whole_frames() -> None:
    assert time_code(215784, Fraction(30000, 1001)) == "01:59:52:24"
    assert time_code(90000, Fraction(25)) == "01:00:00:00"
