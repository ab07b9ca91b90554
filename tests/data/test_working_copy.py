"""Working copies of a project in a store: two machines at once, kills on the way, what both changed."""

import json
from pathlib import Path
from typing import Any

import pytest

from whenabouts.core.errors import ProjectError
from whenabouts.core.progress import Silent
from whenabouts.data.object_store import ObjectStore, take
from whenabouts.data.working_copy import WorkingCopy, copy_of, merged
from whenabouts.recognition.extraction_report import join_reports

pytest.importorskip("fsspec", reason="needs fsspec: pip install 'whenabouts[cluster]'")


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "result", "contested"),
    [
        ({"a": "1"}, {"a": "1"}, {"a": "1"}, {"a": "1"}, set()),
        ({"a": "1"}, {"a": "2"}, {"a": "1"}, {"a": "2"}, set()),
        ({"a": "1"}, {"a": "1"}, {"a": "2"}, {"a": "2"}, set()),
        ({"a": "1"}, {}, {"a": "1"}, {}, set()),
        ({"a": "1"}, {"a": "1"}, {}, {}, set()),
        ({}, {"a": "1"}, {"b": "2"}, {"a": "1", "b": "2"}, set()),
        ({"a": "1"}, {"a": "2"}, {"a": "2"}, {"a": "2"}, set()),
        ({"a": "1"}, {"a": "2"}, {"a": "3"}, {}, {"a"}),
        ({"a": "1"}, {}, {"a": "3"}, {}, {"a"}),
        ({}, {"reports/check.json": "1"}, {"reports/check.json": "2"}, {"reports/check.json": "1"}, set()),
        # A model of one machine never gets the card of another's.
        ({"models/m/w": "1", "models/m/c": "1"}, {"models/m/w": "2", "models/m/c": "1"},
         {"models/m/w": "1", "models/m/c": "2"}, {}, {"models/m"}),
        ({"models/m/w": "1"}, {"models/m/w": "2"}, {"models/m/w": "1", "models/n/w": "3"},
         {"models/m/w": "2", "models/n/w": "3"}, set()),
        # Nor a manifest the vocabulary of another's.
        ({"manifest.jsonl": "1"}, {"manifest.jsonl": "2"}, {"manifest.jsonl": "1", "vocabulary.json": "2"}, {},
         {"manifest.jsonl"}),
    ],
)  # fmt: skip
def test_what_two_sides_come_to(base: Any, mine: Any, theirs: Any, result: Any, contested: Any) -> None:
    assert merged(base, mine, theirs) == (result, contested)
    if not contested and "reports/check.json" not in mine:
        assert merged(base, theirs, mine) == (result, contested)


def machine(tmp_path: Path, name: str, **limits: Any) -> WorkingCopy:
    return WorkingCopy(
        tmp_path / name, (tmp_path / "store").as_uri(), join_reports, "reports/extraction", **limits
    )  # fmt: skip


def write(copy: WorkingCopy, **files: str) -> None:
    for name, text in files.items():
        path = copy.folder / name.replace("__", "/").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def files_of(copy: WorkingCopy) -> dict[str, str]:
    return {
        path.relative_to(copy.folder).as_posix(): path.read_text()
        for path in copy.folder.rglob("*")
        if path.is_file() and ".sync" not in path.parts
    }


def test_two_machines_see_what_the_other_made(tmp_path: Path) -> None:
    """Features of both are kept; what one removed is removed at the other."""
    one, two = machine(tmp_path, "one"), machine(tmp_path, "two")
    write(one, manifest_json="{}", models__m__weights="w1", features__a="a")
    (one.folder / "manifest.json").rename(one.folder / "manifest.jsonl")
    assert one.synchronise(Silent()).files == 3
    assert two.synchronise(Silent()).files == 3
    assert files_of(two) == files_of(one)
    assert two.synchronise(Silent()) == one.synchronise(Silent())
    write(one, features__b="b")
    write(two, features__c="c")
    (two.folder / "features" / "a").unlink()
    one.synchronise(Silent())
    two.synchronise(Silent())
    one.synchronise(Silent())
    assert {name for name in files_of(one) if name.startswith("features")} == {"features/b", "features/c"}
    assert files_of(one) == files_of(two)
    assert ObjectStore(one.address).latest().number == 3


def test_what_both_changed_is_asked_for(tmp_path: Path) -> None:
    """Nothing is copied, and the message's own commands decide."""
    one, two = machine(tmp_path, "one"), machine(tmp_path, "two")
    write(one, models__m__weights="w1", models__m__card_json="c1")
    one.synchronise(Silent())
    two.synchronise(Silent())
    write(one, models__m__weights="w2", models__m__card_json="c2")
    write(two, models__m__weights="w3", features__x="x")
    one.synchronise(Silent())
    with pytest.raises(ProjectError, match=r"changed by another machine, and here, too: models/m\. Nothing was copied"):
        two.synchronise(Silent())
    assert files_of(two) == {"models/m/weights": "w3", "models/m/card.json": "c1", "features/x": "x"}
    assert "features/x" not in ObjectStore(one.address).latest().files
    (two.folder / "manifest.jsonl").touch()
    write(one, manifest_json="")
    (one.folder / "manifest.json").rename(one.folder / "manifest.jsonl")
    one.synchronise(Silent())
    take(two.address, two.folder, Silent())
    two.synchronise(Silent())
    assert files_of(two) == {
        "manifest.jsonl": "", "models/m/weights": "w2", "models/m/card.json": "c2", "features/x": "x",
    }  # fmt: skip


class Killed(BaseException):
    """What ends a process."""


@pytest.mark.parametrize("method", ["put", "commit", "take"])
@pytest.mark.parametrize("after", range(4))
def test_a_kill_at_any_step_leaves_both_whole(
    method: str, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others see all of a change or nothing, and the next time it is finished."""
    one, two = machine(tmp_path, "one"), machine(tmp_path, "two")
    write(one, models__m__weights="w1", models__m__card_json="c1", features__a="a")
    one.synchronise(Silent())
    two.synchronise(Silent())
    before = ObjectStore(one.address).latest().files
    write(one, models__m__weights="w2", models__m__card_json="c2", features__b="b")
    real, calls = getattr(ObjectStore, method), [0]

    def killing(self: ObjectStore, *words: Any) -> Any:
        calls[0] += 1
        if calls[0] > after:
            raise Killed
        return real(self, *words)

    for copy in (one, two):
        with monkeypatch.context() as changed:
            calls[0] = 0
            changed.setattr(ObjectStore, method, killing)
            try:
                copy.synchronise(Silent())
            except Killed:
                assert copy is two or ObjectStore(one.address).latest().files == before
        copy.synchronise(Silent())
    assert files_of(two) == files_of(one)
    assert files_of(one) == {"models/m/weights": "w2", "models/m/card.json": "c2", "features/a": "a", "features/b": "b"}


@pytest.mark.parametrize("noted", ["", "{}", "[]", '{"base": 1, "coming": {}, "seen": {}}', '{"base": {"a": '])
def test_notes_that_can_not_be_read_lose_nothing(noted: str, tmp_path: Path) -> None:
    """What is the same stays, what one has goes to the other, and what both changed is asked for."""
    one, two = machine(tmp_path, "one"), machine(tmp_path, "two")
    write(one, features__a="1", models__m="1")
    one.synchronise(Silent())
    two.synchronise(Silent())
    (one.folder / ".sync" / "state.json").write_text(noted)
    write(one, features__b="2")
    one.synchronise(Silent())
    two.synchronise(Silent())
    assert files_of(one) == files_of(two) == {"features/a": "1", "features/b": "2", "models/m": "1"}
    write(two, models__m="2")
    two.synchronise(Silent())
    (one.folder / ".sync" / "state.json").write_text(noted)
    with pytest.raises(ProjectError, match="changed by another machine"):
        one.synchronise(Silent())
    assert files_of(one)["models/m"] == "1"


def test_a_file_that_changes_while_it_is_put_is_put_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, real = machine(tmp_path, "one"), ObjectStore.put
    write(one, features__a="first")
    changes = iter(["second, and longer"])

    def changing(self: ObjectStore, path: Path, name: str, digest: str) -> int:
        if text := next(changes, None):
            path.write_text(text)
        return real(self, path, name, digest)

    monkeypatch.setattr(ObjectStore, "put", changing)
    one.synchronise(Silent())
    two = machine(tmp_path, "two")
    two.synchronise(Silent())
    assert files_of(two) == {"features/a": "second, and longer"}


def rows(**status: str) -> str:
    counts = {name: list(status.values()).count(name) for name in ("partial", "unreadable")}
    return json.dumps({**counts, "videos": [{"id": name, "status": what} for name, what in status.items()]})


def test_reports_of_both_are_joined(tmp_path: Path) -> None:
    """A row that one cleared is gone, even if the other still had it."""
    one, two = machine(tmp_path, "one"), machine(tmp_path, "two")
    write(one, reports__extraction_json=rows(a="partial", b="unreadable"))
    one.synchronise(Silent())
    two.synchronise(Silent())
    write(one, reports__extraction_json=rows(b="unreadable", c="unreadable"))
    write(two, reports__extraction_json=rows(a="partial", b="partial", d="partial"))
    one.synchronise(Silent())
    two.synchronise(Silent())
    one.synchronise(Silent())
    assert files_of(one) == files_of(two)
    told = json.loads((one.folder / "reports" / "extraction.json").read_text())
    assert {row["id"]: row["status"] for row in told["videos"]} == {"b": "partial", "c": "unreadable", "d": "partial"}
    assert (told["partial"], told["unreadable"]) == (2, 1)


@pytest.mark.parametrize("step", ["take", "commit"])
def test_others_that_are_quicker_while_reports_are_joined(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report that is joined is gone from the store by then, or the joined one comes too late: both begin anew.

    Nothing is taken for damaged, and a row that was joined and is cleared meanwhile does not come back.
    """
    one, two, real = machine(tmp_path, "one"), machine(tmp_path, "two"), getattr(ObjectStore, step)
    write(one, reports__extraction_json=rows(a="partial"))
    one.synchronise(Silent())
    two.synchronise(Silent())
    write(one, reports__extraction_json=rows(a="partial", b="unreadable"))
    one.synchronise(Silent())
    write(two, reports__extraction_json=rows(a="partial", c="partial"))
    changes = iter([rows(a="unreadable")])

    def late(self: ObjectStore, *words: Any) -> Any:
        if text := next(changes, None):
            write(one, reports__extraction_json=text)
            one.synchronise(Silent())
        return real(self, *words)

    monkeypatch.setattr(ObjectStore, step, late)
    two.synchronise(Silent())
    one.synchronise(Silent())
    for copy in (one, two):
        report = json.loads((copy.folder / "reports" / "extraction.json").read_text())
        assert {row["id"]: row["status"] for row in report["videos"]} == {"a": "unreadable", "c": "partial"}


def test_models_that_arrive_in_a_try_that_fails_are_not_changes_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three versions come while two takes them; of each something has arrived."""
    one, two, real = machine(tmp_path, "one"), machine(tmp_path, "two"), ObjectStore.take
    write(one, models__a="1", models__b="1")
    one.synchronise(Silent())
    two.synchronise(Silent())
    write(one, models__a="2", models__b="2")
    one.synchronise(Silent())
    changes = iter([{"models__b": "3"}, {"models__a": "4", "models__b": "4"}])

    def late(self: ObjectStore, name: str, digest: str, path: Path) -> int:
        if name == "models/b" and (texts := next(changes, None)):
            write(one, **texts)
            one.synchronise(Silent())
        return real(self, name, digest, path)

    monkeypatch.setattr(ObjectStore, "take", late)
    two.synchronise(Silent())
    assert files_of(two) == files_of(one) == {"models/a": "4", "models/b": "4"}


def test_what_a_verb_does_not_need_stays_where_it_is(tmp_path: Path) -> None:
    one, two = machine(tmp_path, "one"), machine(tmp_path, "two", without=("features",))
    write(one, features__a="a", moments__m_json="{}")
    one.synchronise(Silent())
    two.synchronise(Silent())
    assert files_of(two) == {"moments/m.json": "{}"}
    write(two, moments__m_json="[]")
    two.synchronise(Silent())
    three = machine(tmp_path, "three", only=("features",))
    three.synchronise(Silent())
    assert files_of(three) == {"features/a": "a"}
    one.synchronise(Silent())
    assert files_of(one) == {"features/a": "a", "moments/m.json": "[]"}


def test_one_of_many_workers_takes_no_features_of_the_others(tmp_path: Path) -> None:
    """And puts its own beside theirs; what it merged is gone for all."""
    one, two = machine(tmp_path, "one", giving=True), machine(tmp_path, "two")
    write(one, features__a="a", features__b="b")
    write(two, features__c="c")
    one.synchronise(Silent())
    two.synchronise(Silent())
    write(one, features__ab="ab", reports__r_json="r")
    (one.folder / "features" / "a").unlink()
    (one.folder / "features" / "b").unlink()
    one.synchronise(Silent())
    assert files_of(one) == {"features/ab": "ab", "reports/r.json": "r"}
    two.synchronise(Silent())
    assert files_of(two) == {"features/ab": "ab", "features/c": "c", "reports/r.json": "r"}
    machine(tmp_path, "one").synchronise(Silent())
    assert files_of(one) == files_of(two)


def test_copies_of_two_projects_lie_apart(tmp_path: Path) -> None:
    assert copy_of("s3://a/dives/", tmp_path) == copy_of("s3://a/dives", tmp_path)
    assert copy_of("s3://b/dives", tmp_path) != copy_of("s3://a/dives", tmp_path)
    assert copy_of("s3://a/dives", tmp_path).name.startswith("dives-")
