"""200 hostile titles, tags and concepts in a real browser: how many run, and how many are shown as they are.

    python benchmarks/page_names.py

Each name tries to set `window.ran`, in one of the ways in which pages have been tricked. They are titles, tags,
uploaders and concepts of a project; every view is opened, cards are hovered over, one is confirmed, and each video is
looked at.
Writes results/page_names.json and page_names.md.
"""

import argparse
import itertools
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "page" / "browser"))
from planted import planted_project, write_found
from serving import Served, chromium

from provenance import write_result
from whenabouts.core.moments import Moments
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Manifest, WeakLabel
from whenabouts.data.project import Project

RESULTS = Path(__file__).parent / "results"
COUNT = 200
TAGS = ("<script>{}</script>", "<img src=x onerror={}>", "<svg onload={}>", "<svg><script>{}</script></svg>",
        "<iframe srcdoc='<script>parent.{}</script>'>", "<body onload={}>", "<details open ontoggle={}>",
        "<video><source onerror={}>", "<input autofocus onfocus={}>", "<a href='javascript:{}'>press</a>",
        "<object data='javascript:{}'>", "<math><mtext><img src=x onerror={}></mtext></math>",
        "<style>@import 'javascript:{}'</style>", "<meta http-equiv=refresh content='0;url=javascript:{}'>",
        "<template><script>{}</script></template>", "<form><button formaction='javascript:{}'>go</button>")  # fmt: skip
AROUND = (
    "{}",
    '"{}',
    "'{}",
    '">{}',
    "'>{}",
    "</title>{}",
    "</script>{}",
    "-->{}",
    "]]>{}",
    "\u202e{}",
    "{{{{{}}}}}",
    "`${{{}}}`",
)
RUN = "ran=1"


def hostile_names() -> list[str]:
    """200 different names, the plainest first."""
    pairs = itertools.product(AROUND, TAGS)
    names = [around.format(tag.format(RUN)) for around, tag in pairs]
    words = [f"javascript:{RUN}", f"${{{RUN}}}", f"{{{{constructor.constructor('{RUN}')()}}}}", f"');{RUN}//",
             f"\\u003cscript>{RUN}", f"&lt;script&gt;{RUN}", f"%3Cscript%3E{RUN}", f"+ADw-{RUN}"]  # fmt: skip
    chosen = list(dict.fromkeys([*words, *names]))[:COUNT]
    assert len(chosen) == COUNT, len(chosen)
    return chosen


def hostile_project(folder: Path, names: list[str]) -> Project:
    """A planted project whose videos, tags and concepts bear the names, some in each of its twelve videos."""
    home = planted_project(folder)
    entries = list(home.manifest())
    shares = np.array_split(np.arange(len(names)), len(entries))
    told = [
        replace(entry, title=names[share[0]], uploader=names[share[-1]],
                labels=tuple(WeakLabel(names[number], 1.0, names[number][:100]) for number in share))
        for entry, share in zip(entries, shares, strict=True)
    ]  # fmt: skip
    home.write_manifest(Manifest(tuple(told)))
    words = Vocabulary(tuple(names))
    home.write_vocabulary(words)
    videos = [entry.id for entry, share in zip(entries, shares, strict=True) for _ in share]
    starts = np.concatenate([0.5 * np.arange(len(share)) for share in shares])
    spans = np.stack([starts, starts + 1.0], axis=1)
    write_found(home, Moments.build(videos, spans, np.arange(len(names)), words, scores=1.0 + np.arange(len(names))))
    return home


def seen(page: Page, served: Served) -> tuple[int, set[str]]:
    """How many of the views something ran in, and all texts that stood on them."""
    ran, texts = 0, set[str]()
    keys = [video["key"] for video in page.request.get(f"{served.address}/api/videos").json()["videos"]]
    pages = [f"#/moments?offset={offset}" for offset in range(0, COUNT, 48)]
    spans = [f"#/like?video={key}&start=1&end=2&concept=%3Cimg%20src=x%20onerror=ran=1%3E" for key in keys[:2]]
    for route in (*pages, "#/videos", "#/review", "#/history", "#/learn", *spans, *(f"#/video/{key}" for key in keys)):
        page.goto("about:blank")  # So that each view is a document of its own.
        page.goto(f"{served.address}/{route}", wait_until="networkidle")
        page.wait_for_selector("main h1")
        for card in page.locator(".card-link").all()[:2]:
            card.hover(timeout=5_000)
        if route == pages[0]:
            page.locator(".card").first.get_by_role("button", name="Confirm").click()
            page.locator(".card.confirmed").wait_for()
        ran += bool(page.evaluate("() => window.ran !== undefined"))
        texts |= set(page.evaluate("() => [...document.querySelectorAll('bdi, option')].map((e) => e.textContent)"))
    return ran, texts


def run_as_markup(page: Page, names: list[str]) -> int:
    """How many of the names run on a page that takes them for markup: what the measurement can see."""
    ran = 0
    for name in names:
        page.goto("about:blank")
        page.set_content(f"<!doctype html><p>{name}", wait_until="load")
        page.wait_for_timeout(20)
        ran += bool(page.evaluate("() => window.ran !== undefined"))
    return ran


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    names, opened = hostile_names(), list[str]()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        served = Served(hostile_project(Path(place) / "project", names).folder)
        try:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.on("dialog", lambda dialog: (opened.append(dialog.message), dialog.dismiss()))
            page.on("popup", lambda other: opened.append(other.url))
            page.goto(served.address)
            page.wait_for_selector(".card")
            ran, texts = seen(page, served)
            count, other = len(opened), browser.new_page()
            markup, version = run_as_markup(other, names), browser.version
            browser.close()
        finally:
            served.close()
    shown = sum(name in texts for name in names)
    values = {"names": len(names), "shown": shown, "views_in_which_one_ran": ran, "dialogs_and_windows": count,
              "run_as_markup": markup,
              "chromium": version, "list": names}  # fmt: skip
    text = (
        "# Hostile names on the page\n\n"
        f"{len(names)} titles, tags, uploaders and concepts that try to run a script, in Chromium {version}, in every "
        "view and every video of a project. Made by `python benchmarks/page_names.py`.\n\n"
        "| names | shown as they are | views in which one ran | dialogs, windows | run as markup on a bare page |\n"
        "|---:|---:|---:|---:|---:|\n"
        f"| {len(names)} | {shown} | {ran} | {count} | {markup} |\n"
    )
    write_result(RESULTS, "page_names", values, text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
