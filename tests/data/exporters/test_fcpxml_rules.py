"""FCPXML against the rules of Apple's document type 1.10, as far as they concern what is written here.

Stated anew from Apple's published documentation: which elements stand in which, in which order, with which attributes,
and what a time is. Final Cut Pro refuses a file that does not keep them; whether it likes one that does, nobody tried.
"""

import importlib.util
import re
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from whenabouts.core.progress import Silent
from whenabouts.data.exporters import EXPORTERS, ExportSettings
from whenabouts.data.exporters.protocol import EditSettings

CHILDREN = {
    "fcpxml": r"(import-options )?(resources )?(library |(event )*)",
    "resources": r"((asset|effect|format|media|locator) )*",
    "format": "",
    "asset": r"(media-rep )+(metadata )?",
    "media-rep": r"(bookmark )?",
    "library": r"((event|smart-collection) )*",
    "event": r"((clip|asset-clip|ref-clip|project|keyword-collection) )*",
    "asset-clip": r"(note )?((asset-clip|spine|title|caption) )*((marker|chapter-marker|rating|keyword) )*(metadata )?",
    "keyword": "",
    "project": r"sequence ",
    "sequence": r"(note )?spine (metadata )?",
    "spine": r"((asset-clip|clip|gap|title|transition) )*",
}
"""The names of an element's children, in order, each with a blank behind it."""

NEEDED = {"fcpxml": {"version"}, "format": {"id"}, "asset": {"id"}, "media-rep": {"src"}, "asset-clip": {"ref"},
          "keyword": {"value"}, "sequence": {"format"}}  # fmt: skip
ALLOWED = {
    "format": {"name", "frameDuration", "fieldOrder", "width", "height", "colorSpace"},
    "asset": {"name", "uid", "start", "duration", "hasVideo", "format", "hasAudio", "audioSources", "audioChannels"},
    "media-rep": {"kind", "sig", "suggestedFilename"},
    "event": {"name", "uid"},
    "project": {"name", "uid", "id", "modDate"},
    "asset-clip": {"name", "offset", "start", "duration", "enabled", "lane", "format", "tcStart", "tcFormat"},
    "keyword": {"start", "duration", "note"},
    "sequence": {"duration", "tcStart", "tcFormat", "audioLayout", "audioRate"},
}
TIMES = {"frameDuration", "start", "duration", "offset", "tcStart"}


@pytest.fixture(scope="module")
def trips() -> ModuleType:
    path = Path(__file__).resolve().parents[3] / "benchmarks" / "export_round_trips.py"
    spec = importlib.util.spec_from_file_location("export_round_trips", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def time_of(text: str) -> Fraction:
    """Seconds as a whole number, or a fraction of 64 over 32 bits."""
    found = re.fullmatch(r"(\d+)(?:/(\d+))?s", text)
    assert found, text
    assert int(found[1]) < 1 << 63
    assert 0 < int(found[2] or 1) < 1 << 31
    return Fraction(int(found[1]), int(found[2] or 1))


def check(root: ElementTree.Element) -> None:
    """Raise AssertionError where a rule is broken."""
    ids = [each.attrib["id"] for each in root.iter() if "id" in each.attrib]
    assert len(ids) == len(set(ids))
    for each in root.iter():
        inner = "".join(f"{child.tag} " for child in each)
        assert re.fullmatch(CHILDREN[each.tag], inner), (each.tag, inner[:200])
        needed = NEEDED.get(each.tag, set())
        assert needed <= set(each.attrib), each.tag
        assert set(each.attrib) <= needed | ALLOWED.get(each.tag, set()), each.tag
        assert not (each.text or "").strip()
        for name in TIMES & set(each.attrib):
            time_of(each.attrib[name])
        for name in {"ref", "format"} & set(each.attrib):
            assert each.attrib[name] in ids
    assert root.tag == "fcpxml"
    assert root.attrib["version"] == "1.10"
    for clip in root.iterfind("./library/event/asset-clip"):
        for word in clip.iterfind("keyword"):
            assert time_of(word.attrib["start"]) + time_of(word.attrib["duration"]) <= time_of(clip.attrib["duration"])
    for sequence in root.iter("sequence"):
        on_the_grid(root, sequence)


def on_the_grid(root: ElementTree.Element, sequence: ElementTree.Element) -> None:
    """Clips of a sequence follow each other without a gap, on its frames."""
    kind = next(each for each in root.iter("format") if each.attrib["id"] == sequence.attrib["format"])
    beat, at = time_of(kind.attrib["frameDuration"]), Fraction(0)
    for clip in sequence.iterfind("./spine/asset-clip"):
        assert time_of(clip.attrib["offset"]) == at
        at += time_of(clip.attrib["duration"])
        assert (at / beat).denominator == 1
    assert time_of(sequence.attrib["duration"]) == at


def test_random_projects_keep_the_rules(trips: ModuleType, tmp_path: Path) -> None:
    sequences = 0
    for seed in range(30):
        project = trips.random_project(tmp_path / f"p{seed}", 9000 + seed)
        for settings in (ExportSettings(), ExportSettings(edit=EditSettings(handles=1.3, order="score", rate=24.0))):
            target = tmp_path / f"{seed}.fcpxml"
            EXPORTERS["fcpxml"](project, target, settings, progress=Silent())
            assert target.read_text(encoding="utf-8").startswith(
                '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>'
            )
            root = ElementTree.parse(target).getroot()
            check(root)
            sequences += len(list(root.iter("sequence")))
    assert sequences >= 40


def test_the_rules_notice_what_breaks_them(trips: ModuleType, tmp_path: Path) -> None:
    project = trips.random_project(tmp_path / "p", 9100, rate="29.97", rows=6)
    EXPORTERS["fcpxml"](project, tmp_path / "x.fcpxml", ExportSettings(), progress=Silent())

    def fresh() -> ElementTree.Element:
        return ElementTree.parse(tmp_path / "x.fcpxml").getroot()

    check(fresh())
    for path, name, value in (("./resources/format", "frameDuration", "0.04s"), ("./resources/asset", "rate", "25"),
                              ("./library/event/asset-clip", "ref", "a99"),
                              ("./library/event/project/sequence/spine/asset-clip", "offset", "1/7s")):  # fmt: skip
        root = fresh()
        found = root.find(path)
        assert found is not None
        found.set(name, value)
        with pytest.raises(AssertionError):
            check(root)
    root = fresh()
    clip = root.find("./library/event/asset-clip")
    assert clip is not None
    ElementTree.SubElement(clip, "note")  # It has to stand before the keywords.
    with pytest.raises(AssertionError):
        check(root)
