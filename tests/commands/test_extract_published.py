"""`whenabouts extract --backbone`: published nets, small here, as streams of a project, beside each other."""

import json
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from whenabouts.cli import app
from whenabouts.core.errors import ProjectError, SettingsError
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.media.probe import probe
from whenabouts.media.writing import Encoding, Sound, write_video
from whenabouts.nets.conv2d import ResNet2D
from whenabouts.nets.conv3d import R2Plus1D
from whenabouts.nets.slowfast import slowfast_of
from whenabouts.recognition import published_backbone, published_list, published_sound
from whenabouts.recognition.clip_preparation import ClipPreparation
from whenabouts.recognition.downloads import Download
from whenabouts.recognition.published_list import PUBLISHED
from whenabouts.recognition.sound_settings import SoundSettings

TINY: dict[str, Any] = {"widths": (8, 16), "blocks": (1, 1)}
CLIPS = ClipPreparation(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.2), resize=20, crop=16, frames=4, stride=2, rate=24.0)


def run(*words: object) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*map(str, words), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def failure(*words: object) -> BaseException | None:
    return CliRunner().invoke(app, list(map(str, words))).exception


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fill: Any) -> dict[str, Path]:
    """Files in published layouts, by the golden README's rule, of small nets in the published ones' places."""
    made = {}
    nets = {
        "r2plus1d_18": lambda: R2Plus1D(**TINY),
        "slowfast_50_8x8_pytorchvideo": lambda: slowfast_of((1, 1), widths=(8, 16)),
        "resnet_18_imagenet": lambda: ResNet2D(**TINY, stem=8),
    }
    shapes = {"r2plus1d_18": "r2plus1d_18", "slowfast_50_8x8": "slowfast_50_8x8_pytorchvideo"}
    shapes |= {"resnet_18": "resnet_18_imagenet"}
    for short, name in shapes.items():
        entry = replace(PUBLISHED[name], build=nets[name], classes=5, clips=CLIPS)
        monkeypatch.setitem(published_list.PUBLISHED, name, entry)
        stem = {"stem": 8} if short == "resnet_18" else {}
        monkeypatch.setitem(published_backbone._SHAPES, short, {**published_backbone._SHAPES[short], **TINY, **stem})
        net = entry.build()
        weights = {key: tuple(tensor.shape) for key, tensor in net.state_dict().items()}
        weights |= {"fc.weight": (5, net.width), "fc.bias": (5,)}
        theirs = {}
        for ours, given in entry.layout(list(weights)).items():
            counter = ours.endswith("num_batches_tracked")
            theirs[given] = torch.tensor(7) if counter else torch.from_numpy(fill(ours, weights[ours]).copy())
        made[name] = tmp_path / f"{name}.pth"
        torch.save(theirs if "video" not in name else {"model_state": theirs}, made[name])
    sound = SoundSettings(widths=(2, 4), blocks=(1, 2), hidden=(6,), embedding=5, norm=False, rectified=True)
    known = (sound, Download("https://no.where/vggish.pth"), "Apache-2.0")
    monkeypatch.setitem(published_sound.PUBLISHED_SOUND, "vggish_audioset", known)
    made["vggish_audioset"] = tmp_path / "vggish.pth"
    torch.save(sound.build().state_dict(), made["vggish_audioset"])
    return made


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two videos, one of them with sound."""
    home = Project.create(tmp_path / "project")
    entries = []
    for number in range(2):
        path, random = home.folder / "media" / f"{number}.mp4", np.random.default_rng(number)
        pictures = (random.integers(0, 255, (32, 48, 3)).astype(np.uint8) for _ in range(18))
        sound = Sound(random.normal(0, 0.1, 24000).astype(np.float32)) if number else None
        write_video(
            path, pictures, [k / 12 for k in range(18)], rate=Fraction(12),
            encoding=Encoding(options={"preset": "ultrafast", "threads": "1"}), sound=sound,
        )  # fmt: skip
        entries.append(Entry(probe(path)))
    home.write_manifest(Manifest(tuple(entries)))
    return home


def test_streams_of_several_published_nets_stand_beside_each_other(project: Project, files: dict[str, Path]) -> None:
    home = ("--project", project.folder, "--device", "cpu")

    def taken(name: str, *more: str) -> dict[str, Any]:
        return run("extract", "--backbone", files[name], "--architecture", name, *more, *home)

    first = taken("r2plus1d_18", "--modality", "r2plus1d")
    assert (first["written"], list(first["streams"])) == (2, ["r2plus1d"])
    assert taken("slowfast_50_8x8_pytorchvideo")["written"] == 2
    assert taken("vggish_audioset")["written"] == 1
    store = project.features()
    assert store.modalities() == ("audio", "r2plus1d", "rgb", "sound")
    assert [store.width(name) for name in ("r2plus1d", "rgb", "sound")] == [16, 72, 5]
    assert store.video_ids("audio") == store.video_ids("sound") == ("1",)
    assert list(project.backbones()) == ["rgb", "r2plus1d", "sound"]
    assert project.extraction_reports().keys() == {"rgb", "r2plus1d", "sound"}

    files["r2plus1d_18"].unlink()  # what was taken stands in the project
    assert taken("r2plus1d_18", "--modality", "r2plus1d")["done_before"] == 2
    again = run("extract", *home)
    assert {name: row["done_before"] for name, row in again["streams"].items()} == {"rgb": 2, "r2plus1d": 2, "sound": 2}
    CliRunner().invoke(app, ["check", "--project", str(project.folder)])  # It stops at the missing vocabulary.
    told = json.loads((project.reports_folder / "check.json").read_text())
    assert told["figures"]["features"].keys() == {"audio", "r2plus1d", "rgb", "sound"}
    assert not [row for row in told["findings"] if row["topic"] in ("features", "models")]


def test_another_backbone_needs_a_stream_of_its_own(project: Project, files: dict[str, Path]) -> None:
    home = ("--project", project.folder, "--device", "cpu")
    run("extract", "--backbone", files["r2plus1d_18"], "--architecture", "r2plus1d_18", *home)
    given = ("--backbone", files["slowfast_50_8x8_pytorchvideo"], "--architecture", "slowfast_50_8x8_pytorchvideo")
    error = failure("extract", *given, *home)
    assert isinstance(error, ProjectError)
    assert "Give the new one a stream of its own (--modality NAME)" in str(error)
    copy = ("--backbone", project.backbone_folder, "--modality", "copy")
    assert run("extract", *copy, *home)["streams"]["copy"]["written"] == 2


def test_a_copy_of_a_project_is_gathered_and_strange_folders_are_no_backbones(
    project: Project, files: dict[str, Path], tmp_path: Path
) -> None:
    copy = Project(shutil.copytree(project.folder, tmp_path / "copy"))
    given = ("--backbone", files["r2plus1d_18"], "--architecture", "r2plus1d_18", "--device", "cpu")
    assert run("extract", "--project", copy.folder, *given, "--shard", "1/2")["written"] == 1
    assert run("extract", "--project", project.folder, *given, "--shard", "2/2")["written"] == 1
    taken = run("extract", "--project", project.folder, "--gather", copy.folder)["taken"]
    assert taken in (1, 2)  # a video, and perhaps its sound
    (project.models_folder / "backbone-my stream").mkdir()
    again = run("extract", "--project", project.folder, "--device", "cpu")
    assert (again["done_before"], list(again["streams"])) == (2, ["rgb"])


def test_what_is_no_backbone_is_told_with_the_nearest_name(project: Project, files: dict[str, Path]) -> None:
    def told(*words: object) -> str:
        error = failure("extract", *words, "--project", project.folder)
        assert isinstance(error, SettingsError | ProjectError), error
        return str(error)

    assert "Did you mean 'r2plus1d_34_ig65m_32f'?" in told("--backbone", "r2plus1d_34_ig65m_32")
    assert "Add --architecture" in told("--backbone", files["r2plus1d_18"])
    assert "There is no file" in told("--backbone", "none.pth", "--architecture", "r2plus1d_18")
    assert "Add --backbone FILE" in told("--architecture", "r2plus1d_18")
    assert "no backbone makes it" in told("--modality", "other")
    assert "Write i/N" in told("--shard", "")
    assert "leave out --modality" in told("--gather", project.folder, "--shard", "1/2")
    assert "can't be called 'a/b'" in told(
        "--backbone", files["r2plus1d_18"], "--architecture", "r2plus1d_18", "--modality", "a/b"
    )
    names = run("extract", "--backbone", "list")["published"]
    assert {"r2plus1d_34_ig65m_32f", "slowfast_101_8x8_pytorchvideo", "vggish_audioset"} <= set(names)


def test_a_net_on_clips_is_trained_from_a_published_one_on_pictures(project: Project, files: dict[str, Path]) -> None:
    entries = [Entry(entry.video, (WeakLabel(name),)) for entry, name in zip(project.manifest(), "ab", strict=True)]
    project.write_manifest(Manifest(tuple(entries)))
    project.write_vocabulary(Vocabulary(("a", "b")))
    name = "resnet_18_imagenet"
    words = ("pretrain", "--project", project.folder, "--device", "cpu", "--start", files[name], "--architecture", name)
    small = ("--set", "pretrain.steps=1", "--set", "pretrain.batch=2")
    told = run(*words, *small, "--set", "backbone.name=r3d", "--set", "backbone.frames=4", "--spread", "centre")
    assert told["source"].startswith("r3d@")
    card = json.loads((project.backbone_folder / "card.json").read_text())
    assert card["began_from"].startswith("resnet@")
    assert card["preprocessing"]["mean"] == [0.4, 0.5, 0.6]
    assert (card["preprocessing"]["crop"], card["preprocessing"]["own_shape"]) == (16, False)
    assert run("extract", "--project", project.folder, "--device", "cpu")["written"] == 2
