"""Probabilities of moments are held against what checked segments say."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from whenabouts.commands.show import show
from whenabouts.core import FeatureSequence, InvalidData, Moments, ProjectError, TimeGrid, Video, Vocabulary
from whenabouts.core.progress import Silent
from whenabouts.data.manifest import Entry, Manifest, RatedSegment
from whenabouts.data.project import Project
from whenabouts.localizers.calibration import Calibration, save_calibration
from whenabouts.localizers.protocol import Stream
from whenabouts.page.promises import draw_promises, promises

VOCABULARY = Vocabulary(("cut", "stir"))
SPANS = ((0.0, 5.0), (5.0, 10.0), (10.0, 15.0))


class Told:
    """A localizer that finds "cut" in each of three spans, with these scores; nobody asks it for more."""

    vocabulary = VOCABULARY
    streams = (Stream("rgb", 2, "made"),)

    def localize(self, features):
        name = features["rgb"].video_id
        return Moments.build([name] * 3, SPANS, [0, 0, 0], VOCABULARY, scores=[0.9, 0.6, 0.2])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two test videos. In each the first span shows "cut"; the third does not; in the second video the middle does."""
    home = Project.create(tmp_path / "project")
    entries = []
    for name, middle in (("a", False), ("b", True)):
        rated = [RatedSegment("cut", *SPANS[0]), RatedSegment("cut", *SPANS[2], present=False)]
        rated += [RatedSegment("cut", *SPANS[1])] if middle else []
        video = Video(name, home.folder / f"{name}.mp4", duration_seconds=15.0)
        entries.append(Entry(video, (), segments=tuple(rated), split="test"))
    home.write_vocabulary(VOCABULARY)
    home.write_manifest(Manifest(tuple(entries)))
    grid = TimeGrid.of_length(15.0, 1.0)
    home.features().append(
        [FeatureSequence(name, np.zeros((15, 2), np.float32), grid, "rgb", "made") for name in ("a", "b")]
    )
    return home


def identity() -> Calibration:
    """Curves by which scores in (0, 1) are the probabilities."""
    return Calibration("log-odds", 0.0, 1.0, np.ones(2), np.zeros(2), np.zeros(2, np.int64))


def found(project: Project):
    return promises(Told(), identity(), list(project.manifest()), project.features(), Silent())


def test_moments_are_judged_and_cut_by_hand(project: Project) -> None:
    told = found(project)
    # The middle of "a" is judged by nobody. Right are both first spans and the middle of "b".
    np.testing.assert_allclose(told.probabilities, [0.9, 0.2, 0.9, 0.6, 0.2], rtol=1e-6)
    assert told.right.tolist() == [True, False, True, True, False]
    assert told.videos == 2
    # |0.9 - 1| twice, |0.6 - 1| once, |0.2 - 0| twice, over five.
    assert told.diagram.error == pytest.approx((0.1 * 2 + 0.4 + 0.2 * 2) / 5, abs=1e-6)
    kept = {each.asked: (each.moments, each.judged, each.right) for each in told.kept}
    # All six are 0.567 on average, the best four 0.75, the best three 0.8: equal ones come in order of videos.
    assert kept[0.5] == (6, 5, 3)
    assert kept[0.7] == (4, 3, 3)
    assert kept[0.9] == (2, 2, 2)
    np.testing.assert_allclose(told.of_concepts, [[np.mean([0.9, 0.2, 0.9, 0.6, 0.2]), 3 / 5]])
    assert told.told.startswith("calibration error 0.200 over 5 judged moments of 2 videos")


def test_the_picture_is_the_same_again(project: Project, tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        draw_promises(found(project), tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    text = (tmp_path / "one.svg").read_text()
    assert "What probabilities are worth" in text
    assert "4 kept," in text


def test_where_nothing_is_checked_it_says_so(project: Project) -> None:
    entries = [replace(each, segments=()) for each in project.manifest()]
    with pytest.raises(InvalidData, match="nothing can be judged"):
        promises(Told(), identity(), entries, project.features(), Silent())


def test_show_draws_it_for_a_project_that_knows_what_scores_mean(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("whenabouts.localizers.load_localizer", lambda folder, device="auto": Told())
    project.localizer_folder.mkdir(parents=True)
    with pytest.raises(ProjectError, match="Nobody knows what this localizer's scores mean"):
        show(["reliability"], project=project.folder, as_json=True)
    save_calibration(project, identity())
    show(["reliability"], project=project.folder, as_json=True)
    assert "over 5 judged moments" in json.loads(capsys.readouterr().out)["reliability"]
    assert (project.folder / "pictures" / "reliability.png").stat().st_size > 5000
