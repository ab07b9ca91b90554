"""Titles, tags and concepts that try to be code are shown as the text that they are."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from planted import CONCEPTS, write_found
from serving import Served

from whenabouts.core.files import write_json
from whenabouts.core.moments import Moments
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Manifest, WeakLabel
from whenabouts.data.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
RUN = "window.ran=1"
HOSTILE = (
    f"<script>{RUN}</script>", f'"><img src=x onerror={RUN}>', f"' onmouseover='{RUN}", f"<svg onload={RUN}>",
    f"javascript:{RUN}", f"</title><script>{RUN}</script>", f"${{{RUN}}}",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
    "<iframe srcdoc='<script>parent.ran=1</script>'>", "\u202egnitpircs & co", f"<a href=javascript:{RUN}>press</a>",
    f"<!--><script>{RUN}</script>",
)  # fmt: skip
VIEWS = (
    "#/moments",
    "#/videos",
    "#/review",
    "#/history",
    "#/learn",
    "#/moments?text=%3Cscript%3E",
    "#/%3Cimg src=x%3E",
)


def hostile_project(planted: Path, folder: Path) -> Project:
    shutil.copytree(planted, folder, ignore=shutil.ignore_patterns("reviews.sqlite*"))
    home = Project.open(folder)
    words = Vocabulary(tuple(f"{text} {number}" for number, text in enumerate(HOSTILE[: len(CONCEPTS)])))
    entries = [replace(entry, title=HOSTILE[number], uploader=HOSTILE[-1 - number],
                       labels=tuple(WeakLabel(text) for text in HOSTILE))
               for number, entry in enumerate(home.manifest())]  # fmt: skip
    home.write_manifest(Manifest(tuple(entries)))
    home.write_vocabulary(words)
    spans = np.tile([[1.0, 4.0]], (len(entries), 1))
    write_json(home.localizer_folder / "vocabulary.json", words.to_json())
    write_found(
        home, Moments.build([entry.id for entry in entries], spans, np.arange(len(entries)) % len(words), words)
    )
    return home


def test_hostile_names_are_shown_and_never_run(opened: Open, planted: Path, tmp_path: Path) -> None:
    served = Served(hostile_project(planted, tmp_path / "project").folder)
    try:
        page = opened(served)
        page.on("dialog", lambda dialog: dialog.dismiss())
        page.wait_for_selector(".card")
        titles = page.locator(".card-title").all_inner_texts()
        assert {text.strip() for text in titles} == {text.strip() for text in HOSTILE}
        page.locator(".card").first.hover()
        page.locator(".card").first.get_by_role("button", name="Confirm").click()
        page.locator(".card.confirmed").wait_for()
        key = page.request.get(f"{served.address}/api/videos").json()["videos"][0]["key"]
        for view in (*VIEWS, f"#/video/{key}", f"#/like?video={key}&start=1&end=4&concept=%3Cimg src=x%3E"):
            page.goto(f"{served.address}/{view}")
            page.wait_for_selector("main h1")
            page.wait_for_load_state("networkidle")
            assert page.evaluate("() => window.ran === undefined"), view
            assert page.locator("main script, main iframe, main svg").count() == 0, view
        page.locator("h1").first.wait_for()
        stored = served.stored("concept")
        assert stored[0][0] in {f"{text} {number}" for number, text in enumerate(HOSTILE)}
        page.context.close()  # Before the server goes, which it still asks for pictures.
    finally:
        served.close()
