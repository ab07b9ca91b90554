"""An archive that grows: new videos join, changed ones are done again, removed ones go, and nobody reads the rest."""

import json
import os
import shutil
import sys
from pathlib import Path

import av
import pytest

from whenabouts import cli
from whenabouts.core.progress import Silent
from whenabouts.data.demo.archive import DemoArchive, render_archive
from whenabouts.data.demo.plan import DemoArchiveSettings
from whenabouts.data.doctor.check import check_project
from whenabouts.data.project import Project

TINY = DemoArchiveSettings(
    short_videos=4, long_videos=4, test_videos=1, short_seconds=(3, 4), long_seconds=(8, 9), moment_seconds=(1.5, 2.5),
    width=64, height=48, missing_tags=0, wrong_tags=0,
)  # fmt: skip
BACKBONE = ["backbone.widths=[4]", "backbone.blocks=[1]", "backbone.stem=4", "backbone.short_side=16",
            "backbone.frames=4", "pretrain.steps=2", "pretrain.batch=4"]  # fmt: skip
LOCALIZER = ["train.epochs=2"]
LATE = ("clip-0003", "long-0003")


class Archive:
    """A project and its archive, of which two videos come late."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        made: DemoArchive = render_archive(folder / "made", settings=TINY, seed=3, progress=Silent(), workers=1)
        self.made, self.videos, self.project = made, folder / "videos", Project(folder / "project")
        shutil.copytree(made.train_folder, self.videos, ignore=shutil.ignore_patterns(*(f"{name}.*" for name in LATE)))
        self.concepts = ",".join(made.concepts)

    def run(self, verb: str, *words: object) -> dict[str, object]:
        """What a verb tells under --json."""
        before = sys.argv
        sys.argv = ["whenabouts", verb, *map(str, words), "--project", str(self.project.folder), "--json"]
        try:
            with pytest.raises(SystemExit) as left:
                cli.main()
        finally:
            sys.argv = before
        told = self.capsys.readouterr()
        self.said = told.err
        assert not left.value.code, told.err
        result: dict[str, object] = json.loads(told.out)
        return result

    def imported(self) -> dict[str, object]:
        return self.run("import", "ytdlp", self.videos, "--concepts", self.concepts, "--min-count", 1)

    def pretrained(self) -> dict[str, object]:
        return self.run("pretrain", *(word for setting in BACKBONE for word in ("--set", setting)))

    def trained(self) -> dict[str, object]:
        return self.run("train", *(word for setting in LOCALIZER for word in ("--set", setting)))

    def findings(self, topic: str) -> list[str]:
        report = check_project(self.project.folder, frames=False, progress=Silent())
        return [one.text for one in report.findings if one.topic == topic]

    def features(self) -> dict[str, bytes]:
        store = self.project.features()
        return {name: store.read(name, "rgb").values.tobytes() for name in store.video_ids("rgb")}


def spoiled(folder: Path) -> None:
    """Zeros in place of every video, under the same size and time: whoever reads one of them again, fails."""
    for path in folder.glob("*.mp4"):
        status = path.stat()
        path.write_bytes(bytes(status.st_size))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.fixture
def grown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Archive:
    """A project on which the whole road was gone, before anything comes or goes."""
    archive = Archive(tmp_path, capsys)
    archive.imported()
    archive.pretrained()
    assert archive.run("extract")["written"] == 6
    archive.trained()
    archive.run("find")
    return archive


def test_new_videos_join_and_nobody_reads_the_old(grown: Archive) -> None:
    before = grown.features()
    assert grown.findings("moments") == []
    spoiled(grown.videos)
    for name in LATE:
        for path in grown.made.train_folder.glob(f"{name}.*"):
            shutil.copy(path, grown.videos)
    figures = grown.imported()
    assert (figures["new"], figures["changed"], figures["unreadable"], figures["videos_in_project"]) == (2, 0, 0, 8)
    grown.run("find")
    assert "Left out: 2 without features." in grown.said
    done = grown.run("extract")
    assert (done["written"], done["done_before"], done["unreadable"]) == (2, 6, 0)
    after = grown.features()
    assert {name: after[name] for name in before} == before
    assert sorted(after.keys() - before.keys()) == sorted(LATE)
    assert grown.findings("moments") == [
        "moments are stale; since they were found: new videos: 2. Run `whenabouts find` again."
    ]
    assert "for training since: new videos: 2. Run `whenabouts train` again." in " ".join(grown.findings("models"))
    grown.run("find")
    assert "Since moments were last found: new videos: 2." in grown.said
    assert "For training since the model was made: new videos: 2." in grown.said
    assert grown.trained()["videos"] == 8
    assert grown.run("find")["videos"] == 8
    assert "Since moments were last found: the model changed." in grown.said
    assert grown.findings("moments") == []
    done = grown.run("extract")
    assert (done["written"], done["done_before"]) == (0, 8)


def test_a_changed_video_is_done_again_and_a_removed_one_goes(grown: Archive) -> None:
    before = grown.features()
    shutil.copy(grown.made.train_folder / f"{LATE[1]}.mp4", grown.videos / "long-0000.mp4")
    for path in grown.videos.glob("long-0001.*"):
        path.unlink()
    assert "changed since the import: 1 of 6" in " ".join(grown.findings("files"))
    figures = grown.imported()
    assert (figures["changed"], figures["removed"]) == (1, 1)
    assert grown.findings("moments") == [
        "moments are stale; since they were found: removed videos: 1; changed videos without new features: 1. "
        "Run `whenabouts find` again."
    ]
    assert grown.run("find")["videos"] == 4
    assert grown.trained()["videos"] == 4
    done = grown.run("extract")
    assert (done["written"], done["done_before"]) == (1, 4)
    after = grown.features()
    assert [name for name in before if after[name] != before[name]] == ["long-0000"]
    assert grown.trained()["videos"] == 5
    assert grown.run("find")["videos"] == 5
    found = json.loads((grown.project.moments_folder / "moments.json").read_text())["results"]
    assert sorted(found) == ["clip-0000", "clip-0001", "clip-0002", "long-0000", "long-0002"]
    assert not (grown.project.moments_folder / "vtt" / "long-0001.vtt").exists()


def test_another_backbone_is_told_and_all_is_extracted_again(grown: Archive) -> None:
    shutil.rmtree(grown.project.cache_folder)
    BACKBONE_SEED = ("--seed", 7)
    grown.run("pretrain", *(word for setting in BACKBONE for word in ("--set", setting)), *BACKBONE_SEED)
    told = " ".join(grown.findings("moments") + grown.findings("models"))
    assert "since they were found: the backbone changed" in told
    assert "Run `whenabouts extract`." in told
    grown.run("find")
    assert "run `whenabouts extract`, then train." in " ".join(grown.said.split())
    assert grown.run("extract")["written"] == 6
    assert "was trained on rgb features of" in " ".join(grown.findings("models"))


def test_a_video_whose_sound_cannot_be_decoded_is_done_once(grown: Archive) -> None:
    path = grown.videos / "long-0000.mp4"
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    with path.open("rb+") as file:
        for place, size in packets:
            file.seek(place)
            file.write(b"\xff" * size)
    grown.imported()
    assert grown.project.manifest().by_id("long-0000").video.has_audio
    done = grown.run("extract")
    assert (done["written"], done["done_before"]) == (1, 5)
    assert len(grown.project.features().read("long-0000", "audio")) == 0
    done = grown.run("extract")
    assert (done["written"], done["done_before"]) == (0, 6)
    assert grown.trained()["videos"] == 6
    assert grown.run("find")["videos"] == 6
