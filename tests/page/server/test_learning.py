"""Learning again: from decisions to rated segments, measured on what was held out, and the job behind the button."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from whenabouts.commands.train import train
from whenabouts.core.errors import ProjectError, SettingsError
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Silent
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.decisions import Decided, Review
from whenabouts.data.project import Project
from whenabouts.data.reviews import ReviewStore
from whenabouts.evaluation.changes import changes_between
from whenabouts.evaluation.every_subset import true_rows
from whenabouts.evaluation.tables import Truth
from whenabouts.localizers import load_localizer
from whenabouts.localizers.concepts.two_stage import TwoStage
from whenabouts.localizers.reviewing import lessons
from whenabouts.localizers.reviewing.held_out import Yardstick
from whenabouts.localizers.reviewing.lessons import (
    HALFWAY,
    ReviewedLessons,
    fell,
    rivals_for_reviews,
    told_change,
)
from whenabouts.page.server.rooms import Rooms

QUICK = [
    "train.video.fit.epochs=2", "train.video.fit.least_steps=20", "train.segment.fit.epochs=2",
    "train.segment.fit.least_steps=10",
]  # fmt: skip


def decide_by_truth(home: Project, count: int) -> ReviewStore:
    """Judge the first found moments of each training video that is not held out, by the truth."""
    store = ReviewStore(home.reviews_path)
    truth: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for video_id, label, start, end in true_rows(home.truth_path):
        truth.setdefault((video_id, label), []).append((start, end))
    held, decisions = set(store.held_out()), []
    moments = Moments.from_json(json.loads((home.moments_folder / "moments.json").read_bytes())).ranked()
    train = {entry.id for entry in home.manifest().of_split("train")}
    for moment in moments:
        if moment.video_id in held or moment.video_id not in train or len(decisions) == count:
            continue
        span = (moment.start_seconds, moment.end_seconds)
        known = truth.get((moment.video_id, moment.concept), [])
        near = any(start < span[1] and span[0] < end for start, end in known)
        decisions.append(Decided("confirmed" if near else "rejected", moment.video_id, moment.concept, *span, span))
    store.add(decisions)
    return store


@pytest.fixture
def home(project_maker: Any, tmp_path: Path) -> Project:
    made: Project = project_maker(tmp_path / "project", test_videos=6)
    rooms = Rooms(made)  # Holds the test videos out.
    rooms.close()
    return made


def test_train_with_reviews_learns_from_decisions_and_measures_before_and_after(
    home: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    store = decide_by_truth(home, 30)
    decided = {each.decided.video_id for each in store.standing()}
    train(localizer="two-stage", project=home.folder, with_reviews=True, overrides=QUICK, device="cpu", as_json=True,
          even_if_worse=True)  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    report = json.loads((home.reports_folder / "learning.json").read_bytes())
    assert told["learning"] == report
    held = report["held_out"]
    assert (held["videos"], held["measured_on"]) == (6, "truth")
    assert 0 <= held["after"]["map"] <= 1
    test = {entry.id for entry in home.manifest().of_split("test")}
    instances = sum(row[0] in test for row in true_rows(home.truth_path))
    assert held["before"]["instances"] == held["after"]["instances"] == instances > 0
    assert report["rated_segments"] == report["decisions"] == 30
    model = load_localizer(home.localizer_folder)
    assert isinstance(model, TwoStage)
    assert model.settings.halfway == HALFWAY
    assert model.ratings is not None
    assert model.ratings.sum() >= 30
    assert decided & {entry.id for entry in home.manifest().of_split("train")}
    store.close()


def test_a_concept_from_examples_joins_the_vocabulary_and_is_found(home: Project) -> None:
    store = ReviewStore(home.reviews_path)
    ids = [entry.id for entry in home.manifest().of_split("train")]
    store.add([Decided("added", ids[n], "cannonball", 1.0 + n, 3.0 + n, origin="example") for n in range(4)])
    train(
        localizer="two-stage", project=home.folder, with_reviews=True, overrides=QUICK, device="cpu", even_if_worse=True
    )
    assert home.vocabulary().names == ("concept 0", "concept 1", "concept 2", "cannonball")
    model = load_localizer(home.localizer_folder)
    found = [
        moment.concept for video in ids[:4] for moment in model.localize({"rgb": home.features().read(video, "rgb")})
    ]
    assert "cannonball" in found
    store.close()


def test_decisions_about_a_concept_that_was_renamed_are_told_and_bring_it_back_not(home: Project) -> None:
    store = decide_by_truth(home, 12)
    about = [each.decided.concept for each in store.standing()].count("concept 0")
    store.close()
    home.write_vocabulary(Vocabulary(("anew", "concept 1", "concept 2")))
    heard: list[str] = []

    class Heard(Silent):
        def say(self, text: str) -> None:
            heard.append(text)

    lessons = ReviewedLessons.of(home, Heard())
    assert 0 < about < 12
    assert lessons.vocabulary.names == ("anew", "concept 1", "concept 2")
    assert lessons.rated == 12 - about
    assert any(f"{about} decisions are about concepts that the vocabulary does not hold" in line for line in heard)


def test_without_decisions_or_in_vain_it_says_so(home: Project) -> None:
    with pytest.raises(ProjectError, match="Nothing was decided"):
        train(project=home.folder, with_reviews=True, device="cpu")
    with pytest.raises(SettingsError, match="--truth is for --with-reviews"):
        train(project=home.folder, truth=home.truth_path, device="cpu")
    with pytest.raises(SettingsError, match="--even-if-worse is for --with-reviews"):
        train(project=home.folder, even_if_worse=True, device="cpu")


def test_held_out_videos_are_not_learned_from(
    project_maker: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made: Project = project_maker(tmp_path / "whole")
    Rooms(made).close()
    store = decide_by_truth(made, 12)
    held = store.held_out()
    assert len(held) == 5
    train(localizer="winners-out", project=made.folder, with_reviews=True, device="cpu", as_json=True,
          overrides=["train.epochs=1", "train.rounds=1", "train.attentions=1"])  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    assert told["videos"] == 24 - len(held)
    assert told["learning"]["held_out"]["flattered"]
    store.close()


def test_a_clip_of_a_recording_that_is_held_out_is_not_learned_from(
    project_maker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it was imported after the draw, too."""
    made: Project = project_maker(tmp_path / "whole")
    Rooms(made).close()
    store = decide_by_truth(made, 4)
    held = store.held_out()
    store.close()
    learned = {entry.id for entry in ReviewedLessons.of(made, Silent()).entries}
    of_held = max(learned)
    monkeypatch.setattr(lessons, "recording_of", lambda name: held[0] if name == of_held else name)
    assert {entry.id for entry in ReviewedLessons.of(made, Silent()).entries} == learned - {of_held}


def test_the_kind_that_stands_there_is_tried_first(home: Project) -> None:
    rivals = rivals_for_reviews(home)
    assert list(rivals) == ["winners-out", "multiple-instance", "two-stage", "cross-class-relevance"]
    assert rivals["two-stage"].halfway == HALFWAY  # type: ignore[attr-defined]


def everything(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in sorted(folder.rglob("*")) if each.is_file()}


def test_a_worse_model_is_told_and_not_taken_unless_asked_for(
    home: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ReviewStore(home.reviews_path)
    ids = [entry.id for entry in home.manifest().of_split("train")]
    store.add([Decided("added", ids[n], "cannonball", 1.0 + n, 3.0 + n, origin="example") for n in range(4)])
    store.close()
    train(localizer="multiple-instance", project=home.folder, device="cpu")
    before, words = everything(home.localizer_folder), home.vocabulary().names
    poor = ["train.epochs=1", "train.rounds=1", "train.attentions=1", "train.learning_rate=1e-9"]
    train(localizer="winners-out", project=home.folder, with_reviews=True, overrides=poor, device="cpu", as_json=True)
    said = capsys.readouterr()
    report = json.loads((home.reports_folder / "learning.json").read_bytes())
    held = report["held_out"]
    assert held["after"]["map"] < held["before"]["map"]
    assert not held["flattered"]  # They are of the split "test".
    assert (report["worse"], report["kept"]) == (True, "earlier")
    assert everything(home.localizer_folder) == before
    assert home.vocabulary().names == words
    assert "the earlier one was kept" in " ".join(said.err.split())
    train(localizer="winners-out", project=home.folder, with_reviews=True, overrides=poor, device="cpu", as_json=True,
          even_if_worse=True)  # fmt: skip
    said = capsys.readouterr()
    report = json.loads((home.reports_folder / "learning.json").read_bytes())
    assert (report["worse"], report["kept"]) == (True, "new")
    assert "was taken all the same" in " ".join(said.err.split())
    assert everything(home.localizer_folder) != before
    assert home.vocabulary().names == (*words, "cannonball")


def test_only_a_fall_of_what_was_measured_is_worse() -> None:
    assert fell({"map": 0.5}, {"map": 0.4})
    assert not fell({"map": 0.5}, {"map": 0.5})
    assert not fell({"map": 0.5}, {"map": 0.6})
    assert not fell(None, {"map": 0.0})
    assert not fell({"map": 0.5}, None)


WORDS = Vocabulary(("dive", "swim"))


def found(*rows: tuple[str, float, float, int, float]) -> Moments:
    return Moments.build([row[0] for row in rows], [row[1:3] for row in rows], [row[3] for row in rows], WORDS,
                         scores=[row[4] for row in rows])  # fmt: skip


def test_a_yardstick_of_decisions_judges_only_what_was_decided_and_never_by_the_queue(home: Project) -> None:
    entries = [entry for entry in home.manifest() if entry.id in ("video-20", "video-21")]
    words = Vocabulary(("concept 0", "concept 1", "concept 2"))

    def said(number: int, decision: Any, video: str, concept: str, origin: Any) -> Review:
        return Review(number, 0.0, Decided(decision, video, concept, 1.0, 2.0, (1.0, 2.0), None, origin))

    reviews = [
        said(1, "confirmed", "video-20", "concept 0", "search"),
        said(2, "rejected", "video-21", "concept 0", "video"),
        said(3, "confirmed", "video-21", "concept 1", "queue"),
        said(4, "confirmed", "video-01", "concept 1", "search"),
    ]
    stick = Yardstick.of(entries, words, reviews, None)
    assert stick.measured_on == "reviews"
    assert stick.truth is not None
    assert len(stick.truth) == 1
    assert stick.pairs == {("video-20", "concept 0"), ("video-21", "concept 0")}
    truth = Truth.of(stick.truth, video_ids=["video-20", "video-21"])
    rows = [("video-21", 1.0, 2.0, 0, 0.9), ("video-20", 1.0, 2.0, 0, 0.5), ("video-20", 5.0, 6.0, 1, 0.9)]
    moments = Moments.build([r[0] for r in rows], [r[1:3] for r in rows], [r[3] for r in rows], words,
                            scores=[r[4] for r in rows])  # fmt: skip
    # The rejected one comes first: precision 1/2 at the only true one.
    assert stick.score(moments, truth)["map"] == pytest.approx(0.5)
    assert Yardstick.of(entries, words, reviews[2:], None).measured_on == "nothing"
    assert Yardstick.of(entries, words, [], home.truth_path).measured_on == "truth"
    nothing = Yardstick.of(entries, words, [], None)
    assert nothing.measure(nothing.found(load_localizer(home.localizer_folder), home.features(), Silent())) is None
    assert "was not measured" in told_change(
        {"held_out": {"videos": 2, "after": None, "changes": changes_between(None, None)}}
    )


def waited(rooms: Rooms) -> dict[str, Any]:
    while rooms.learning.state() == "running":
        time.sleep(0.05)
    return rooms.learning.to_json()


def test_the_job_trains_finds_and_tells_what_changed(home: Project, client_of: Any) -> None:
    from whenabouts.page.server.safety import Access

    decide_by_truth(home, 20).close()
    rooms = Rooms(home, device="cpu")
    client = client_of(rooms, Access.of("127.0.0.1"))
    before = client.get("/api/project").json
    assert client.post("/api/learn", {"even_if_worse": "yes"}).status == 400
    told = client.post("/api/learn", {"localizer": "multiple-instance", "even_if_worse": True})
    assert (told.status, told.json["state"]) == (202, "running")
    assert client.post("/api/learn", {}).status == 409
    job = waited(rooms)
    assert (job["state"], job["error"]) == ("done", "")
    assert any("held-out videos" in line for line in job["log"])
    told = client.get("/api/learn").json["result"]
    assert told["held_out"]["after"]["map"] >= 0
    counts = told["moments"]
    assert counts["before"] == before["moments"]
    assert counts["kept"] + counts["moved"] + counts["new"] == counts["after"]
    assert counts["kept"] + counts["moved"] + counts["gone"] == counts["before"]
    assert all(each["moment"]["video"] for each in told["changed"])
    after = client.get("/api/project").json
    assert after["localizer"] == "multiple-instance"
    assert after["moments"] == counts["after"]
    rooms.close()


def test_a_job_that_fails_says_why(home: Project, client_of: Any) -> None:
    import shutil

    from whenabouts.page.server.safety import Access

    decide_by_truth(home, 5).close()
    shutil.rmtree(home.features_folder)
    rooms = Rooms(home, device="cpu")
    client = client_of(rooms, Access.of("127.0.0.1"))
    assert client.post("/api/learn", {}).status == 202
    job = waited(rooms)
    assert job["state"] == "failed"
    assert "extract" in job["error"]
    rooms.close()
