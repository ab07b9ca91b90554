"""Decisions over HTTP: stored, replaced, undone, and what is asked next."""

import json
import sqlite3
from pathlib import Path
from typing import Any, ClassVar

import pytest

from whenabouts.commands.export import export
from whenabouts.core.errors import ProjectError
from whenabouts.core.progress import Silent
from whenabouts.data.project import Project
from whenabouts.localizers.reviewing.lessons import ReviewedLessons
from whenabouts.page.server import looking
from whenabouts.page.server.rooms import Rooms


def some_moment(client: Any, **query: Any) -> dict[str, Any]:
    moment: dict[str, Any] = client.get("/api/moments", limit=1, **query).json["moments"][0]
    return moment


def decision(moment: dict[str, Any], verb: str = "confirm", **more: Any) -> dict[str, Any]:
    found = {name: moment[name] for name in ("start", "end", "score")}
    return {"decision": verb, "video": moment["video"], "concept": moment["concept"], "start": moment["start"],
            "end": moment["end"], "found": found, **more}  # fmt: skip


def test_a_decision_is_in_the_database_when_it_is_acknowledged(client: Any, project: Project) -> None:
    moment = some_moment(client)
    told = client.post("/api/reviews", decision(moment, origin="queue"))
    assert told.status == 201
    base = sqlite3.connect(project.reviews_path)
    columns = "decision, video, concept, start_seconds, end_seconds, found_start, found_end, found_score, origin"
    rows = base.execute(f"SELECT {columns} FROM reviews").fetchall()
    base.close()
    span = (moment["start"], moment["end"])
    assert rows == [("confirmed", moment["video_id"], moment["concept"], *span, *span, moment["score"], "queue")]
    again = some_moment(client)
    assert again["review"]["decision"] == "confirmed"
    assert again["usefulness"] == 0
    assert client.get("/api/project").json["reviews"]["confirmed"] == 1


def test_confirm_then_correct_then_undo_twice(client: Any) -> None:
    moment = some_moment(client)
    client.post("/api/reviews", decision(moment))
    moved = decision(moment, "correct", start=moment["start"] + 0.125, end=moment["end"] + 0.25)
    corrected = client.post("/api/reviews", moved).json["reviews"][0]
    lanes = client.get(f"/api/videos/{moment['video']}").json["lanes"]
    assert [(each["start"], each["end"]) for each in lanes["confirmed"]] == [(moved["start"], moved["end"])]
    assert lanes["confirmed"][0]["review"]["found"] == {
        "start": moment["start"],
        "end": moment["end"],
        "score": moment["score"],
    }
    assert client.post("/api/reviews/undo", {}).json["review"]["id"] == corrected["id"]
    lanes = client.get(f"/api/videos/{moment['video']}").json["lanes"]
    assert [(each["start"], each["end"]) for each in lanes["confirmed"]] == [(moment["start"], moment["end"])]
    client.post("/api/reviews/undo", {})
    assert client.get(f"/api/videos/{moment['video']}").json["lanes"]["confirmed"] == []
    assert some_moment(client)["review"] is None
    assert client.post("/api/reviews/undo", {}).status == 404
    assert client.post("/api/reviews/redo", {}).status == 200
    assert some_moment(client)["review"]["decision"] == "confirmed"


def test_a_rejected_moment_is_listed_and_can_be_filtered(client: Any) -> None:
    moment = some_moment(client)
    client.post("/api/reviews", decision(moment, "reject"))
    assert client.get("/api/moments", kind="rejected").json["moments"][0]["start"] == moment["start"]
    left = client.get("/api/moments", reviewed="no", limit=500).json
    done = client.get("/api/moments", reviewed="yes", limit=500).json
    whole = client.get("/api/moments", limit=500).json
    assert moment["id"] not in {each["id"] for each in left["moments"]}
    assert moment["id"] in {each["id"] for each in done["moments"]}
    assert left["total"] + done["total"] == whole["total"]
    both = client.get("/api/moments", kind=["found", "rejected"], limit=500).json
    assert both["total"] == whole["total"] + 1
    scores = [each["score"] for each in both["moments"]]
    assert scores == sorted(scores, reverse=True)


def test_many_decisions_are_stored_together_or_not_at_all(client: Any) -> None:
    moments = client.get("/api/moments", limit=5).json["moments"]
    wrong = [decision(each) for each in moments] + [decision(moments[0], concept="")]
    assert client.post("/api/reviews", {"reviews": wrong}).status == 400
    assert client.get("/api/reviews").json["total"] == 0
    told = client.post("/api/reviews", {"reviews": wrong[:-1]})
    assert (told.status, len(told.json["reviews"])) == (201, 5)


def test_history_tells_all_and_who_stands(client: Any) -> None:
    first, second = client.get("/api/moments", limit=2, sort="date").json["moments"]
    client.post("/api/reviews", decision(first))
    client.post("/api/reviews", decision(first, "reject"))
    client.post("/api/reviews", decision(second))
    client.post("/api/reviews/undo", {})
    told = client.get("/api/reviews").json
    assert [(each["decision"], each["standing"], each["undone"]) for each in told["reviews"]] == [
        ("confirmed", False, True), ("rejected", True, False), ("confirmed", False, False),
    ]  # fmt: skip
    assert client.get("/api/reviews", standing="yes").json["total"] == 1
    assert client.get("/api/reviews", video=first["video"]).json["total"] == (
        3 if first["video"] == second["video"] else 2
    )
    assert client.get("/api/reviews", offset=1, limit=1).json["reviews"] == told["reviews"][1:2]


def test_what_another_process_decided_is_seen(client: Any, project: Project) -> None:
    from whenabouts.data.decisions import Decided
    from whenabouts.data.reviews import ReviewStore

    moment = some_moment(client)
    other = ReviewStore(project.reviews_path)
    span = (moment["start"], moment["end"])
    other.add([Decided("rejected", moment["video_id"], moment["concept"], *span, span, moment["score"])])
    assert some_moment(client)["review"]["decision"] == "rejected"
    other.undo()
    assert some_moment(client)["review"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"decision": "perhaps"}, {"video": "0" * 16}, {"video": None}, {"start": "1"}, {"start": -1.0}, {"end": 0.0},
        {"start": float("1e308"), "end": float("1.5e308")}, {"concept": " "}, {"concept": 7}, {"origin": "moon"},
        {"found": [1, 2]}, {"found": {"start": 2.0, "end": 1.0}}, {"found": {"begin": 2.0}}, {"more": 1},
        {"start": True}, {"concept": "x" * 1001},
    ],
)  # fmt: skip
def test_nonsense_is_refused_and_nothing_is_stored(client: Any, wrong: dict[str, Any]) -> None:
    told = client.post("/api/reviews", decision(some_moment(client)) | wrong)
    assert told.status in (400, 404)
    assert told.json["error"]
    assert client.get("/api/reviews").json["total"] == 0


def test_bodies_that_are_no_json_objects_are_refused(client: Any) -> None:
    for body, status in ((b"", 400), (b"[1]", 400), (b"{", 400), (b"\xff", 400), (b'{"a":' + b"[" * 100_000, 400),
                         (b'{"reviews": "' + b"x" * 2_000_000 + b'"}', 413)):  # fmt: skip
        told = client.ask("POST", "/api/reviews", "", {"content-type": "application/json"}, body)
        assert told.status == status, body[:20]
    assert client.ask("POST", "/api/reviews", "", {"content-type": "text/plain"}, b"{}").status == 415
    assert client.ask("PUT", "/api/reviews", "", {"content-type": "application/json"}, b"{}").status == 405
    for body in ({"id": True}, {"id": "1"}, {"id": -1}, {"id": 10**30}, {"other": 1}):
        assert client.post("/api/reviews/undo", body).status == 400


def test_the_queue_asks_about_training_videos_that_are_not_held_out(client: Any, rooms: Rooms) -> None:
    held = set(rooms.desk.reviews.held_out())
    told = client.get("/api/queue", limit=200).json
    assert len(held) == 5
    assert not {each["video_id"] for each in told["moments"]} & held
    assert len({each["id"] for each in told["moments"]}) == len(told["moments"])
    first = client.get("/api/queue", limit=8).json["moments"]
    assert len({each["video"] for each in first}) >= 6
    client.post("/api/reviews", decision(first[0], origin="queue"))
    later = client.get("/api/queue", limit=200).json
    assert first[0]["id"] not in {each["id"] for each in later["moments"]}
    assert later["left"] < told["left"]
    only = client.get("/api/queue", concept="concept 2").json["moments"]
    assert {each["concept"] for each in only} == {"concept 2"}


def test_the_videos_held_out_are_of_a_split_that_no_training_sees_if_there_is_one(
    project_maker: Any, tmp_path: Any
) -> None:
    home = project_maker(tmp_path / "split", test_videos=6)
    rooms = Rooms(home)
    assert set(rooms.desk.reviews.held_out()) == {entry.id for entry in home.manifest().of_split("test")}
    rooms.close()


def test_a_concept_is_saved_after_three_examples_in_two_videos(client: Any) -> None:
    moments = client.get("/api/moments", sort="date", limit=500).json["moments"]
    videos = list(dict.fromkeys(each["video"] for each in moments))
    examples = [{"video": videos[0], "start": 1.0, "end": 2.0}, {"video": videos[0], "start": 3.0, "end": 4.0}]
    assert client.post("/api/concepts", {"name": "cannonball", "examples": examples}).status == 409
    one_video = [*examples, {"video": videos[0], "start": 5.0, "end": 6.0}]
    assert client.post("/api/concepts", {"name": "cannonball", "examples": one_video}).status == 409
    enough = [*examples, {"video": videos[1], "start": 5.0, "end": 6.0}]
    told = client.post("/api/concepts", {"name": " cannonball ", "examples": enough})
    assert told.status == 201
    assert {each["origin"] for each in told.json["reviews"]} == {"example"}
    concept = next(each for each in client.get("/api/project").json["concepts"] if each["name"] == "cannonball")
    assert (concept["example"], concept["learned"], concept["confirmed"]) == (True, False, 3)
    assert client.post("/api/concepts", {"name": "x", "examples": [{"video": videos[0]}]}).status == 400
    assert client.post("/api/concepts", {"name": "x", "examples": "all"}).status == 400


def test_learning_needs_decisions_and_a_localizer_that_exists(client: Any) -> None:
    assert client.post("/api/learn", {}).status == 409
    assert client.post("/api/learn", {"localizer": "magic"}).status == 400
    assert client.post("/api/learn/stop", {}).status == 409
    assert client.get("/api/learn").json["state"] == "idle"


@pytest.mark.parametrize("end", [10**400, -(10**400)])
def test_whole_numbers_too_long_for_seconds_are_refused(client: Any, end: int) -> None:
    wrong = {"decision": "add", "video": some_moment(client)["video"], "concept": "a", "start": 0, "end": end}
    assert client.post("/api/reviews", wrong).status == 400


@pytest.mark.parametrize("other", [[], {}, ["confirm"]])
def test_lists_and_objects_where_a_word_is_asked_are_refused(client: Any, other: Any) -> None:
    assert client.post("/api/reviews", decision(some_moment(client), other)).status == 400
    assert client.post("/api/learn", {"localizer": other}).status == 400


def test_nothing_that_people_mark_lies_behind_the_end_of_its_video(client: Any) -> None:
    moment = some_moment(client)
    for verb in ("add", "correct"):
        wanted = decision(moment, verb, end=1e308) | ({"found": None} if verb == "add" else {})
        assert client.post("/api/reviews", wanted).json["reviews"][0]["end"] == moment["duration"]
    told = client.post("/api/reviews", decision(moment, found=None, end=1e308)).json["reviews"][0]
    assert (told["end"], told["found"]["end"]) == (moment["duration"], 1e308)


def test_another_spelling_of_a_concept_means_that_concept(client: Any) -> None:
    """As in training, where it would teach that concept: told as a new one it would be one that never comes."""
    moment = some_moment(client, concept="concept 1")
    before = [each["name"] for each in client.get("/api/project").json["concepts"]]
    for name in ("CONCEPT_1", " concept 1 "):
        added = {"decision": "add", "video": moment["video"], "concept": name, "start": 1.0, "end": 2.0}
        assert client.post("/api/reviews", added).json["reviews"][0]["concept"] == "concept 1"
    others = [
        each for each in client.get("/api/moments", limit=500).json["moments"] if each["video"] != moment["video"]
    ]
    examples = [{key: each[key] for key in ("video", "start", "end")} for each in (moment, *others[:3])]
    saved = client.post("/api/concepts", {"name": "Concept-1", "examples": examples})
    assert (saved.status, saved.json["concept"]) == (201, "concept 1")
    assert [each["name"] for each in client.get("/api/project").json["concepts"]] == before


def test_another_concept_for_a_moment_is_undone_whole_by_its_id_and_one_of_them_alone(client: Any) -> None:
    moment = some_moment(client)
    other = {name: value for name, value in decision(moment, "add", concept="other").items() if name != "found"}
    first, second = client.post("/api/reviews", {"reviews": [decision(moment, "reject"), other]}).json["reviews"]
    assert client.post("/api/reviews/undo", {"id": second["id"]}).status == 200
    assert client.get("/api/reviews", standing="yes").json["total"] == 0
    assert client.post("/api/reviews/redo", {}).status == 200
    assert client.post("/api/reviews/undo", {"id": second["id"], "alone": True}).status == 200
    assert [each["id"] for each in client.get("/api/reviews", standing="yes").json["reviews"]] == [first["id"]]
    assert client.post("/api/reviews/undo", {"alone": True}).status == 400


def test_a_file_of_reviews_that_was_moved_away_is_told(client: Any, project: Project) -> None:
    moment = some_moment(client)
    project.reviews_path.rename(project.folder / "elsewhere.sqlite")
    for path, body in (("/api/reviews", decision(moment)), ("/api/reviews/undo", {}), ("/api/reviews/redo", {})):
        told = client.post(path, body)
        assert told.status in (409, 503)  # By whether something had to be read before.
        assert "moved away or replaced" in told.json["error"]
    assert not project.reviews_path.exists()


def test_usefulness_is_of_what_was_decided_and_is_kept_until_more_is(rooms: Rooms, client: Any) -> None:
    snapshot = rooms.desk.current()
    before = snapshot.useful()
    assert snapshot.useful() is before
    moment = some_moment(client)
    client.post("/api/reviews", decision(moment))
    assert rooms.desk.current().useful() is not before
    assert moment["id"] not in [each["id"] for each in client.get("/api/queue", limit=500).json["moments"]]


def test_the_second_of_two_people_is_told_and_replaces_nothing(client: Any) -> None:
    moment = some_moment(client)
    first = client.post("/api/reviews", decision(moment, seen=None)).json["reviews"][0]
    late = client.post("/api/reviews", decision(moment, "reject", seen=None))
    assert (late.status, late.json["review"]["id"]) == (409, first["id"])
    assert "confirmed" in late.json["error"]
    assert client.get("/api/reviews").json["total"] == 1
    assert client.post("/api/reviews", decision(moment, "reject", seen=first["id"])).status == 201
    told = client.get("/api/reviews").json["reviews"]
    assert [(each["decision"], each["standing"]) for each in told] == [("rejected", True), ("confirmed", False)]
    both = [decision(client.get("/api/moments", limit=2).json["moments"][1]), decision(moment, seen=first["id"])]
    assert client.post("/api/reviews", {"reviews": both}).status == 409
    assert client.get("/api/reviews").json["total"] == 2  # All or none.
    for wrong in ("1", -1, True, 1.5):
        assert client.post("/api/reviews", decision(moment, seen=wrong)).status == 400


def test_an_undone_decision_stands_in_nobodys_way(client: Any) -> None:
    moment = some_moment(client)
    client.post("/api/reviews", decision(moment, seen=None))
    client.post("/api/reviews/undo", {})
    assert client.post("/api/reviews", decision(moment, "reject", seen=None)).status == 201


@pytest.mark.parametrize("name", ["a\0b", "tab\t", "half\udc80", "bell\x07", "\u200b\u202e", "\u00ad \u2003"])
def test_new_concepts_are_plain_text(client: Any, name: str) -> None:
    moment = some_moment(client)
    added = {name: moment[name] for name in ("video", "start", "end")} | {"decision": "add", "concept": name}
    assert client.post("/api/reviews", added).status == 400
    assert client.get("/api/reviews").json["total"] == 0


def test_where_nothing_can_be_written_the_page_still_shows_the_project(
    project: Project, client_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that is mounted for reading: root, who runs these tests, may write whatever the mode of a file."""
    from whenabouts.data.decisions import Decided
    from whenabouts.data.reviews import ReviewStore
    from whenabouts.page.server.safety import Access

    first = Rooms(project, device="cpu")
    span = (0.5, 1.5)
    first.desk.decide([Decided("confirmed", first.desk.current().library.entries[9].id, "dive", *span, span)])
    first.close()

    def refuse(store: ReviewStore) -> None:
        raise ProjectError(f"{store.path} can't be opened for writing.")

    monkeypatch.setattr(ReviewStore, "_begin", refuse)
    rooms = Rooms(project, device="cpu")
    try:
        client = client_of(rooms, Access.of("127.0.0.1"))
        told = client.get("/api/project").json
        assert (told["writable"], told["reviews"]["confirmed"]) == (False, 1)
        assert "only looked at" in told["notes"][0]
        assert client.get("/api/moments").json["total"] > 0
        refused = client.post("/api/reviews", decision(some_moment(client)))
        assert refused.status == 503
        assert "nothing can be decided" in refused.json["error"]
        assert client.post("/api/reviews/undo", {}).status == 503
    finally:
        rooms.close()


def test_decisions_on_moments_that_are_found_no_more_stay_in_sight(client: Any, project: Project) -> None:
    from whenabouts.core.files import read_json, write_json
    from whenabouts.core.moments import Moments

    moment = some_moment(client)
    client.post("/api/reviews", decision(moment))
    path = project.moments_folder / "moments.json"
    found = Moments.from_json(read_json(path))
    write_json(path, found[found.video_ids != moment["video_id"]].to_json())
    lanes = client.get(f"/api/videos/{moment['video']}").json["lanes"]
    assert lanes["found"] == []
    assert [each["start"] for each in lanes["confirmed"]] == [moment["start"]]
    assert client.get("/api/moments", kind="confirmed").json["total"] == 1


def test_a_new_name_is_listed_while_something_decided_speaks_of_it(
    client: Any, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names join the list when decisions come; one that joins while the list is told is told the next time."""
    moment = some_moment(client)
    told = {"decision": "add", "video": moment["video"], "concept": "mistyped", "start": 1.0, "end": 2.0}
    assert client.post("/api/reviews", told).status == 201

    def named() -> list[str]:
        return [each["name"] for each in client.get("/api/project").json["concepts"]]

    assert "mistyped" in named()
    client.post("/api/reviews/undo", {})
    assert "mistyped" not in named()
    assert "mistyped" not in [each["name"] for each in client.get("/api/queue").json["concepts"]]

    def meanwhile(library: Any, *rest: Any) -> Any:
        counts = real(library, *rest)
        library.names.number("another's")
        return counts

    real = looking._found
    monkeypatch.setattr(looking, "_found", meanwhile)
    assert "another's" not in named()


def test_rows_that_are_no_decisions_stop_nothing_and_are_told(
    client: Any, project: Project, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """By the page, which goes on, by learning, and by exports."""
    moments = client.get("/api/moments", limit=3).json["moments"]
    for moment in moments:
        assert client.post("/api/reviews", decision(moment)).status == 201
    base = sqlite3.connect(project.reviews_path)
    base.execute("UPDATE reviews SET end_seconds = start_seconds - 1, touched = touched + 9 WHERE id = 1")
    base.execute("UPDATE reviews SET decision = 'liked', touched = touched + 9 WHERE id = 2")
    base.commit()
    base.close()
    told = "Rows of reviews.sqlite that are no decisions of this program are passed over (2): row 1, and 1 more."
    for route in ("/api/project", "/api/moments", "/api/reviews", "/api/queue", "/api/videos"):
        assert client.get(route).status == 200, route
    assert [note for note in client.get("/api/project").json["notes"] if note.startswith(told)]
    assert client.get("/api/reviews").json["total"] == 1
    assert client.post("/api/reviews", decision(moments[0])).status == 201
    assert client.post("/api/reviews/undo", {}).status == 200

    class Heard(Silent):
        lines: ClassVar[list[str]] = []

        def say(self, text: str) -> None:
            self.lines.append(text)

    lessons = ReviewedLessons.of(project, Heard())
    assert [line for line in Heard.lines if line.startswith(told)]
    assert (len(lessons.reviews), list(lessons.passed_over)) == (1, [1, 2])
    export(tmp_path / "out.csv", project=project.folder, as_json=True)
    said = capsys.readouterr()
    assert told in said.err
    assert list(json.loads(said.out)["rows_passed_over"]) == ["1", "2"]
