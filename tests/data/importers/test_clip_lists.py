"""Official lists of Kinetics, Something-Something and EPIC-KITCHENS, small and by hand, with what is wrong in them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.core.progress import Silent
from whenabouts.data.annotations.epic_kitchens import read_epic_kitchens
from whenabouts.data.annotations.kinetics import read_kinetics
from whenabouts.data.annotations.something import read_something, template_label
from whenabouts.data.importers import ImportSettings
from whenabouts.data.importers.clip_list_settings import ClipListSettings, EpicKitchensSettings
from whenabouts.data.importing import ImportOutcome, import_into
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings
from whenabouts.media.writing import Encoding, write_video

TRAIN = """label,youtube_id,time_start,time_end,split,is_cc
abseiling,0347ZoDXyP0,95,105,train,0
air drumming,-9dCCk_ZmYo,4,14,train,0
abseiling,0347ZoDXyP0,95,105,train,0
archery,0347ZoDXyP0,95,105,train,0
archery,short,1,11,train,0
archery,aaaaaaaaaaa,ten,11,train,0
archery,aaaaaaaaaab,12,11,train,0
archery,aaaaaaaaaac,1,11,dev,0
,aaaaaaaaaad,1,11,train,0
archery,aaaaaaaaaae,1,11,train
"archery,aaaaaaaaaaf,1,11,train,0
arm wrestling,aaaaaaaaaag,1,11,train,0
"""


def video(path: Path, seconds: float = 0.5) -> None:
    count = round(seconds * 10)
    pictures = [np.full((16, 16, 3), 9 * k % 255, np.uint8) for k in range(count)]
    encoding = Encoding(options={"preset": "ultrafast"})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, pictures, [k / 10 for k in range(count)], encoding=encoding)


def into(folder: Path, kind: str, root: Path, **settings: Any) -> tuple[Project, ImportOutcome]:
    home = Project.create(folder)
    outcome = import_into(
        home, kind, root, ImportSettings(**settings), VocabularySettings(), now_ns=1, progress=Silent()
    )
    return home, outcome


def faults(listed: Any) -> dict[str, str]:
    return {fault.where: fault.what for fault in listed.faults}


def test_kinetics_rows_are_used_or_told_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(TRAIN)
    listed = read_kinetics(tmp_path / "train.csv")
    assert [(clip.names[0], clip.labels, clip.split, clip.span) for clip in listed.clips] == [
        ("0347ZoDXyP0_000095_000105", ("abseiling",), "train", (95.0, 105.0)),
        ("-9dCCk_ZmYo_000004_000014", ("air drumming",), "train", (4.0, 14.0)),
        ("aaaaaaaaaag_000001_000011", ("arm wrestling",), "train", (1.0, 11.0)),
    ]
    assert listed.labels == ("abseiling", "air drumming", "arm wrestling")
    assert faults(listed) == {
        "train.csv line 4": "the same clip stood there before",
        "train.csv line 5": "an earlier row says otherwise",
        "train.csv line 6": "the id is not one of YouTube's, of 11 signs",
        "train.csv line 7": "the times are not numbers",
        "train.csv line 8": "the clip does not end after its start",
        "train.csv line 9": "the split is not train, validate or test",
        "train.csv line 10": "a training clip without a label",
        "train.csv line 11": "5 cells under 6 columns",
        "train.csv line 12": "it can't be read",
    }
    assert (listed.counts["rows"], listed.counts["rows_rejected"], listed.counts["clips_train"]) == (12, 9, 3)
    assert (listed.counts["rows_repeated"], listed.counts["rows_contradicting"]) == (1, 1)


def test_kinetics_in_its_other_layouts(tmp_path: Path) -> None:
    """Without a split column or labels, by class and video_id, and in JSON."""
    (tmp_path / "kinetics-400_test.csv").write_text("youtube_id,time_start,time_end\naaaaaaaaaaa,0,10\n")
    (tmp_path / "validate.csv").write_text("class,video_id,start,end,subset\nair_drumming,aaaaaaaaaab,2,12,val\n")
    entry = {"annotations": {"label": "archery", "segment": [1.0, 11.0]}, "subset": "train", "duration": 10.0}
    broken = {"annotations": {"label": "archery"}, "subset": "train"}
    (tmp_path / "kinetics_train.json").write_text(json.dumps({"aaaaaaaaaac": entry, "aaaaaaaaaad": broken, "x": 3}))
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    listed = read_kinetics(tmp_path)
    assert {clip.names[1]: (clip.split, clip.labels) for clip in listed.clips} == {
        "aaaaaaaaaaa_0_10": ("test", ()),
        "aaaaaaaaaab_2_12": ("validation", ("air drumming",)),
        "aaaaaaaaaac_1_11": ("train", ("archery",)),
    }
    assert faults(listed) == {
        "kinetics_train.json aaaaaaaaaad": "it has no annotations.segment of two times",
        "kinetics_train.json x": "it has no annotations.segment of two times",
    }
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidData, match="holds no clip of Kinetics"):
        read_kinetics(tmp_path / "empty")
    (tmp_path / "odd_train.csv").write_text("name\nx\n")
    with pytest.raises(InvalidData, match="holds no clip"):
        read_kinetics(tmp_path / "odd_train.csv")


def test_kinetics_files_are_found_in_any_layout_of_folders(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "train.csv").write_text(
        "label,youtube_id,time_start,time_end,split\n"
        "archery,aaaaaaaaaaa,0,10,train\narchery,aaaaaaaaaab,3,4,train\nauctioning,aaaaaaaaaac,1,11,train\n"
        "auctioning,aaaaaaaaaad,1,11,train\nauctioning,aaaaaaaaaae,90,99,train\n"
    )
    (tmp_path / "lists" / "validate.csv").write_text(
        "label,youtube_id,time_start,time_end,split\nauctioning,aaaaaaaaaaf,0,10,validate\narchery,aaaaaaaaaab,1,2,validate\n"
    )
    media = tmp_path / "media"
    video(media / "train" / "archery" / "aaaaaaaaaaa_000000_000010.mp4")
    video(media / "val" / "auctioning" / "aaaaaaaaaaf.mp4")
    video(media / "val" / "archery" / "aaaaaaaaaaf.mp4")
    video(media / "whole" / "aaaaaaaaaab.mp4", seconds=5.0)
    video(media / "whole" / "aaaaaaaaaae.mp4", seconds=30.0)
    (media / "whole" / "aaaaaaaaaac_1_11.mp4").write_bytes(b"broken")
    video(media / "nobody.mp4")
    home, outcome = into(tmp_path / "p", "kinetics", tmp_path / "lists", kinetics=ClipListSettings(media=str(media)))
    manifest = home.manifest()
    assert {entry.id: entry.split for entry in manifest} == {
        "train/archery/aaaaaaaaaaa_000000_000010": "train",
        "val/auctioning/aaaaaaaaaaf": "validation",
        "whole/aaaaaaaaaab": "train",
        "whole/aaaaaaaaaac_1_11": "train",
        "whole/aaaaaaaaaae": "train",
    }
    # A file longer than its clip holds the clip within; the clip at 90 s is in no file of 30 s.
    within = manifest.by_id("whole/aaaaaaaaaab")
    assert [(part.name, part.start_seconds, part.end_seconds) for part in within.segments] == [("archery", 3.0, 4.0)]
    assert within.labels == ()
    assert manifest.by_id("whole/aaaaaaaaaac_1_11").video.status == "unreadable"
    assert home.vocabulary().names == ("archery", "auctioning")
    counts = dict(outcome.imported.counts)
    assert (counts["clips_without_file"], counts["files_without_row"]) == (1, 2)
    assert (counts["clips_within_longer_files"], counts["clips_contradicted_by_files"]) == (1, 2)
    told = {problem.file: problem.what for problem in outcome.imported.problems}
    assert told == {
        "train.csv line 6": "the clip reaches beyond its video",
        "validate.csv line 3": "another row puts this file in another split",
    }
    assert outcome.imported.facts["first_clips_without_file"] == ["aaaaaaaaaad_000001_000011 (train.csv line 5)"]
    with pytest.raises(InvalidData, match="None of the 7 clips"):
        into(tmp_path / "q", "kinetics", tmp_path / "lists")


SOMETHING = """[
{"id":"1","label":"holding a potato","template":"Holding [something]","placeholders":["a potato"]},
{"id":"2","label":"x","template":"Holding [something] next to [something]","placeholders":["a","b"]},
{"id":"3","label":"x","template":"Holding [something]","placeholders":["a","b"]},
{"id":"1","label":"x","template":"Holding [something]","placeholders":["a potato"]},
{"id":"four","label":"x","template":"Holding [something]","placeholders":["a"]},
{"id":"5","label":"x","template":"Throwing [something]","placeholders":["a"]},
{"id":"6","template":"Holding [something" "placeholders":["a"]},
{"id":"7","label":"x","template":["Holding"],"placeholders":["a"]},
"eight",
{"id":"9","template":"","placeholders":[]},
{"id":"10","template":"Holding [something]","placeholders":["a"]}
]
"""


def test_something_something_v2_by_templates(tmp_path: Path) -> None:
    numbers = {"Holding something next to something": "1", "Holding something": "0"}
    (tmp_path / "something-something-v2-labels.json").write_text(json.dumps(numbers))
    (tmp_path / "something-something-v2-train.json").write_text(SOMETHING)
    (tmp_path / "something-something-v2-validation.json").write_text(
        '[{"id": "11", "label": "x", "template": "Holding [something]", "placeholders": ["y"]}]'
    )
    (tmp_path / "something-something-v2-test.json").write_text('[{"id": "12"}, {"id": "13"}]')
    listed = read_something(tmp_path)
    assert listed.labels == ("Holding something", "Holding something next to something")
    assert {clip.names[0]: (clip.split, *clip.labels) for clip in listed.clips} == {
        "1": ("train", "Holding something"),
        "2": ("train", "Holding something next to something"),
        "3": ("train", "Holding something"),
        "10": ("train", "Holding something"),
        "11": ("validation", "Holding something"),
        "12": ("test",),
        "13": ("test",),
    }
    name = "something-something-v2-train.json line"
    assert faults(listed) == {
        f"{name} 5": "the same clip stood there before",
        f"{name} 6": "the id is not a number",
        f"{name} 7": "the template is not in the list of labels",
        f"{name} 8": "it is not JSON",
        f"{name} 9": "the template is not text",
        f"{name} 10": "it is not a JSON object",
        f"{name} 11": "a clip without a label",
    }
    assert (listed.counts["rows"], listed.counts["placeholders_that_do_not_fit"]) == (14, 1)
    for number in (1, 3, 11):
        video(tmp_path / "media" / f"{number}.mp4")
    home, outcome = into(tmp_path / "p", "something", tmp_path)
    assert {entry.id: entry.split for entry in home.manifest()} == {
        "media/1": "train", "media/3": "train", "media/11": "validation",
    }  # fmt: skip
    assert home.vocabulary().names == listed.labels
    assert outcome.imported.counts["clips_without_file"] == 4
    (tmp_path / "something-something-v2-labels.json").write_text('{"Holding something": "first"}')
    with pytest.raises(InvalidData, match="does not map each label to its number"):
        read_something(tmp_path)


def test_lines_are_counted_on_over_what_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(
        '[\n{"id": "1", "template": "a"},\n\n{"id": oops},\n{"id": "x", "template": "a"}, 7,\n{"id": "2",\n'
        ' "template": "b"},\n{"id": "2", "template": "b"}\n]\n'
    )
    found = read_something(tmp_path)
    assert [(clip.names, clip.where) for clip in found.clips] == [
        (("1",), "train.json line 2"), (("2",), "train.json line 6"),
    ]  # fmt: skip
    assert [fault.where.rpartition(" ")[2] for fault in found.faults] == ["4", "5", "5", "8"]
    (tmp_path / "labels.json").write_text('{"a": Infinity}')
    with pytest.raises(InvalidData, match="does not map each label to its number"):
        read_something(tmp_path)


def test_something_something_v1_by_tables(tmp_path: Path) -> None:
    (tmp_path / "something-something-v1-labels.csv").write_text(
        "Tearing something into two pieces\nHolding something\n"
    )
    (tmp_path / "something-something-v1-train.csv").write_text("100;Holding something\n101\n102;Holding a cup\n")
    (tmp_path / "something-something-v1-validation.csv").write_text("103;Tearing something into two pieces\n")
    (tmp_path / "something-something-v1-test.csv").write_text("104\n")
    listed = read_something(tmp_path)
    assert listed.labels == ("Tearing something into two pieces", "Holding something")
    assert [(clip.names, clip.split) for clip in listed.clips] == [
        (("104",), "test"), (("100",), "train"), (("103",), "validation"),
    ]  # fmt: skip
    assert faults(listed) == {
        "something-something-v1-train.csv line 2": "1 cells under 2 columns",
        "something-something-v1-train.csv line 3": "the template is not in the list of labels",
    }


@pytest.mark.parametrize(("version", "count"), [("sthv1", 174), ("sthv2", 174)])
def test_the_real_labels_of_something_something_are_templates_without_brackets(
    shared: Path, version: str, count: int
) -> None:
    names = (shared / "data" / "labels" / "something_something" / f"{version}_label_map.txt").read_text().splitlines()
    assert len({template_label(name.replace("something", "[something]")) for name in names}) == count
    assert [template_label(name) for name in names] == [" ".join(name.split()) for name in names]


HEAD_100 = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame,"
    "narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes\n"
)


def row_100(number: int, participant: str = "P01", times: str = "00:00:01.00,00:00:02.50", **more: str) -> str:
    verb, noun = more.get("verb", "0"), more.get("noun", "1")
    own = more.get("own", f"{participant}_01_{number}")
    return (
        f"{own},{participant},{participant}_01,00:00:00.560,{times},1,113,take plate,take,{verb},plate,{noun},"
        f"\"['plate', 'pan:big']\",\"[2, 3]\"\n"
    )


@pytest.fixture
def epic_100(tmp_path: Path) -> Path:
    folder = tmp_path / "epic"
    folder.mkdir()
    (folder / "EPIC_100_verb_classes.csv").write_text(
        "id,key,instances,category\n0,take,\"['take']\",x\n1,put,\"['put']\",y\n"
    )
    (folder / "EPIC_100_noun_classes.csv").write_text(
        "id,key,instances,category\n0,tap,[],x\n1,plate,[],y\n2,tap,[],z\n"
    )
    bad = (
        row_100(3, verb="7")
        + row_100(4, times="00:00:05.00,00:00:05.00")
        + row_100(5, times="0:x,00:00:05.00")
        + row_100(6, own="")
        + "P01_01_7,P01,P01_01\n"
        + row_100(1)
        + row_100(1, noun="0")
    )
    (folder / "EPIC_100_train.csv").write_text(HEAD_100 + row_100(1) + row_100(2, verb="1", noun="0") + bad)
    (folder / "EPIC_100_validation.csv").write_text(HEAD_100 + row_100(1, "P18") + row_100(2, "P02", noun="0"))
    (folder / "EPIC_100_unseen_participant_ids_validation.csv").write_text("participant_id\nP18\n")
    (folder / "EPIC_100_test_timestamps.csv").write_text(
        "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame\n"
        "P09_01_0,P09,P09_01,00:00:00.1,00:00:00.20,00:00:01.30,1,2\n"
    )
    (folder / "EPIC_100_retrieval_train.csv").write_text("narration_id\nx\n")
    return folder


def test_epic_kitchens_100_by_verb_noun_and_action(epic_100: Path) -> None:
    listed = read_epic_kitchens(epic_100, "verb")
    assert listed.labels == ("take", "put")
    assert {clip.names[0]: (clip.split, *clip.labels) for clip in listed.clips} == {
        "P01_01_1": ("train", "take"),
        "P01_01_2": ("train", "put"),
        "P18_01_1": ("validation-unseen", "take"),
        "P02_01_2": ("validation-seen", "take"),
        "P09_01_0": ("test",),
    }
    assert listed.clips[0].span is not None
    told = faults(listed)
    assert told == {
        "EPIC_100_noun_classes.csv line 4": "it is no number and name of a class of its own",
        "EPIC_100_train.csv line 4": "the verb's class is not one of 2",
        "EPIC_100_train.csv line 5": "the clip does not end after its start",
        "EPIC_100_train.csv line 6": "a time can't be read",
        "EPIC_100_train.csv line 7": "it has no narration_id (or uid) or no video_id",
        "EPIC_100_train.csv line 8": "3 cells under 15 columns",
        "EPIC_100_train.csv line 9": "the same clip stood there before",
        "EPIC_100_train.csv line 10": "the same clip stood there before",
    }
    assert read_epic_kitchens(epic_100, "noun").labels == ("tap", "plate")
    assert "an earlier row says otherwise" in faults(read_epic_kitchens(epic_100, "noun")).values()
    actions = read_epic_kitchens(epic_100, "action")
    assert actions.labels == ("take tap", "take plate", "put tap")
    assert [clip.labels for clip in actions.clips][:2] == [(), ("take plate",)]
    (epic_100 / "EPIC_100_verb_classes.csv").unlink()
    with pytest.raises(InvalidData, match=r"no EPIC_verb_classes.csv"):
        read_epic_kitchens(epic_100, "verb")


def test_epic_kitchens_55_with_both_tests_and_kitchens_set_aside(tmp_path: Path) -> None:
    (tmp_path / "EPIC_verb_classes.csv").write_text("verb_id,class_key,verbs\n0,take,[]\n")
    (tmp_path / "EPIC_noun_classes.csv").write_text("noun_id,class_key,nouns\n0,pan,[]\n")
    (tmp_path / "EPIC_train_action_labels.csv").write_text(
        "uid,participant_id,video_id,narration,start_timestamp,stop_timestamp,start_frame,stop_frame,verb,verb_class,"
        "noun,noun_class,all_nouns,all_noun_classes\n"
        "0,P01,P01_01,take pan,00:00:01.5,00:00:02,1,2,take,0,pan,0,['pan'],[0]\n"
        "1,P28,P28_01,take pan,00:00:01.5,00:00:02,1,2,take,0,pan,0,['pan'],[0]\n"
    )
    head = "uid,participant_id,video_id,start_timestamp,stop_timestamp,start_frame,stop_frame\n"
    stamps = head + "0,P01,P01_11,00:00:00,00:00:01,1,2\n"
    (tmp_path / "EPIC_test_s1_timestamps.csv").write_text(stamps)
    (tmp_path / "EPIC_test_s2_timestamps.csv").write_text(stamps.replace("\n0,P01,P01_11", "\n1,P09,P09_11"))
    aside = tuple(f"P{number}" for number in range(26, 32))
    listed = read_epic_kitchens(tmp_path, "action", aside)
    assert [(clip.whole[0], clip.split, clip.labels) for clip in listed.clips] == [
        ("P01_11", "test-seen", ()),
        ("P09_11", "test-unseen", ()),
        ("P01_01", "train", ("take pan",)),
        ("P28_01", "validation", ("take pan",)),
    ]
    assert not listed.faults


def test_epic_kitchens_clips_lie_in_long_videos_or_files_of_their_own(epic_100: Path, tmp_path: Path) -> None:
    media = tmp_path / "media"
    video(media / "P01" / "P01_01.MP4", seconds=6.0)
    video(media / "P18_01_1.mp4", seconds=1.5)
    video(media / "P09_01.mp4", seconds=6.0)
    how = EpicKitchensSettings(task="action", media=str(media))
    home, outcome = into(tmp_path / "p", "epic-kitchens", epic_100, epic_kitchens=how)
    said = {entry.id: entry for entry in home.manifest()}
    parts = [(part.name, part.start_seconds, part.end_seconds) for part in said["P01/P01_01"].segments]
    assert parts == [("take plate", 1.0, 2.5), ("put tap", 1.0, 2.5)]
    assert [label.name for label in said["P18_01_1"].labels] == ["take plate"]
    assert (said["P18_01_1"].split, said["P09_01"].split) == ("validation-unseen", "test")
    assert [part.name for part in said["P09_01"].segments] == ["(not told)"]
    assert home.vocabulary().names == ("take tap", "take plate", "put tap")
    assert outcome.imported.counts["clips_without_file"] == 1


def test_the_real_tables_of_epic_kitchens_100(shared: Path) -> None:
    folder = shared / "data" / "labels" / "epic_kitchens_100"
    listed = read_epic_kitchens(folder, "verb")
    assert len(listed.labels) == 97
    assert len(listed.clips) == 9668
    assert {clip.split for clip in listed.clips} == {"validation-seen", "validation-unseen"}
    assert sum(clip.split == "validation-unseen" for clip in listed.clips) == 1065
    assert not listed.faults
    assert len(read_epic_kitchens(folder, "noun").labels) == 300
    train = read_epic_kitchens(folder / "EPIC_100_uda_source_train.csv", "noun")
    assert {clip.split for clip in train.clips} == {"train"}
    assert len(train.clips) == train.counts["rows"] == 16115
