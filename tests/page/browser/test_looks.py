"""Pictures of every view, wide and narrow, light and dark, for eyes; and what can be said of looks without eyes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from reading import found_in, key_of

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from serving import Served

Open = Callable[..., "Page"]
SIZES = {"wide": {"width": 1280, "height": 900}, "narrow": {"width": 390, "height": 844}}


def learned(page: "Page", served: "Served") -> dict[str, Any]:
    """What the server says once a training is done; a real one takes minutes."""
    moment = page.request.get(f"{served.address}/api/moments?limit=1").json()["moments"][0]
    return {
        "state": "done", "step": "", "localizers": ["winners-out", "two-stage"], 
        "begun": 1764090000.0, "ended": 1764090041.0,
        "log": ["Training (30 epochs)", "Finding moments"], "error": "",
        "result": {
            "held_out": {"videos": 3, "measured_on": "truth", "before": {"map": 0.41, "concepts": 4},
                         "after": {"map": 0.47, "concepts": 4}},
            "rated_segments": 12, "moments": {"before": 88, "after": 80, "kept": 70, "moved": 6, "new": 4, "gone": 12},
            "changed": [{"change": "new", "moment": moment, "was": None},
                        {"change": "moved", "moment": moment, "was": {"start": 1.0, "end": 2.0}}],
        },
    }  # fmt: skip


def views(page: "Page", served: "Served") -> dict[str, tuple[str, str]]:
    """Each view's address, and what is there when it is ready."""
    key, moment = key_of(page, served, "video-0000"), next(iter(found_in(served.folder, "video-0000")))
    span = f"start={moment.start_seconds}&end={moment.end_seconds}"
    return {
        "moments": ("#/moments", ".card img"), "videos": ("#/videos", ".card img"),
        "video": (f"#/video/{key}?concept={moment.concept}&{span}", ".moment-row.chosen"),
        "review": ("#/review", ".queue-now"),
        "like": (f"#/like?video={key}&{span}&concept={moment.concept}", ".card img"),
        "learn": ("#/learn", ".tile"), "history": ("#/history", "tr[data-review]"),
        "no-example": ("#/like", ".nothing"), "nothing": ("#/moments?text=zebra", ".nothing"),
    }  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_view_fits_its_window(decided_on: "Served", opened: Open, tmp_path: Path, size: str, scheme: str) -> None:
    page = opened(decided_on, viewport=SIZES[size], color_scheme=scheme)
    page.wait_for_selector(".card")
    for decision, state in (("Confirm", "confirmed"), ("Reject", "rejected")):
        page.locator(".card:not(.confirmed)").first.get_by_role("button", name=decision).click()
        page.locator(f".card.{state}").wait_for()
    told = learned(page, decided_on)
    page.route("**/api/learn", lambda route: route.fulfill(content_type="application/json", body=json.dumps(told)))
    for name, (route, ready) in views(page, decided_on).items():
        page.goto(f"{decided_on.address}/{route}")
        page.locator(ready).first.wait_for()
        page.wait_for_load_state("networkidle")
        page.wait_for_function(_PICTURES)
        if name in ("video", "review"):
            page.locator(".band-names span", has_text="scores").wait_for()  # Curves come last.
        page.mouse.move(0, 0)
        page.screenshot(path=tmp_path / f"{name}-{size}-{scheme}.png", full_page=name in ("video", "review"))
        assert page.evaluate(_TOO_WIDE) == [], f"{name} is too wide"
        assert nameless(page) == [], f"{name}: without a name for screen readers"
    page.keyboard.press("?")
    page.screenshot(path=tmp_path / f"keys-{size}-{scheme}.png")


_TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll('body *')]
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => `${e.tagName} ${e.className}`)"""
_PICTURES = """() => [...document.images].every((image) => image.complete
  || image.offsetParent === null || image.getBoundingClientRect().top > innerHeight)"""


def nameless(page: "Page") -> list[str]:
    """Controls that a screen reader could not name, and pictures without even an empty text."""
    found: list[str] = page.evaluate(_NAMELESS)
    return found


_NAMELESS = """() => {
  const text = (e) => (e?.textContent ?? '').trim();
  const named = (e) => (e.tagName === 'IMG' ? e.hasAttribute('alt')
    : text(e) || e.getAttribute('aria-label') || text(e.closest('label')) || e.querySelector('img[alt]:not([alt=""])'));
  return [...document.querySelectorAll('a, button, input, select, video, img, [role=slider], [role=listbox]')]
    .filter((e) => e.offsetParent !== null && !named(e)).map((e) => e.outerHTML.slice(0, 120));
}"""


@pytest.mark.parametrize("route", ["#/moments", "#/review"])
def test_on_a_phone_a_remark_covers_nothing_that_can_be_pressed(decided_on: "Served", opened: Open, route: str) -> None:
    page = opened(decided_on, route, viewport=SIZES["narrow"])
    page.get_by_role("button", name="Confirm").first.click()
    page.locator(".remark", has_text="Confirmed").wait_for()
    if route == "#/review":
        page.locator(".queue-now").wait_for()
    assert page.evaluate(_COVERED) == []
    page.locator("#tools").get_by_role("button", name="Undo").click()
    page.locator(".remark", has_text="Undone").wait_for()
    assert decided_on.stored("undone_step IS NULL") == [(0,)]


# The name of the page may be covered for a while: it does what "Moments" below it does.
_COVERED = """() => {
  const of = (e) => e.getBoundingClientRect();
  const remark = of(document.querySelector('.remark'));
  if (remark.width < 100 || remark.left < 0 || remark.right > innerWidth || remark.top < 0) return ['itself'];
  return [...document.querySelectorAll('button, a, input, select, summary, [role=slider]')]
    .filter((e) => e.offsetParent !== null && !e.closest('#said, .brand') && of(e).top < remark.bottom
      && of(e).bottom > remark.top && of(e).left < remark.right && of(e).right > remark.left)
    .map((e) => e.outerHTML.slice(0, 120));
}"""


def test_focus_is_seen_on_everything_that_takes_it(decided_on: "Served", opened: Open) -> None:
    page = opened(decided_on)
    page.wait_for_selector(".card")
    for _ in range(12):
        page.keyboard.press("Tab")
        marked = page.evaluate("""() => { const e = document.activeElement; const box = e.closest('.card') ?? e;
          return e === document.body || [e, box].some((each) => getComputedStyle(each).outlineStyle !== 'none'); }""")
        assert marked, page.evaluate("() => document.activeElement.outerHTML.slice(0, 200)")
