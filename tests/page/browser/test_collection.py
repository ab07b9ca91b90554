"""The collection: searching, cutting off, ordering, paging, and very many moments."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from planted import CONCEPTS, write_found
from reading import found_in, key_of
from serving import Served

from whenabouts.core.moments import Moments
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
MANY = 10_000


def asked(page: "Page", served: Served, parameters: str) -> Any:
    return page.request.get(f"{served.address}/api/moments?{parameters}").json()


def shown(page: "Page", total: int) -> list[str]:
    """The cards' names, once the page has said how many moments there are."""
    page.locator(".total", has_text=f"{total:,} moment").wait_for()
    return [str(card.get_attribute("aria-label")) for card in page.locator(".card").all()]


def test_search_cut_off_and_order_ask_the_server_and_stay_in_the_address(looked_at: Served, opened: Open) -> None:
    page = opened(looked_at)
    everything = asked(page, looked_at, "limit=500")
    assert len(shown(page, everything["total"])) == min(48, everything["total"])
    page.keyboard.press("/")
    page.keyboard.type("kitchen")
    some = asked(page, looked_at, "limit=500&text=kitchen")
    assert 0 < some["total"] < everything["total"]
    assert all("Kitchen" in name for name in shown(page, some["total"]))
    cut = page.get_by_label("Least score")
    cut.focus()
    for _ in range(60):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("() => location.hash.includes('min_score=')")
    least = float(page.evaluate("() => new URLSearchParams(location.hash.split('?')[1]).get('min_score')"))
    kept = asked(page, looked_at, f"limit=500&text=kitchen&min_score={least}")
    assert 0 < kept["total"] < some["total"]
    shown(page, kept["total"])
    page.reload()
    assert len(shown(page, kept["total"])) == kept["total"]
    page.get_by_label("Order").select_option("usefulness")
    page.wait_for_function("() => location.hash.includes('sort=usefulness')")
    best = asked(page, looked_at, f"text=kitchen&min_score={least}&sort=usefulness")["moments"][0]
    page.wait_for_function("(title) => document.querySelector('.card').ariaLabel.includes(title)", arg=best["title"])


def test_chips_choose_concepts_and_tags(looked_at: Served, opened: Open) -> None:
    page = opened(looked_at)
    page.locator(".suggestions .chip", has_text=CONCEPTS[1]).click()
    some = asked(page, looked_at, f"concept={CONCEPTS[1]}&limit=500")
    assert all(name.startswith(CONCEPTS[1]) for name in shown(page, some["total"]))
    page.locator(".suggestions .chip", has_text=CONCEPTS[1]).click()
    page.locator(".suggestions .chip.tag", has_text="holiday").click()
    shown(page, asked(page, looked_at, "text=holiday&limit=500")["total"])


def test_nothing_found_says_what_to_do(looked_at: Served, opened: Open) -> None:
    page = opened(looked_at, "#/moments?text=zebra")
    page.get_by_text("Lower the cut-off, or take a filter away.").wait_for()


def test_videos_are_listed_and_opened_by_keyboard(looked_at: Served, opened: Open) -> None:
    page = opened(looked_at, "#/videos")
    page.locator(".total", has_text="12 videos").wait_for()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector(".stage")
    assert page.evaluate("() => location.hash").startswith("#/video/")


@pytest.fixture(scope="module")
def crowded(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The planted project with 10,000 moments in its first video."""
    folder = tmp_path_factory.mktemp("crowded") / "project"
    shutil.copytree(planted, folder, ignore=shutil.ignore_patterns("reviews.sqlite*"))
    rng = np.random.default_rng(4)
    starts = np.round(rng.uniform(0, 13, MANY), 3)
    spans = np.stack([starts, starts + np.round(rng.uniform(0.1, 0.6, MANY), 3)], axis=1)
    scores = np.round(rng.uniform(0, 9, MANY), 6)
    write_found(Project.open(folder), Moments.build(["video-0000"] * MANY, spans, rng.integers(0, len(CONCEPTS), MANY),
                                                    Vocabulary(CONCEPTS), scores=scores))  # fmt: skip
    served = Served(folder)
    yield served
    served.close()


def test_ten_thousand_moments_are_paged(crowded: Served, opened: Open) -> None:
    page = opened(crowded)
    assert len(shown(page, MANY)) == 48
    page.keyboard.press("Shift+ArrowRight")
    page.locator(".total", has_text="49 to 96 shown").wait_for()
    page.goto(f"{crowded.address}/#/moments?offset={MANY - 16}")
    page.locator(".total", has_text="9,985 to 10,000 shown").wait_for()
    assert page.locator(".card").count() == 16


def test_ten_thousand_moments_of_one_video_are_drawn_and_listed(crowded: Served, opened: Open) -> None:
    page = opened(crowded, "#/videos")
    page.wait_for_selector(".card")
    page.goto(f"{crowded.address}/#/video/{key_of(page, crowded, 'video-0000')}")
    page.wait_for_selector(".moment-row")
    assert page.locator(".moment-row").count() < 60  # Only rows in sight exist.
    last = found_in(crowded.folder, "video-0000")[-1:]
    page.locator(".moment-list").evaluate("e => { e.scrollTop = e.scrollHeight; }")
    page.locator(
        f".moment-row[aria-posinset='{page.locator('.moment-row').first.get_attribute('aria-setsize')}']"
    ).wait_for()
    assert (
        json.dumps(last.vocabulary.names[int(last.classes[0])]).strip('"')
        in page.locator(".moment-row").last.inner_text()
    )
    page.locator(".moment-row").last.click()
    assert page.locator(".moment-row.chosen").count() == 1
    # Colours of bars are on the canvas: the lane is no empty strip.
    colours = page.evaluate("""() => {
      const canvas = document.querySelector('.strip .base');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const colour = (at) => data[at] << 16 | data[at + 1] << 8 | data[at + 2];
      return new Set(Array.from({ length: data.length / 4 }, (_, at) => colour(4 * at))).size;
    }""")
    assert colours > 8
