"""Review by keyboard alone, decisions from cards, by example, undo from the history; all of it outlives a reload."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from serving import Served

Open = Callable[..., "Page"]
DECISIONS = "decision, video, concept, origin, undone_step IS NOT NULL"


def first_in_queue(page: "Page", served: "Served") -> tuple[str, str]:
    """What is to be decided first, once the page shows it."""
    moment = page.request.get(f"{served.address}/api/queue?limit=1").json()["moments"][0]
    page.locator(f".queue-now[data-moment='{moment['id']}']").wait_for()
    return moment["video_id"], moment["concept"]


def test_the_queue_is_worked_by_keyboard_alone_and_nothing_is_lost(decided_on: "Served", opened: Open) -> None:
    page = opened(decided_on)
    page.wait_for_selector(".card")
    page.keyboard.press("R")
    page.wait_for_selector(".queue-now")
    judged = [first_in_queue(page, decided_on)]
    page.keyboard.press("c")
    page.get_by_text("1 decision in this sitting").wait_for()
    judged.append(first_in_queue(page, decided_on))
    page.keyboard.press("x")
    page.get_by_text("2 decisions in this sitting").wait_for()
    expected = [("confirmed", *judged[0], "queue", 0), ("rejected", *judged[1], "queue", 0)]
    assert decided_on.stored(DECISIONS) == expected
    page.keyboard.press("u")
    page.get_by_text("1 decision in this sitting").wait_for()
    assert decided_on.stored(DECISIONS)[1][-1] == 1
    assert first_in_queue(page, decided_on) == judged[1]  # What was undone is a question again.
    page.reload()
    page.wait_for_selector(".queue-now")
    page.keyboard.press("H")
    page.wait_for_selector("tr[data-review]")
    told = [row.inner_text() for row in page.locator("tr[data-review]").all()]
    assert "undone" in told[0]
    assert judged[0][1] in told[1]


def test_skipping_puts_a_moment_off_and_decides_nothing(decided_on: "Served", opened: Open) -> None:
    page = opened(decided_on, "#/review")
    page.wait_for_selector(".queue-now")
    before = page.locator(".queue-now").inner_text()
    page.keyboard.press("n")
    page.wait_for_function("(before) => document.querySelector('.queue-now')?.innerText !== before", arg=before)
    assert decided_on.stored("id") == []


def test_a_queue_without_moments_says_why(looked_at: "Served", opened: Open) -> None:
    page = opened(looked_at)
    none = json.dumps({"moments": [], "left": 0, "concepts": []})
    page.route("**/api/queue*", lambda route: route.fulfill(content_type="application/json", body=none))
    page.goto(f"{looked_at.address}/#/review")
    page.get_by_text("All moments that were found are in held-out videos").wait_for()
    page.goto(f"{looked_at.address}/#/review?concept=nothing+of+it")
    page.get_by_text("Nothing is left to decide").wait_for()


def test_an_answer_that_breaks_off_is_told_and_breaks_nothing(looked_at: "Served", opened: Open) -> None:
    page = opened(looked_at)
    page.locator(".card").first.wait_for()
    page.route("**/api/moments*", lambda route: route.fulfill(content_type="application/json", body='{"moments": [{'))
    page.goto(f"{looked_at.address}/#/moments?text=a")
    page.locator(".remark", has_text="broke off").wait_for()


def test_changed_borders_are_confirmed_as_a_correction(decided_on: "Served", opened: Open) -> None:
    page = opened(decided_on, "#/review")
    page.wait_for_selector(".queue-now")
    end = page.locator("[aria-label='End of the moment']")
    end.fill("0:13.500")
    end.press("Tab")
    page.locator("[aria-label='Start of the moment']").fill("11.25")
    page.locator("[aria-label='Start of the moment']").press("Tab")
    page.get_by_role("button", name="Confirm as changed").click()
    page.get_by_text("1 decision in this sitting").wait_for()
    assert decided_on.stored("decision, start_seconds, end_seconds") == [("corrected", 11.25, 13.5)]


def test_cards_are_confirmed_and_rejected_and_history_undoes(decided_on: "Served", opened: Open) -> None:
    page = opened(decided_on)
    page.wait_for_selector(".card")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("c")
    page.locator(".card.confirmed").wait_for()
    page.locator(".card").first.get_by_role("button", name="Reject").click()
    page.locator(".card.rejected").wait_for()
    assert [row[0] for row in decided_on.stored(DECISIONS)] == ["confirmed", "rejected"]
    page.keyboard.press("H")
    page.locator(f"tr[data-review='{decided_on.before + 1}']").get_by_role("button", name="Undo").click()
    page.locator(".remark", has_text="Undone").wait_for()
    assert [row[-1] for row in decided_on.stored(DECISIONS)] == [1, 0]


def test_three_examples_in_two_videos_become_a_concept(decided_on: "Served", opened: Open) -> None:
    page = opened(decided_on)
    page.locator(".card").first.get_by_role("link", name="Find others like").click()
    page.locator(".card input[type=checkbox]").first.wait_for()
    page.get_by_label("Name of the new concept").fill("cannonball")
    save = page.get_by_role("button", name="Save")
    assert save.is_disabled()
    for box in page.locator(".card input[type=checkbox]").all()[:3]:
        box.check()
    assert save.is_enabled()
    save.click()
    page.locator(".remark", has_text="Saved cannonball").wait_for()
    rows = decided_on.stored("decision, concept, origin, video")
    assert {row[:3] for row in rows} == {("added", "cannonball", "example")}
    assert len(rows) == 4
    assert len({row[3] for row in rows}) >= 2


def test_learning_begins_shows_itself_and_can_be_stopped(decided_on: "Served", opened: Open) -> None:
    page = opened(decided_on, "#/learn")
    begin = page.get_by_role("button", name="Learn again")
    begin.wait_for()
    assert begin.is_disabled()  # Nothing was decided.
    page.goto(f"{decided_on.address}/#/review")
    page.wait_for_selector(".queue-now")
    page.keyboard.press("c")
    page.get_by_text("1 decision in this sitting").wait_for()
    page.keyboard.press("L")
    page.locator("button:enabled", has_text="Learn again").wait_for()
    page.keyboard.press("b")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("heading", name="Stopped").wait_for()


def test_a_worse_model_is_told_and_taken_only_when_asked_for(decided_on: "Served", opened: Open) -> None:
    page = opened(decided_on, "#/review")
    result = {
        "held_out": {"videos": 3, "measured_on": "truth", "before": {"map": 0.47}, "after": {"map": 0.41, "tiou": 0.5}},
        "rated_segments": 1, "worse": True, "kept": "earlier", "changed": [],
        "moments": {"before": 8, "after": 8, "kept": 8, "moved": 0, "new": 0, "gone": 0},
    }  # fmt: skip
    asked: list[Any] = []

    def answered(route: Any) -> None:
        if route.request.method == "POST":
            asked.append(route.request.post_data_json)
        job = {"state": "done", "step": "", "log": [], "error": "", "localizers": [], "result": result}
        route.fulfill(content_type="application/json", body=json.dumps(job))

    page.route("**/api/learn", answered)
    page.keyboard.press("L")
    page.get_by_role("heading", name="The new model is worse: the earlier one was kept").wait_for()
    assert "−6.0 points" in page.locator(".tile.bad").inner_text()
    page.get_by_role("button", name="Train once more, and take it even if worse").click()
    page.wait_for_load_state("networkidle")
    assert asked == [{"localizer": None, "even_if_worse": True}]


def test_a_key_pressed_twice_never_judges_one_moment_twice(decided_on: "Served", opened: Open) -> None:
    page = opened(decided_on, "#/review")
    first_in_queue(page, decided_on)
    for _ in range(3):
        page.keyboard.press("x")
    page.get_by_text("in this sitting").wait_for()
    page.wait_for_load_state("networkidle")
    first_in_queue(page, decided_on)
    judged = decided_on.stored("video, concept, found_start, found_end")
    assert 1 <= len(judged) == len(set(judged))


def test_what_another_has_decided_meanwhile_stands_and_is_told(decided_on: "Served", opened: Open) -> None:
    mine, theirs = opened(decided_on, refused=409), opened(decided_on)
    for page in (mine, theirs):
        page.wait_for_selector(".card")
        page.wait_for_load_state("networkidle")
    theirs.locator(".card").first.get_by_role("button", name="Reject").click()
    theirs.locator(".card.rejected").wait_for()
    with mine.expect_request("**/api/reviews") as sent:
        mine.locator(".card").first.get_by_role("button", name="Confirm").click()
    assert sent.value.post_data_json["seen"] is None  # This tab knew of no decision.
    mine.locator(".remark.bad", has_text="decided").wait_for()
    mine.locator(".card.rejected").wait_for()  # And now shows what stands.
    assert [row[0] for row in decided_on.stored(DECISIONS)] == ["rejected"]
    mine.locator(".card.rejected .card-link").click()
    mine.locator(".moment-row.chosen").wait_for()
    mine.keyboard.press("c")
    mine.locator(".remark", has_text="Confirmed").wait_for()  # Who has seen it may decide otherwise.
    assert [row[0] for row in decided_on.stored(DECISIONS)] == ["rejected", "confirmed"]
