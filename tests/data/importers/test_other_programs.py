"""Annotations of other programs: what was exported comes back, real layouts are read, and traps do nothing."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.files import write_json
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Silent
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.exporters import EXPORTERS, ExportSettings
from whenabouts.data.importers import IMPORTERS, Imported, ImportSettings
from whenabouts.data.importers.protocol import NOTHING_KNOWN, AnnotationSettings, TableSettings
from whenabouts.data.manifest import Entry, Manifest, RatedSegment
from whenabouts.data.project import Project
from whenabouts.media.numbered import numbered_picture
from whenabouts.media.writing import write_video

NTSC = Fraction(30000, 1001)
Put = Callable[[str, "str | bytes | dict[str, Any] | list[Any]"], Path]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos of 4 s, one at 25 and one at 29.97 frames a second."""
    folder = tmp_path_factory.mktemp("films")
    for name, rate in (("beach.mp4", Fraction(25)), ("pool one.mp4", NTSC)):
        count = round(4 * rate)
        write_video(folder / name, (numbered_picture(k) for k in range(count)), [float(k / rate) for k in range(count)],
                    rate=rate)  # fmt: skip
    return folder


@pytest.fixture
def root(films: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    for path in films.iterdir():
        (folder / path.name).hardlink_to(path)
    return folder


@pytest.fixture
def put(root: Path) -> Put:
    def putting(name: str, content: "str | bytes | dict[str, Any] | list[Any]") -> Path:
        path = root / name
        if isinstance(content, dict | list):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return putting


def read(kind: str, root: Path, known: Manifest = NOTHING_KNOWN, **annotations: Any) -> Imported:
    return IMPORTERS[kind](root, ImportSettings(annotations=AnnotationSettings(**annotations)), known=known)


def entry(found: Imported, name: str) -> Entry:
    return next(each for each in found.entries if each.id == name)


def spans(segments: tuple[RatedSegment, ...]) -> list[tuple[str, float, float]]:
    return [(each.name, round(each.start_seconds, 3), round(each.end_seconds, 3)) for each in segments]


# What we write, we read.


@pytest.mark.parametrize(
    ("kind", "name", "half_tick"),
    [("label-studio", "tasks.json", 0.02), ("via", "via.json", 0.0), ("elan", "coded", 0.0005),
     ("boris", "events.csv", 0.0), ("csv", "moments.csv", 0.0), ("chapters", "copies", 0.0005),
     ("teacher", "answers.json", 1e-9)],
)  # fmt: skip
def test_what_export_writes_comes_back(root: Path, tmp_path: Path, kind: str, name: str, half_tick: float) -> None:
    manifest = Manifest(IMPORTERS["folders"](root, ImportSettings()).entries)
    home = Project.create(tmp_path / "p")
    home.write_manifest(manifest)
    names = Vocabulary(("dive", "cake cutting"))
    ids = ["beach", "beach", "pool one"]
    wanted = [[0.4, 1.0], [0.8, 2.5], [1.234, 3.9]]
    moments = Moments.build(ids, wanted, [0, 1, 1], names, scores=[0.9, 0.8, 0.7])
    write_json(home.moments_folder / "moments.json", moments.to_json())
    target = root / name
    EXPORTERS["google-video" if kind == "teacher" else kind](home, target, ExportSettings(), progress=Silent())
    if kind == "chapters":
        found = read(kind, target)
    elif kind == "csv":
        found = IMPORTERS["csv"](target, ImportSettings(csv=TableSettings(separators="")))
    else:
        found = read(kind, target, media=str(root), predictions=True)
    assert not found.problems
    got = [(one.id, *part) for one in found.entries for part in sorted(spans(one.segments), key=lambda part: part[1:])]
    if kind == "chapters":  # A chapter ends where another moment begins.
        assert got == [("beach", "dive", 0.4, 0.8), ("beach", "cake cutting", 0.8, 1.0), ("beach", "dive", 0.8, 1.0),
                       ("beach", "cake cutting", 1.0, 2.5), ("pool one", "cake cutting", 1.234, 3.9)]  # fmt: skip
        return
    assert [row[:2] for row in got] == [("beach", "dive"), ("beach", "cake cutting"), ("pool one", "cake cutting")]
    for row, (start, end) in zip(got, wanted, strict=True):
        assert row[2:] == (pytest.approx(start, abs=half_tick + 1e-3), pytest.approx(end, abs=half_tick + 1e-3))


# Layouts as the programs write them.


def test_label_studio_counts_frames_from_one(root: Path, put: Put) -> None:
    put("project.json", [
        {"data": {"video": "/data/upload/3/1a2b3c4d-beach.mp4"},
         "annotations": [{"result": [
             {"type": "timelinelabels", "value": {"ranges": [{"start": 26, "end": 50}], "timelinelabels": ["dive"]}},
             {"type": "choices", "value": {"choices": ["outdoors"]}},
         ]}, {"was_cancelled": True, "result": [{"value": {"choices": ["nothing"]}}]}]},
        {"data": {"video": "s3://bucket/gone.mp4", "fps": 25},
         "annotations": [{"result": [{"value": {"ranges": [{"start": 1, "end": 5}], "timelinelabels": ["x"]}}]}]},
        {"data": {"video": "pool one.mp4"},
         "predictions": [{"result": [{"value": {"ranges": [{"start": 1, "end": 5}], "timelinelabels": ["x"]}}]}]},
    ])  # fmt: skip
    found = read("label-studio", root)
    assert spans(entry(found, "beach").segments) == [("dive", 1.0, 2.0)]
    assert [label.name for label in entry(found, "beach").labels] == ["outdoors"]
    assert not entry(found, "pool one").segments
    assert [problem.what for problem in found.problems] == ["no such video"]
    assert (found.counts["rows"], found.counts["rows_rejected"]) == (3, 1)


EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0">
 <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
  <MEDIA_DESCRIPTOR MEDIA_URL="file:///other/machine/beach.mp4" MIME_TYPE="video/mp4" TIME_ORIGIN="500"/></HEADER>
 <TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="500"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1500"/>
  <TIME_SLOT TIME_SLOT_ID="ts3"/></TIME_ORDER>
 <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="diving">
  <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
   <ANNOTATION_VALUE>somersault</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
  <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
   <ANNOTATION_VALUE/></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>"""


def test_elan_names_by_text_or_tier_and_knows_the_origin(root: Path, put: Put) -> None:
    put("coded.eaf", EAF)
    found = read("elan", root)
    assert spans(entry(found, "beach").segments) == [("somersault", 1.0, 2.0)]
    assert [(each.file, each.what) for each in found.problems] == [
        ("coded.eaf a2", "the segment does not end after its start")
    ]
    assert spans(entry(read("elan", root, elan="tier"), "beach").segments) == [("diving", 1.0, 2.0)]


def test_boris_projects_pair_starts_and_stops(root: Path, put: Put) -> None:
    put("study.boris", {
        "behaviors_conf": {"0": {"code": "groom", "type": "State event"}, "1": {"code": "jump", "type": "Point event"}},
        "observations": {"one": {"file": {"1": ["/lab/beach.mp4"]}, "events": [
            [0.5, "A", "groom", "", ""], [0.7, "", "jump", "", ""], [1.0, "B", "groom", "", ""],
            [1.5, "A", "groom", "", ""], [2.0, "B", "groom", "", ""], [3.0, "A", "groom", "", ""],
        ]}},
    })  # fmt: skip
    beach = entry(read("boris", root), "beach")
    assert spans(beach.segments) == [("groom", 0.5, 1.5), ("groom", 1.0, 2.0), ("groom", 3.0, 4.0)]
    assert [label.name for label in beach.labels] == ["jump"]


def test_boris_tables_of_events_have_lines_before_the_header(root: Path, put: Put) -> None:
    put("events.tsv", "Observation id\tone\n\nTime\tMedia file path\tSubject\tBehavior\tStatus\n"
                      "0.5\tbeach.mp4\t\tgroom\tSTART\n1.25\tbeach.mp4\t\tgroom\tSTOP\n2\tbeach.mp4\t\tjump\tPOINT\n"
                      "3\tbeach.mp4\t\tgroom\tSTOP\n")  # fmt: skip
    found = read("boris", root)
    assert spans(entry(found, "beach").segments) == [("groom", 0.5, 1.25)]
    assert found.counts["rows_rejected"] == 1


def test_losslesscut_logs_lie_beside_their_video(root: Path, put: Put) -> None:
    put("pool one-llc.csv", "0.5,1.5,dive\n,2,\n3:00,4:00,late\n2,,swim\n")
    put("unknown.csv", "1,2,x\n")
    found = read("losslesscut", root)
    assert spans(entry(found, "pool one").segments) == [("dive", 0.5, 1.5), ("swim", 2.0, pytest.approx(4.0, abs=0.04))]
    assert [each.what for each in found.problems] == [
        "a segment needs a label", "the segment reaches beyond the video",
        "no video beside it has a name with which its own begins",
    ]  # fmt: skip


def test_subtitles_say_words_and_sounds(root: Path, put: Put) -> None:
    put("beach.en.srt", "1\n00:00:01,000 --> 00:00:01,500\nLook, he DIVES! [Applause]\n\n"
                        "2\n00:00:01,500 --> 00:00:01,800\nHe dives. diver\n\n"
                        "3\n00:00:03,500 --> 00:00:03,900\ndives\n")  # fmt: skip
    found = read("subtitles", root, words=("dives",), margin_seconds=0.5)
    beach = entry(found, "beach")
    assert spans(beach.segments) == [("dives", 0.5, 2.3), ("dives", 3.0, 4.0), ("applause", 0.5, 2.0)]
    assert [(label.name, label.weight) for label in beach.labels] == [("dives", 0.5), ("applause", 0.5)]


def test_nfo_and_xmp_label_whole_videos(root: Path, put: Put) -> None:
    put("beach.nfo", "<movie><title>At the sea</title><genre>Sport / Travel</genre><tag>diving</tag><tag/></movie>")
    beach = entry(read("nfo", root), "beach")
    assert ([label.name for label in beach.labels], beach.title) == (["Sport", "Travel", "diving"], "At the sea")
    put(
        "pool one.mp4.xmp",
        """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
     xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
     xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><rdf:Bag><rdf:li>swim</rdf:li><rdf:li>pool</rdf:li>
     </rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>""",
    )
    assert [label.name for label in entry(read("xmp", root), "pool one").labels] == ["swim", "pool"]


def test_a_folder_of_a_film_is_labelled_by_its_movie_nfo(root: Path, put: Put) -> None:
    put("movie.nfo", "<movie><genre>Sport</genre></movie>")
    assert [[label.name for label in each.labels] for each in read("nfo", root).entries] == [["Sport"], ["Sport"]]


def test_teachers_are_weighed_and_never_speak_for_the_test_split(root: Path, put: Put) -> None:
    put("beach.json", {"Video": {"S3Object": {"Name": "beach.mp4"}}, "Labels": [
        {"Timestamp": 0, "Label": {"Name": "Dog", "Confidence": 80}},
        {"Timestamp": 500, "Label": {"Name": "Dog", "Confidence": 90}},
        {"Timestamp": 3000, "Label": {"Name": "Dog", "Confidence": 30}},
    ]})  # fmt: skip
    put("pool one.json", {"videos": [{"insights": {"labels": [
        {"name": "water", "instances": [{"start": "0:00:01.5", "end": "0:00:02", "confidence": 0.75}]}
    ]}}]})  # fmt: skip
    put("x.json", {"annotation_results": [{"input_uri": "/bucket/beach.mp4", "segment_label_annotations": [
        {"entity": {"description": "sand"}, "segments": [{"confidence": 0.6, "segment": {
            "start_time_offset": {}, "end_time_offset": {"seconds": 4}}}]}]}]})  # fmt: skip
    found = read("teacher", root)
    beach, pool = entry(found, "beach"), entry(found, "pool one")
    assert spans(beach.segments) == [("Dog", 0.0, 1.0)]
    assert [(label.name, label.weight) for label in beach.labels] == [("Dog", 0.9), ("sand", 0.6)]
    assert spans(pool.segments) == [("water", 1.5, 2.0)]
    with pytest.raises(SettingsError, match="teacher labels are for split train alone"):
        IMPORTERS["teacher"](root, ImportSettings(split="test"))


# Traps.


def bomb(depth: int) -> str:
    lines = "".join(f'<!ENTITY e{k} "{f"&e{k - 1};" * 10 if k else "ha"}">' for k in range(depth))
    return f'<?xml version="1.0"?><!DOCTYPE x [{lines}]><movie><tag>&e{depth - 1};</tag></movie>'


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../escaped.json", "[]")
        archive.writestr("/etc/escaped", "x" * 1000)
    return buffer.getvalue()


XML_TRAPS = {
    "bomb": bomb(10), "quadratic": f'<!DOCTYPE x [<!ENTITY a "{"a" * 9999}">]><movie><tag>{"&a;" * 999}</tag></movie>',
    "file": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><movie><tag>&a;</tag></movie>',
    "net": '<!DOCTYPE x [<!ENTITY a SYSTEM "http://127.0.0.1:9/x">]><movie><tag>&a;</tag></movie>',
    "parameter": '<!DOCTYPE x [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]><movie/>',
    "dtd": '<!DOCTYPE movie SYSTEM "http://127.0.0.1:9/x.dtd"><movie/>', "cut": "<movie><tag>x", "empty": "",
    "nul": "<movie>\0</movie>", "json": "{}", "deep": "<a>" * 5000,
    "encoding": '<?xml version="1.0" encoding="x-y"?><a/>',
}  # fmt: skip
JSON_TRAPS = {
    "deep": "[" * 100_000, "number": "3", "null": "null", "nan": "[NaN]", "text": '"x"', "cut": '[{"data": {',
    "huge": '[{"data":{"video":"beach.mp4"},"annotations":[{"result":[{"value":{"ranges":[{"start":1e999,"end":2}],'
            '"timelinelabels":["x"]}}]}]}]',
    "kinds": '[{"data": 3, "annotations": {"a": 1}}, {"data": {"video": ["x"]}, "annotations": [3, {"result": 4}]}]',
}  # fmt: skip
TRAPS = [
    *((kind, f"trap.{ending}", content) for kind, ending in (("nfo", "nfo"), ("xmp", "xmp"), ("elan", "eaf"))
      for content in XML_TRAPS.values()),
    *((kind, f"trap.{ending}", content) for kind, ending in (("label-studio", "json"), ("via", "json"),
      ("teacher", "json"), ("boris", "boris")) for content in JSON_TRAPS.values()),
    *((kind, f"trap.{ending}", zipped()) for kind, ending in (("nfo", "nfo"), ("elan", "eaf"), ("label-studio", "json"),
      ("boris", "csv"), ("losslesscut", "tsv"), ("subtitles", "srt"))),
]  # fmt: skip


def test_traps_do_nothing_and_are_told(root: Path, put: Put, tmp_path: Path) -> None:
    before = {path for path in tmp_path.rglob("*") if path.parent != root}
    known = Manifest(IMPORTERS["folders"](root, ImportSettings()).entries)
    for kind, name, content in TRAPS:
        path = put(name, content)
        found = read(kind, root, known)
        assert not any(each.segments or each.labels for each in found.entries), (kind, content[:60])
        assert "passwd" not in str(found.problems)
        harmless = content in ("null", "[NaN]", JSON_TRAPS["kinds"]) or kind == "label-studio"
        assert harmless or found.counts["files_rejected"] + found.counts["rows_rejected"] >= 1, (kind, content[:60])
        path.unlink()
    assert len(TRAPS) >= 40
    assert {path for path in tmp_path.rglob("*") if path.parent != root} == before


def test_an_archive_and_an_empty_folder_say_what_to_do(root: Path, put: Put) -> None:
    with pytest.raises(InvalidData, match="unpack it"):
        read("label-studio", put("export.zip", zipped()))
    with pytest.raises(InvalidData, match=r"No file below .* ends in \.eaf"):
        read("elan", root)


def test_a_csv_of_boris_is_not_one_of_losslesscut(root: Path, put: Put) -> None:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(["a", "b"])
    put("beach.csv", buffer.getvalue())
    found = read("boris", root)
    assert [each.what for each in found.problems] == ["it is no table of BORIS"]
