"""One video: seeking is exact to the frame, edges are dragged with a real mouse, keys reach everything."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from planted import RATE, SLOW_RATE
from reading import comes_to_show, duration, found_in, frame_shown, key_of, place

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from serving import Served

Open = Callable[..., "Page"]
FIRST = "video-0000"


def watched(opened: Open, served: "Served", video_id: str = FIRST, **looks: Any) -> "Page":
    page = opened(served, **looks)
    page.wait_for_selector(".card")
    page.goto(f"{served.address}/#/video/{key_of(page, served, video_id)}")
    page.wait_for_selector(".moment-row")
    return page


def test_a_click_on_the_timeline_shows_the_frame_of_that_time(looked_at: "Served", opened: Open) -> None:
    page = watched(opened, looked_at)
    for share in (0.1, 0.37, 0.6, 0.93):
        seconds = share * duration(page)
        page.mouse.click(*place(page, seconds, "scores"))
        frame = int(seconds * RATE)
        assert comes_to_show(page, frame - 1, frame, frame + 1)


def test_choosing_a_moment_shows_its_first_frame_and_keys_step_single_frames(looked_at: "Served", opened: Open) -> None:
    page = watched(opened, looked_at)
    moments = found_in(looked_at.folder, FIRST)
    page.locator(".moment-row", has_text=moments.vocabulary.names[int(moments.classes[1])]).first.wait_for()
    for _ in range(len(moments)):
        page.keyboard.press("ArrowDown")
        start = float(page.locator("[aria-label='Start of the moment']").input_value().split(":")[1])
        # A time a little before a frame's begin is shown by the frame before; times are stored to the hundredth.
        assert comes_to_show(page, int(start * RATE), int(start * RATE + 0.03))
    first = frame_shown(page)
    for key, step in ((".", 1), (".", 1), (",", -1), (",", -1), (",", -1)):
        page.keyboard.press(key)
        first += step
        assert comes_to_show(page, first)
    page.keyboard.press("ArrowRight")
    assert comes_to_show(page, first + RATE)


def test_a_dragged_edge_is_stored_and_stays_after_a_reload(decided_on: "Served", opened: Open) -> None:
    page = watched(opened, decided_on)
    first = next(iter(found_in(decided_on.folder, FIRST)))
    goal = first.end_seconds + 0.8
    page.mouse.move(*place(page, first.end_seconds, "found"))
    page.mouse.down()
    for at in (first.end_seconds + 0.3, goal - 0.2, goal):
        page.mouse.move(*place(page, at, "found"))
    assert decided_on.stored("id") == []
    page.mouse.up()
    page.locator(".remark", has_text="Corrected").wait_for()
    rows = decided_on.stored("decision, video, concept, start_seconds, end_seconds, found_start, found_end, origin")
    assert len(rows) == 1
    decision, video, concept, start, end, *found, origin = rows[0]
    assert (decision, video, concept, origin) == ("corrected", FIRST, first.concept, "video")
    assert (start, found) == (first.start_seconds, [first.start_seconds, first.end_seconds])
    assert end == pytest.approx(goal, abs=1.5 / RATE)
    assert end * RATE == pytest.approx(round(end * RATE))  # Borders lie on frames.
    page.reload()
    page.locator(".moment-row [title='corrected']").first.wait_for()
    assert page.locator(".moment-row").count() == len(found_in(decided_on.folder, FIRST)) + 1 + truths(page)


def truths(page: "Page") -> int:
    """Rows of truth and of imported segments, which the list holds too."""
    values = page.evaluate(
        "() => fetch('/api/videos/' + location.hash.split('/')[2].split('?')[0]).then((r) => r.json())"
    )
    return len(values["lanes"]["truth"]) + len(values["lanes"]["imported"])


def test_a_moment_is_marked_added_relabelled_and_undone_by_keyboard_alone(decided_on: "Served", opened: Open) -> None:
    page = watched(opened, decided_on)
    page.keyboard.press("ArrowRight")
    frame_shown(page)
    page.keyboard.press("[")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    frame_shown(page)
    page.keyboard.press("]")
    page.keyboard.press("2")
    concept = page.locator("[aria-label='Concept of the moment']").input_value()
    page.keyboard.press("a")
    page.locator(".remark", has_text="Added").wait_for()
    stored = decided_on.stored("decision, concept, start_seconds, end_seconds, undone_step")
    assert stored == [("added", concept, pytest.approx(1.0, abs=0.05), pytest.approx(4.0, abs=0.05), None)]
    page.keyboard.press("u")
    page.locator(".remark", has_text="Undone").wait_for()
    assert decided_on.stored("undone_step IS NOT NULL") == [(1,)]
    page.keyboard.press("U")
    page.locator(".remark", has_text="Done again").wait_for()
    assert decided_on.stored("undone_step") == [(None,)]


def test_a_file_that_browsers_do_not_play_gets_a_copy_with_the_same_times(decided_on: "Served", opened: Open) -> None:
    page = watched(opened, decided_on, "video-0003")
    page.get_by_role("button", name="Make a copy that plays").click()
    page.wait_for_function("() => document.querySelector('video').readyState >= 2")
    for seconds in (2.1, 6.5):
        page.mouse.click(*place(page, seconds, "scores"))
        page.wait_for_function("to => Math.abs(document.querySelector('video').currentTime - to) < 0.2", arg=seconds)
        frame = int(seconds * SLOW_RATE)
        assert comes_to_show(page, frame - 1, frame, frame + 1)


def test_zooming_brings_a_part_into_view_and_clicks_go_on_being_exact(looked_at: "Served", opened: Open) -> None:
    page = watched(opened, looked_at)
    page.mouse.click(*place(page, 5.0, "scores"))
    for _ in range(4):
        page.keyboard.press("+")
    strip = page.locator(".strip").bounding_box()
    assert strip is not None
    # Closer around the playhead, which stays where it was: a tenth of the width is now a seventh of what it was.
    page.mouse.click(strip["x"] + 5.0 / duration(page) * strip["width"] + 0.1 * strip["width"], strip["y"] + 60)
    later = 5.0 + 0.1 * duration(page) * 0.6**4
    frame = int(later * RATE)
    assert comes_to_show(page, frame - 1, frame, frame + 1)
    page.keyboard.press("0")
    page.mouse.click(*place(page, 9.0, "scores"))
    frame = 9 * RATE
    assert comes_to_show(page, frame - 1, frame, frame + 1)


def test_why_tells_of_scores_inside_and_around(looked_at: "Served", opened: Open) -> None:
    page = watched(opened, looked_at)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("w")
    page.locator(".why-body .pair").first.wait_for()
    told = page.locator(".why-body").inner_text()
    assert "inside" in told
    assert "around" in told
    assert "The model gives the whole video" in told


def test_the_list_of_keys_opens_and_closes(looked_at: "Served", opened: Open) -> None:
    page = watched(opened, looked_at)
    page.keyboard.press("?")
    dialog = page.locator("dialog.keys")
    assert dialog.is_visible()
    told = dialog.inner_text()
    assert all(words in told for words in ("Confirm, with changes", "One frame on", "Undo the last decision"))
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


@pytest.mark.parametrize("route", ["#/video/%", "#/video/%E0%A4", "#/video/nobody"])
def test_an_address_of_no_video_is_told_and_the_page_goes_on(looked_at: "Served", opened: Open, route: str) -> None:
    page = opened(looked_at, route, refused=404)
    page.get_by_role("heading", name="This can't be shown").wait_for()
    page.get_by_role("link", name="To the moments").click()
    page.locator(".card").first.wait_for()
