"""Projects: what is there, what is missing, and what to run first."""

from pathlib import Path

import pytest

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings


def test_a_project_gives_back_what_was_written(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "new" / "project")
    manifest, vocabulary = Manifest((Entry(Video("a", tmp_path / "a.mp4")),)), Vocabulary(("dive", "jump"))
    project.write_manifest(manifest)
    project.write_vocabulary(vocabulary, VocabularySettings(absent="unknown", aliases={"leap": "jump"}))
    opened = Project.open(project.folder)
    assert opened.manifest() == manifest
    assert opened.vocabulary() == vocabulary
    assert opened.vocabulary_settings() == VocabularySettings(absent="unknown", aliases={"leap": "jump"})
    assert opened.features().modalities() == ()


@pytest.mark.parametrize("made", [False, True])
def test_opening_what_is_no_project_says_what_to_run(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "p"
    if made:
        folder.mkdir()
    with pytest.raises(ProjectError, match="whenabouts import KIND ROOT"):
        Project.open(folder)


def test_a_file_is_no_project(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("")
    with pytest.raises(ProjectError, match="A project is a folder"):
        Project.create(tmp_path / "p")


def test_missing_and_broken_vocabularies_are_told(tmp_path: Path) -> None:
    project = Project(tmp_path)
    with pytest.raises(ProjectError, match="Run `whenabouts import` first"):
        project.vocabulary()
    assert project.vocabulary_settings() == VocabularySettings()
    for content in ("{", "[]", "{}", '{"names": ["a", "a"]}'):
        project.vocabulary_path.write_text(content)
        with pytest.raises(InvalidData):
            project.vocabulary()


def test_settings_of_another_version_are_told_with_the_remedy(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.vocabulary_path.write_text('{"names": ["a"], "settings": {"gone_since": true}}')
    with pytest.raises(InvalidData, match=r"'gone_since' is not a setting.* Run `whenabouts import` again"):
        project.vocabulary_settings()
