"""How soon a browser shows 10,000 moments: of one video on the timeline and in the list, and as search results.

    python benchmarks/page_drawing.py [--runs 9]

A small rendered project is served; Chromium opens each view in a new context, with nothing in its cache. Times are the
browser's own, from the start of the navigation to the second frame after the rows are there; for keys, from the key to
the second frame after it. Beside it the processor's time of the page's own process (what it runs, styles, lays out and
paints, from its start) and of the server, which other work on the machine does not lengthen as it does the clock. The
same with 100 moments says what the page costs without many. One opening of each comes before. Writes
results/page_drawing.json and page_drawing.md.
"""

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "page" / "browser"))
from planted import CONCEPTS, planted_project, write_found
from serving import Served, chromium

from provenance import write_result
from whenabouts.core.moments import Moments
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.project import Project

RESULTS = Path(__file__).parent / "results"
COUNTS = (100, 10_000)
GOAL = "10,000 moments in under a second"
WATCH = """(() => {
  window.shownAt = null;
  const look = () => { if (!document.querySelector('.moment-row, .card')) return;
    watcher.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => { window.shownAt = performance.now(); })); };
  const watcher = new MutationObserver(look);
  watcher.observe(document, { childList: true, subtree: true });
})();"""
KEY = """(key) => new Promise((done) => {
  const begun = performance.now();
  document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - begun)));
})"""


def crowd(folder: Path, count: int) -> None:
    """Give the project's first video so many moments."""
    rng = np.random.default_rng(4)
    starts = np.round(rng.uniform(0, 13, count), 3)
    spans = np.stack([starts, starts + np.round(rng.uniform(0.1, 0.6, count), 3)], axis=1)
    classes, scores = rng.integers(0, len(CONCEPTS), count), np.round(rng.uniform(0, 9, count), 6)
    found = Moments.build(["video-0000"] * count, spans, classes, Vocabulary(CONCEPTS), scores=scores)
    write_found(Project.open(folder), found)


@dataclass(frozen=True)
class Opening:
    """Milliseconds until a view stood, of each key that zooms, and of the processor in the page and in the server."""

    shown: float
    keys: list[float]
    page: float
    server: float


def server_time(served: Served) -> float:
    """Milliseconds that the server's processor has worked so far."""
    status = Path(f"/proc/{served.process.pid}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(status[11]) + int(status[12])) / os.sysconf("SC_CLK_TCK")


def opened(browser: Browser, served: Served, route: str) -> Opening:
    """One opening in a context of its own, with ten keys that zoom where there is a timeline."""
    before = server_time(served)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.add_init_script(WATCH)
    inspector = context.new_cdp_session(page)
    inspector.send("Performance.enable")
    page.goto(f"{served.address}/{route}")
    page.wait_for_function("() => window.shownAt !== null")
    told = {each["name"]: each["value"] for each in inspector.send("Performance.getMetrics")["metrics"]}
    server = server_time(served) - before
    shown, keys = float(page.evaluate("() => window.shownAt")), []
    if page.locator(".strip").count():
        page.wait_for_load_state("networkidle")
        keys = [float(page.evaluate(KEY, key)) for key in "+-" * 5]
    context.close()
    return Opening(shown, keys, 1000 * told["ProcessTime"], server)


def measured(browser: Browser, folder: Path, count: int, runs: int) -> dict[str, list[Opening]]:
    """So many openings of each view, with so many moments."""
    crowd(folder, count)
    served = Served(folder)
    try:
        context = browser.new_context()
        videos = context.request.get(f"{served.address}/api/videos?limit=500").json()["videos"]
        context.close()
        key = next(video["key"] for video in videos if video["id"] == "video-0000")
        routes = {"one video": f"#/video/{key}", "search": "#/moments"}
        found: dict[str, list[Opening]] = {name: [] for name in routes}
        for run in range(runs + 1):
            for name, route in routes.items():
                opening = opened(browser, served, route)
                if run:
                    found[name].append(opening)
        return found
    finally:
        served.close()


def row_of(what: str, count: int, openings: list[Opening]) -> dict[str, Any]:
    """A line of the table, with all its values."""
    row = spread_of(what, count, [each.shown for each in openings])
    return {**row, "page": [each.page for each in openings], "server": [each.server for each in openings]}


def key_row(count: int, openings: list[Opening]) -> dict[str, Any]:
    """The line of keys that zoom."""
    return spread_of("a key that zooms", count, [each for opening in openings for each in opening.keys])


def spread_of(what: str, count: int, times: list[float]) -> dict[str, Any]:
    """Median, least and most."""
    return {"what": what, "moments": count, "median": statistics.median(times), "least": min(times), "most": max(times),
            "milliseconds": times}  # fmt: skip


def told_time(row: dict[str, Any], whose: str) -> str:
    """The median of a processor's time; nothing where it was not measured."""
    return f"{statistics.median(row[whose]):.0f}" if whose in row else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    runs, load = parser.parse_args().runs, os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = planted_project(Path(place) / "project").folder
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        version = browser.version
        found = {count: measured(browser, folder, count, runs) for count in COUNTS}
        browser.close()
    rows = [row_of(what, count, found[count][what]) for what in found[COUNTS[0]] for count in COUNTS]
    rows += [key_row(count, found[count]["one video"]) for count in COUNTS]
    after = os.getloadavg()[0]
    values = {"goal": GOAL, "runs": runs, "chromium": version, "cores": os.cpu_count(), "load_before": load,
              "load_after": after, "rows": rows}  # fmt: skip
    lines = [
        "# Drawing 10,000 moments",
        "",
        f"{runs} openings of each view, each in a new browser context; Chromium {version} without a screen, "
        f"{os.cpu_count()} cores, load {load:.1f} when it began and {after:.1f} when it ended. Goal: {GOAL}. "
        "Made by `python benchmarks/page_drawing.py`.",
        "",
        "Where others use the cores too, the clock tells of them as well: the processor's time does not. The page's "
        "is that of its whole process, from its start until the moments stand.",
        "",
        "| what | moments | median ms | least ms | most ms | page's processor ms | server's processor ms |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [f"| {row['what']} | {row['moments']:,} | {row['median']:.0f} | {row['least']:.0f} | {row['most']:.0f} | "
              f"{told_time(row, 'page')} | {told_time(row, 'server')} |" for row in rows]  # fmt: skip
    text = "\n".join(lines) + "\n"
    write_result(RESULTS, "page_drawing", values, text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
