"""The report page: nothing escapes, nothing is fetched, everything asked for is there."""

import base64
import hashlib
import html.parser
import io
import re
from pathlib import Path

import av
import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.core.moments import Moments
from whenabouts.core.scores import ScoreSequence
from whenabouts.core.timing import TimeGrid
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.page.charts import Chart, Line
from whenabouts.page.filmstrip import filmstrip, jpeg
from whenabouts.page.report import ReportVideo, Table, Tile, write_report

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "</title><svg onload=alert(1)>",
    "{{ 7 * 7 }} {% raw %}",
    "javascript:alert(1)",
    "<!--",
    "\u202egnitpircs & co",
)


class Page(html.parser.HTMLParser):
    """What a browser would see: tags with attributes, and the text within each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def of(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        found = [attributes for name, attributes in self.tags if name == tag]
        return [each for each in found if all(each.get(key) == value for key, value in wanted.items())]


def written(path: Path, **rest: object) -> Page:
    vocabulary = Vocabulary(("run", "jump", "rest"))
    truth = Moments.build(["a", "a", "b"], [[0, 2], [4, 6], [1, 3]], [0, 1, 0], vocabulary, kind="truth")
    found = Moments.build(["a", "a", "b", "c"], [[0.2, 2], [4, 9], [5, 6], [0, 1]], [0, 1, 0, 2], vocabulary,
                          scores=[0.9, 0.5, 0.1, 0.7])  # fmt: skip
    arguments = {
        "title": "Report",
        "videos": [ReportVideo("a", 10.0, title="First"), ReportVideo("b", 8.0)],
        "found": found,
        "truth": truth,
    }
    write_report(path, **{**arguments, **rest})  # type: ignore[arg-type]
    return Page(path.read_text(encoding="utf-8"))


def hostile_page(path: Path) -> Page:
    vocabulary = Vocabulary(HOSTILE)
    count = len(HOSTILE)
    rows = Moments.build(list(HOSTILE), [[0, 1]] * count, range(count), vocabulary)
    scores = ScoreSequence(HOSTILE[0], np.ones((4, count), np.float32), np.ones(count, np.float32),
                           TimeGrid.of_length(4.0, 1.0), vocabulary)  # fmt: skip
    videos = [ReportVideo(name, 4.0, title=name, labels=HOSTILE, scores=scores) for name in HOSTILE]
    bad = HOSTILE[0]
    return written(
        path,
        title=bad,
        introduction=bad,
        videos=videos,
        found=rows,
        truth=rows,
        tiles=[Tile(bad, bad, bad)],
        tables=[Table(bad, HOSTILE, (HOSTILE,), note=bad)],
        charts=[Chart(bad, bad, bad, (0.1, 0.5), tuple(Line(name, (1.0, 2.0)) for name in HOSTILE))],
    )


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    page = hostile_page(path)
    assert len(page.of("script")) == 1
    assert not page.of("svg", onload="alert(1)")
    handlers = [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not handlers
    assert not [tag for tag, _ in page.tags if tag in ("iframe", "object", "embed", "link", "base", "form")]
    assert len(page.of("article")) == len(HOSTILE)
    labels = {each["aria-label"] for each in page.of("li") if "aria-label" in each}
    assert all(any(label is not None and label.startswith(name) for label in labels) for name in HOSTILE)
    assert any("{{ 7 * 7 }} {% raw %}" in text for text in page.texts)
    # What a name may say, it says nowhere within the style sheet or the script.
    text = path.read_text(encoding="utf-8")
    inert = "".join(re.findall(r"<style>.*?</style>|<script>.*?</script>", text, flags=re.S))
    assert "alert" not in inert


def test_page_needs_no_network_and_runs_only_its_own_script(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    page = written(path)
    text = path.read_text(encoding="utf-8")
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert all(str(address).startswith("data:image/") for address in addresses)
    assert "http://" not in text
    assert "https://" not in text
    assert "url(" not in text
    policy = page.of("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"] or ""
    script = re.findall(r"<script>(.*?)</script>", text, flags=re.S)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_bars_stand_where_the_moments_are(tmp_path: Path) -> None:
    page = written(tmp_path / "page.html")
    lanes = [(each["class"], each["aria-label"]) for each in page.of("ol")]
    assert [name for name, _ in lanes] == ["lane truth", "lane found"] * 2
    bars = {each["aria-label"]: each for each in page.of("li") if "aria-label" in each}
    assert len(bars) == 3 + 3  # c is not among the videos
    jump = bars["jump, 0:04.000 to 0:09.000, score 0.5"]
    assert "left: 40.000%; width: 50.000%" in str(jump["style"])
    assert jump["data-strength"] == "0.5000"
    texts = " ".join(page.texts)
    assert "1 of 2 true moments met at tIoU 0.5" in texts
    assert "0 of 1 true moments met" in texts
    buttons = page.of("button")
    assert [each["data-concept"] for each in buttons] == ["0", "1", "2"]
    assert all(each["aria-pressed"] == "false" for each in buttons)


def test_overlapping_bars_get_rows_of_their_own(tmp_path: Path) -> None:
    vocabulary = Vocabulary(("run",))
    spans = [[0, 4], [1, 5], [2, 6], [4, 8]]
    found = Moments.build(["a"] * 4, spans, [0] * 4, vocabulary, scores=[4, 3, 2, 1])
    page = written(tmp_path / "page.html", found=found, truth=None)
    rows = [re.findall(r"--row: (\d+)", str(each["style"]))[0] for each in page.of("li", **{"data-concept": "0"})]
    assert rows == ["0", "1", "2", "0"]
    assert page.of("ol")[0]["style"] == "--rows: 3"


def test_tables_charts_and_curves_hold_their_numbers(tmp_path: Path) -> None:
    vocabulary = Vocabulary(("run", "jump"))
    grid = TimeGrid.of_length(10.0, 0.01)
    values = np.zeros((grid.steps, 2), np.float32)
    values[500, 0] = 2.0
    scores = ScoreSequence("a", values, np.ones(2, np.float32), grid, vocabulary)
    page = written(
        tmp_path / "page.html",
        videos=[ReportVideo("a", 10.0, scores=scores)],
        tables=[Table("mAP", ("method", "0.5"), (("ours", 12.345), ("none", None), ("broken", float("nan"))))],
        charts=[Chart("mAP", "tIoU", "%", (0.1, 0.3, 0.5), (Line("ours", (40.0, 20.0, 0.0)),))],
    )
    texts = [text.strip() for text in page.texts if text.strip()]
    assert "12.3" in texts
    assert texts.count("–") == 2
    lines = [str(each["points"]).split() for each in page.of("polyline")]
    chart = [tuple(map(float, point.split(","))) for point in lines[0]]
    assert chart[0][1] < chart[1][1] < chart[2][1]
    assert chart[2][1] == 220.0
    curve = [tuple(map(float, point.split(","))) for point in lines[1]]
    peak = min(curve, key=lambda point: point[1])
    assert len(curve) == 240
    assert peak[1] == 4.0
    assert abs(peak[0] - 500) < 3


def test_videos_without_length_or_moments_are_shown(tmp_path: Path) -> None:
    vocabulary = Vocabulary(("run",))
    page = written(tmp_path / "page.html", videos=[ReportVideo("empty", 0.0)], found=Moments.empty(vocabulary),
                   truth=Moments.empty(vocabulary))  # fmt: skip
    assert len(page.of("article")) == 1
    assert not page.of("button")


def test_wrong_arguments_are_told() -> None:
    with pytest.raises(InvalidData, match="2 columns"):
        Table("t", ("a", "b"), (("one",),))
    with pytest.raises(InvalidData, match="data:image/"):
        ReportVideo("a", 1.0, strip="https://example.invalid/x.png")
    with pytest.raises(InvalidData, match="duration"):
        ReportVideo("a", float("nan"))
    with pytest.raises(InvalidData, match="2 values for 3"):
        Chart("c", "x", "y", (1, 2, 3), (Line("l", (1.0, 2.0)),))
    with pytest.raises(InvalidData, match="rising"):
        Chart("c", "x", "y", (2, 1), ())


def test_filmstrip_shows_the_middle_of_each_part(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(40):
            grey = np.full((48, 64, 3), 40 + 50 * (number // 10), np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts, frame.duration = number, 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    strip = filmstrip(path, duration_seconds=4.0, frames=4, size=(24, 32))
    assert strip.startswith("data:image/jpeg;base64,")
    with av.open(io.BytesIO(base64.b64decode(strip.partition(",")[2]))) as picture:
        pixels = next(picture.decode(video=0)).to_ndarray(format="rgb24")
    assert pixels.shape == (24, 128, 3)
    assert np.allclose(pixels.reshape(24, 4, 32, 3).mean(axis=(0, 2, 3)), [40, 90, 140, 190], atol=5)


def test_jpeg_keeps_colours() -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 30:] = (220, 40, 90)
    with av.open(io.BytesIO(jpeg(pixels, quality=2))) as picture:
        back = next(picture.decode(video=0)).to_ndarray(format="rgb24")
    assert abs(back[:, 40:].astype(int) - (220, 40, 90)).max() < 12
    assert back[:, :20].max() < 12
