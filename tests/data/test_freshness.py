"""Moments and localizers are told to be stale when, and only when, what they were made from has changed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.features import FeatureSequence
from whenabouts.core.files import replacing_folder, write_json, write_text
from whenabouts.core.progress import Silent
from whenabouts.core.timing import TimeGrid
from whenabouts.core.video import Video
from whenabouts.data.doctor.check import check_project
from whenabouts.data.freshness import Lessons, MomentsCard, folder_checksum, source_of
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings, build_vocabulary

Change = Callable[[Project], None]


def entry(name: str, *labels: str, split: str = "train") -> Entry:
    return Entry(Video(name, Path(f"/media/{name}.mp4"), 4.0), tuple(map(WeakLabel, labels)), split=split)


def extract(project: Project, *names: str, modality: str = "rgb") -> None:
    grid = TimeGrid(0, 1, 1, 4, 4)
    values = np.zeros((4, 2), np.float32)
    project.features().append([FeatureSequence(name, values, grid, modality, "net@1") for name in names])


def model(project: Project, name: str, weights: str) -> None:
    with replacing_folder(project.models_folder / name) as part:
        write_text(part / "model.safetensors", weights)
        write_json(part / "card.json", {"source": "net@1"})


def manifest(project: Project, *entries: Entry) -> None:
    others = {each.id: each for each in (*project.manifest(), *entries)}
    project.write_manifest(Manifest(tuple(others.values())))


def search(project: Project, split: str = "all") -> MomentsCard:
    write_json(project.moments_folder / "moments.json", {"results": {}})
    card = MomentsCard.of(project, project.manifest().entries, project.features(), ("rgb",), split=split)
    card.save(project.moments_folder)
    return card


def since(project: Project) -> list[str]:
    card = MomentsCard.load(project.moments_folder)
    assert card is not None
    return card.changes(project, project.manifest().entries, project.features())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project.create(tmp_path / "p")
    made.write_manifest(Manifest((entry("a", "dive"), entry("b", "dive"), entry("c", "jump", split="test"))))
    made.write_vocabulary(build_vocabulary(made.manifest(), VocabularySettings(min_count=1))[0])
    extract(made, "a", "b", "c")
    model(made, "backbone", "b1")
    model(made, "localizer", "l1")
    search(made)
    Lessons.of(made, made.manifest().of_split("train")).save(made)
    return made


def joins(project: Project) -> None:
    manifest(project, entry("d", "dive"))
    extract(project, "d")


def goes(project: Project) -> None:
    manifest(project, replace(project.manifest().by_id("a"), removed=True))


def changes(project: Project) -> None:
    manifest(project, replace(project.manifest().by_id("a"), changed_ns=project.features().newest_ns + 1))


def changes_and_is_extracted(project: Project) -> None:
    changes(project)
    with project.features().writer(after_ns=project.manifest().by_id("a").changed_ns) as writer:
        writer.add(project.features().read("a", "rgb"))


def breaks(project: Project) -> None:
    """A damaged header takes a, b and c away, which stood in one shard."""
    shard = next(project.features_folder.iterdir())
    shard.write_bytes(shard.read_bytes()[:8] + b"?" + shard.read_bytes()[9:])


CHANGES: list[tuple[Change, list[str]]] = [
    (breaks, ["videos whose features are gone: 3"]),
    (lambda project: None, []),
    (joins, ["new videos: 1"]),
    (goes, ["removed videos: 1"]),
    (changes, ["changed videos without new features: 1"]),
    (changes_and_is_extracted, ["videos with new features: 1"]),
    (lambda project: extract(project, "a", "b"), ["videos with new features: 2"]),
    (lambda project: extract(project, "a", modality="audio"), []),
    (lambda project: manifest(project, entry("d", "dive")), []),
    (lambda project: model(project, "localizer", "l1"), []),
    (lambda project: model(project, "localizer", "l2"), ["the model changed"]),
    (lambda project: model(project, "backbone", "b2"), ["the backbone changed"]),
    (
        lambda project: write_json(project.moments_folder / "moments.json", {}),
        ["moments.json is not the one that was written with its card"],
    ),
]


@pytest.mark.parametrize(("change", "wanted"), CHANGES)
def test_moments_are_stale_after_each_change_of_what_they_were_found_with(
    project: Project, change: Change, wanted: list[str]
) -> None:
    change(project)
    assert since(project) == wanted
    report = check_project(project.folder, frames=False, progress=Silent())
    told = [one.text for one in report.findings if one.topic == "moments"]
    assert told == [
        f"moments are stale; since they were found: {what}. Run `whenabouts find` again." for what in wanted
    ]
    search(project)
    assert since(project) == []


def test_only_the_split_that_was_searched_counts(project: Project) -> None:
    search(project, split="test")
    joins(project)
    goes(project)
    assert since(project) == []
    manifest(project, entry("e", split="test"))
    extract(project, "e")
    assert since(project) == ["new videos: 1"]


def test_moments_without_a_card_that_can_be_read_are_told(project: Project) -> None:
    card = project.moments_folder / "card.json"
    for text in ("{", "[]", '{"videos": 3}', None):
        card.unlink() if text is None else card.write_text(text)
        assert MomentsCard.load(project.moments_folder) is None
        report = check_project(project.folder, frames=False, progress=Silent())
        assert [one.severity for one in report.findings if one.topic == "moments"] == ["warning"]
        assert report.figures["moments_stale"] == ["nothing says what they were found with"]


LESSONS: list[tuple[Change, list[str]]] = [
    (breaks, ["videos whose features are gone: 2"]),
    (lambda project: None, []),
    (joins, ["new videos: 1"]),
    (lambda project: manifest(project, entry("d", "dive")), []),
    (goes, ["removed videos: 1"]),
    (changes_and_is_extracted, ["videos with other labels or content: 1"]),
    (lambda project: manifest(project, entry("a", "dive", "jump")), ["videos with other labels or content: 1"]),
    (lambda project: manifest(project, entry("c", "dive", split="test")), []),
    (lambda project: (joins(project), model(project, "localizer", "l2"))[0], []),
]


@pytest.mark.parametrize(("change", "wanted"), LESSONS)
def test_a_localizer_is_stale_after_each_change_of_what_it_learned_from(
    project: Project, change: Change, wanted: list[str]
) -> None:
    change(project)
    lessons = Lessons.load(project)
    assert lessons is not None
    assert lessons.changes(project, project.manifest(), project.features()) == wanted
    report = check_project(project.folder, frames=False, progress=Silent())
    told = [one.text for one in report.findings if one.topic == "models" and "stale" in one.text]
    assert told == [
        f"the localizer is stale; for training since: {what}. Run `whenabouts train` again." for what in wanted
    ]


def test_an_import_that_was_killed_before_its_vocabulary_is_told(project: Project) -> None:
    def told() -> list[str]:
        report = check_project(project.folder, frames=False, progress=Silent())
        return [one.text for one in report.findings if "interrupted" in one.text]

    project.write_vocabulary(project.vocabulary())
    assert told() == []
    manifest(project, entry("d", "swim"))
    assert len(told()) == 1
    project.write_vocabulary(project.vocabulary())
    assert told() == []


def test_checksums_and_sources_of_folders(tmp_path: Path, project: Project) -> None:
    first = folder_checksum(project.models_folder / "localizer")
    model(project, "localizer", "l2")
    assert folder_checksum(project.models_folder / "localizer") not in ("", first)
    assert folder_checksum(tmp_path / "nowhere") == ""
    assert source_of(project.models_folder / "backbone") == "net@1"
    assert source_of(tmp_path / "nowhere") == ""
