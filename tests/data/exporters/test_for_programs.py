"""Formats of editors and coders, by hand: what stands in the file, and what people decided holds."""

import csv
import json
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from whenabouts.core.errors import SettingsError
from whenabouts.core.files import write_json
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Silent
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.decisions import Decided
from whenabouts.data.exporters import ENDINGS, EXPORTERS, ExportSettings, format_of
from whenabouts.data.exporters.films import chapters_of
from whenabouts.data.exporters.marked import marked_videos
from whenabouts.data.exporters.protocol import EditSettings
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project
from whenabouts.data.reviews import ReviewStore

NTSC = Fraction(30000, 1001)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A video of 20 s at 29.97: a dive at 2 to 4 s, a swim at 3 to 8 s."""
    home = Project.create(tmp_path / "p")
    video = Video("a/v1", Path("/films/a/v1.mp4"), 20.0, NTSC, height=720, width=1280, has_audio=True)
    home.write_manifest(Manifest((Entry(video),)))
    names = Vocabulary(("dive", "swim"))
    home.write_vocabulary(names)
    moments = Moments.build(["a/v1", "a/v1"], [[2.0, 4.0], [3.0, 8.0]], [0, 1], names, scores=[0.25, 1.5])
    write_json(home.moments_folder / "moments.json", moments.to_json())
    return home


def written(project: Project, kind: str, **settings: Any) -> Path:
    target = project.folder.parent / f"out-{kind}"
    EXPORTERS[kind](project, target, ExportSettings(**settings), progress=Silent())
    return target


def test_an_edit_list_is_as_editors_read_it(project: Project) -> None:
    text = (written(project, "edl") / "a%2Fv1.edl").read_text(encoding="utf-8")
    assert text.replace("\r\n", "\n").splitlines() == [
        "TITLE: a%2Fv1",
        "FCM: NON-DROP FRAME",
        "",
        "001  AX       V     C        00:00:02:00 00:00:04:00 01:00:00:00 01:00:02:00",
        "* FROM CLIP NAME: v1.mp4",
        "* LOC: 01:00:00:00 GREEN   dive",
        "* SCORE: 0.25",
        "",
        "002  AX       V     C        00:00:03:00 00:00:08:00 01:00:02:00 01:00:07:00",
        "* FROM CLIP NAME: v1.mp4",
        "* LOC: 01:00:02:00 GREEN   swim",
        "* SCORE: 1.5",
    ]


def test_a_long_list_of_edits_goes_on_in_another_file(project: Project) -> None:
    many = Moments.build(["a/v1"] * 1000, [[k / 100, k / 100 + 1] for k in range(1000)], [0] * 1000,
                         Vocabulary(("dive",)))  # fmt: skip
    write_json(project.moments_folder / "moments.json", many.to_json())
    folder = written(project, "edl")
    assert sorted(path.name for path in folder.iterdir()) == ["a%2Fv1 2.edl", "a%2Fv1.edl"]
    assert (folder / "a%2Fv1 2.edl").read_text().count("AX ") == 1


def test_fcpxml_counts_in_whole_frames(project: Project) -> None:
    root = ElementTree.parse(written(project, "fcpxml")).getroot()
    assert root.attrib["version"] == "1.10"
    form, asset = root.find("./resources/format"), root.find("./resources/asset")
    assert form is not None
    assert asset is not None
    assert form.attrib == {"id": "f1", "frameDuration": "1001/30000s", "width": "1280", "height": "720"}
    assert asset.attrib["duration"] == "599599/30000s"  # 599 frames
    source = asset.find("media-rep")
    assert source is not None
    assert source.attrib["src"] == "file:///films/a/v1.mp4"
    words = [keyword.attrib for keyword in root.iterfind("./library/event/asset-clip/keyword")]
    assert [(word["start"], word["duration"], word["value"]) for word in words] == [
        ("1001/500s", "1001/500s", "dive"),  # frames 60 to 120
        ("3003/1000s", "1001/200s", "swim"),
    ]
    clips = [clip.attrib["offset"] for clip in root.iterfind("./library/event/project/sequence/spine/asset-clip")]
    assert clips == ["0s", "1001/500s"]


def test_otio_has_handles_and_the_best_first(project: Project) -> None:
    import opentimelineio

    path = written(project, "otio", edit=EditSettings(handles=5.0, order="score"))
    clips = list(opentimelineio.adapters.read_from_file(str(path), "otio_json").find_clips())
    assert [clip.metadata["whenabouts"]["label"] for clip in clips] == ["swim", "dive"]
    first = clips[0].source_range
    assert (first.start_time.value, first.duration.value) == (0, 390)  # 3 - 5 s is before the start; 8 + 5 s
    assert clips[0].media_reference.available_range.duration.value == 599


def test_label_studio_counts_frames_from_one_and_both_ends(project: Project) -> None:
    (task,) = json.loads(written(project, "label-studio").read_text())
    dive = task["predictions"][0]["result"][0]
    assert dive["value"] == {"ranges": [{"start": 61, "end": 120}], "timelinelabels": ["dive"]}
    assert (dive["from_name"], dive["to_name"], dive["type"]) == ("moments", "video", "timelinelabels")
    assert task["data"]["fps_exact"] == "30000/1001"


def test_boris_and_elan_by_hand(project: Project) -> None:
    from pympi import Eaf

    with written(project, "boris").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["Behavior"], row["Behavior type"], row["Start (s)"], row["Stop (s)"]) for row in rows] == [
        ("dive", "STATE", "2.0", "4.0"), ("swim", "STATE", "3.0", "8.0"),
    ]  # fmt: skip
    document = Eaf(str(written(project, "elan") / "a%2Fv1.eaf"))
    assert document.get_annotation_data_for_tier("dive") == [(2000, 4000, "dive [0.25]")]
    assert document.get_linked_files()[0]["MEDIA_URL"] == "/films/a/v1.mp4"


def test_google_shares_are_of_the_largest_score(project: Project) -> None:
    answer = json.loads(written(project, "google-video").read_text())["response"]["annotationResults"][0]
    (dive, swim) = answer["shotLabelAnnotations"]
    assert dive["segments"] == [{"segment": {"startTimeOffset": "2s", "endTimeOffset": "4s"}, "confidence": 1.0}]
    assert swim["entity"]["description"] == "swim"


def test_chapters_part_time_where_moments_begin_and_end(project: Project) -> None:
    moments = Moments.build(["a/v1"] * 3, [[2, 4], [3, 8], [10, 10]], [0, 1, 0], Vocabulary(("dive", "swim")))
    (marked,) = marked_videos(project, moments)
    assert chapters_of(marked) == [
        (0.0, 2.0, ""), (2.0, 3.0, "dive"), (3.0, 4.0, "dive | swim"), (4.0, 8.0, "swim"), (8.0, 10.0, ""),
        (10.0, 10.001, "dive"), (10.001, 20.0, ""),
    ]  # fmt: skip


def test_what_people_decided_is_what_is_written(project: Project) -> None:
    store = ReviewStore(project.reviews_path)
    store.add([
        Decided("rejected", "a/v1", "dive", 2.0, 4.0, (2.0, 4.0), 0.25),
        Decided("corrected", "a/v1", "swim", 3.5, 6.0, (3.0, 8.0), 1.5),
        Decided("added", "a/v1", "somersault", 12.0, 13.0),
    ])  # fmt: skip
    store.close()
    with written(project, "csv", min_score=1.0).open(newline="") as file:
        rows = [(row["label"], row["start"], row["end"], row["score"], row["kind"]) for row in csv.DictReader(file)]
    assert rows == [("swim", "3.5", "6.0", "1.5", "confirmed"), ("somersault", "12.0", "13.0", "1.0", "confirmed")]
    with written(project, "csv", reviews=False).open(newline="") as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["dive", "swim"]


def test_the_target_tells_the_format() -> None:
    assert format_of(Path("dives.otio"), None) == "otio"
    assert format_of(Path("dives.otio"), "csv") == "csv"
    with pytest.raises(SettingsError, match="--format"):
        format_of(Path("dives"), None)
    with pytest.raises(SettingsError, match="no format 'doc'"):
        format_of(Path("dives"), "doc")
    assert set(ENDINGS.values()) <= set(EXPORTERS)


OF_DATA_SETS = (
    "ava",
    "charades",
    "epic-kitchens",
    "thumos",
    "youtube8m",
)  # these write moments of their data set alone
OF_ANY_PROJECT = sorted(kind for kind in set(EXPORTERS) - {"chapters", "clips"} if not kind.startswith(OF_DATA_SETS))


@pytest.mark.parametrize("kind", OF_ANY_PROJECT)
def test_a_file_name_that_is_no_text_stops_no_format(project: Project, kind: str) -> None:
    """Old archives have names in Latin-1; the byte is shown, as importers show it."""
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'whenabouts[parquet]'")
    if kind == "otio":
        pytest.importorskip("opentimelineio", reason="needs opentimelineio: pip install 'whenabouts[formats]'")
    if kind == "elan":
        pytest.importorskip("pympi", reason="needs pympi: pip install 'whenabouts[formats]'")
    path = Path("/films") / os.fsdecode(b"caf\xe9.mp4")
    (entry,) = project.manifest()
    project.write_manifest(Manifest((replace(entry, video=replace(entry.video, path=path)),)))
    target = written(project, kind)
    files = [target] if target.is_file() else [each for each in target.rglob("*") if each.is_file()]
    assert files
    if kind in ("csv", "boris", "otio"):
        assert "caf\\xe9.mp4" in files[0].read_text().replace("\\\\", "\\")
