"""Backbones of sound: their windows in time, their training, published weights, and the stream that they make."""

import dataclasses
import importlib
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import whenabouts
from whenabouts.config import as_table
from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.progress import Silent
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.media.audio import stream_audio
from whenabouts.media.mel import LOG_OFFSET, log_mel
from whenabouts.media.probe import probe
from whenabouts.media.writing import Encoding, Sound, write_video
from whenabouts.recognition import published_sound as published
from whenabouts.recognition import sound_source
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.downloads import Download
from whenabouts.recognition.extraction import ExtractSettings, extract
from whenabouts.recognition.extraction_report import ExtractionReport
from whenabouts.recognition.labelled_videos import labelled_videos
from whenabouts.recognition.pretrain_settings import PretrainSettings
from whenabouts.recognition.pretraining import Run, pretrain_to
from whenabouts.recognition.published import load_backbone, published_backbone
from whenabouts.recognition.sound_settings import SoundSettings
from whenabouts.recognition.sound_source import SoundSource
from whenabouts.recognition.window_encoder import SoundForm
from whenabouts.recognition.window_source import End, Windows
from whenabouts.training.devices import Compute

CPU = Compute(torch.device("cpu"), torch.float32)
SMALL = SoundSettings(widths=(4, 8), blocks=(1, 1), hidden=(8,), embedding=6, rows=32)
SILENCE = math.log(LOG_OFFSET)


def write(path: Path, seconds: float, wave: np.ndarray | None) -> Entry:
    """A small still video with a wave of 16 kHz, or without."""
    times = [k / 6 for k in range(round(6 * seconds))]
    pictures = (np.full((16, 24, 3), 90, np.uint8) for _ in times)
    encoding = Encoding(options={"preset": "ultrafast", "threads": "1"})
    sound = None if wave is None else Sound(wave.astype(np.float32))
    write_video(path, pictures, times, rate=Fraction(6), encoding=encoding, sound=sound)
    return Entry(probe(path))


def tone(seconds: float, hertz: float) -> np.ndarray:
    return 0.5 * np.sin(np.arange(round(16000 * seconds)) * (2 * np.pi * hertz / 16000))


def cut(entry: Entry, form: SoundForm, hop: float) -> tuple[np.ndarray, End]:
    *batches, end = list(SoundSource(form, hop, 3).read([(0, entry.video)]))
    assert isinstance(end, End)
    return np.concatenate([piece.clips for piece in batches if isinstance(piece, Windows)]), end


def test_vggishs_own_patches_follow_each_other_without_gap(tmp_path: Path) -> None:
    """96 rows each 0.96 s are the spectrogram cut into pieces, as VGGish's authors frame it; the rest is silence."""
    entry = write(tmp_path / "a.mp4", 4.0, np.random.default_rng(1).normal(0, 0.1, 16000 * 3))
    found, end = cut(entry, SoundForm(rows=96), 0.96)
    rows = log_mel(np.concatenate(list(stream_audio(tmp_path / "a.mp4"))))
    assert end.finished.grid is not None
    assert (end.finished.grid.start_seconds, end.finished.grid.window_seconds) == (0.0, 0.96)
    assert len(found) == end.finished.grid.steps == 4
    whole = found.reshape(-1, 64)
    np.testing.assert_array_equal(whole[: len(rows)], rows)
    assert (whole[len(rows) :] == np.float32(SILENCE)).all()


@pytest.mark.parametrize(("rows", "hop"), [(96, 0.5), (32, 0.25), (20, 0.7), (96, 0.03)])
def test_each_window_is_where_its_grid_says(tmp_path: Path, rows: int, hop: float) -> None:
    entry = write(tmp_path / "a.mp4", 3.0, np.random.default_rng(2).normal(0, 0.1, 16000 * 3))
    found, end = cut(entry, SoundForm(rows=rows), hop)
    spectrogram, grid = log_mel(np.concatenate(list(stream_audio(tmp_path / "a.mp4")))), end.finished.grid
    assert grid is not None
    assert len(found) == grid.steps
    for step, window in enumerate(found):
        first = round(float(grid.begin(step)) * 100)
        wanted = np.full((rows, 64), SILENCE, np.float32)
        for row in range(rows):
            if 0 <= first + row < len(spectrogram):
                wanted[row] = spectrogram[first + row]
        np.testing.assert_array_equal(window, wanted)


def extracted(entries: list[Entry], backbone: Backbone, folder: Path, **how: object) -> tuple[FeatureStore, dict]:  # type: ignore[type-arg]
    store, report = FeatureStore(folder / "features"), ExtractionReport(folder / "extraction-sound.json")
    settings = ExtractSettings(batch=3, storage="float32", **how)  # type: ignore[arg-type]
    done = extract(entries, backbone, settings, store=store, report=report, compute=CPU, progress=Silent())
    return store, {**done.to_json(), "rows": report.rows()}


def test_silent_deaf_and_broken_videos_are_told_apart_and_done_once(tmp_path: Path) -> None:
    torch.manual_seed(1)
    backbone = Backbone(SMALL, SMALL.build().eval())
    entries = [write(tmp_path / "loud.mp4", 2.0, tone(2, 440)), write(tmp_path / "mute.mp4", 2.0, None)]
    (tmp_path / "text.mp4").write_text("not a video")
    entries.append(Entry(probe(tmp_path / "text.mp4")))
    store, told = extracted(entries, backbone, tmp_path)
    assert (told["written"], told["done_before"]) == (1, 1)  # there is nothing to do for a video without sound
    assert [(row["id"], row["status"]) for row in told["rows"]] == [("text", "unreadable")]
    found = store.read("loud", "sound")
    assert (found.width, found.source, found.grid.steps) == (6, backbone.source, 4)
    assert store.modalities() == ("sound",)
    again = extracted(entries, backbone, tmp_path)[1]
    assert (again["written"], again["done_before"], again["failed_before"]) == (0, 2, 1)


CRASHING = """
import os, signal
from whenabouts.recognition.clip_parts import sound_window_parts as real

def sound_window_parts(path, **how):
    for number, part in enumerate(real(path, **how)):
        yield part
        if number == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
"""


def test_a_decoder_that_crashes_amid_the_sound_ends_one_video_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crashing_sound.py").write_text(CRASHING)
    monkeypatch.syspath_prepend(str(tmp_path))
    torch.manual_seed(1)
    backbone = Backbone(SMALL, SMALL.build().eval())
    entry = write(tmp_path / "long.mp4", 21.0, tone(21, 440))  # more than one block of rows
    monkeypatch.setattr(
        sound_source, "sound_window_parts", importlib.import_module("crashing_sound").sound_window_parts
    )
    store, told = extracted([entry], backbone, tmp_path)
    assert [(row["status"], "SIGSEGV" in row["reason"]) for row in told["rows"]] == [("partial", True)]
    assert 0.4 < told["rows"][0]["coverage"] < 0.6
    found = store.read("long", "sound")
    assert len(found) == 42
    np.testing.assert_array_equal(found.values[25:], np.repeat(found.values[25:26], 17, axis=0))  # silence


def test_other_windows_have_another_source(tmp_path: Path) -> None:
    torch.manual_seed(1)
    entry = write(tmp_path / "loud.mp4", 2.0, tone(2, 440))
    backbone = Backbone(dataclasses.replace(SMALL, rows=40), dataclasses.replace(SMALL, rows=40).build().eval())
    with pytest.raises(SettingsError, match=r"Leave out extract\.window_seconds"):
        extracted([entry], backbone, tmp_path / "longer", window_seconds=0.5)
    store, _ = extracted([entry], backbone, tmp_path, hop_seconds=0.2)
    assert store.source("sound") == backbone.source


def test_a_net_of_sound_learns_the_labels_of_videos(tmp_path: Path) -> None:
    """High and low tones; one video has no sound, and one of the wrong kind of file is told of."""
    entries = []
    for number in range(6):
        wave = tone(1.5, (300, 2400)[number % 2] * (1 + 0.05 * number))
        entry = write(tmp_path / f"{number}.mp4", 1.5, wave)
        entries.append(dataclasses.replace(entry, labels=(WeakLabel(("low", "high")[number % 2]),)))
    entries.append(dataclasses.replace(write(tmp_path / "mute.mp4", 1.5, None), labels=(WeakLabel("low"),)))
    words = Vocabulary(("low", "high"))
    videos = labelled_videos(Manifest(tuple(entries)), words)
    plan = PretrainSettings(steps=40, batch=8, warmup=2, learning_rate=0.01)
    run = Run(tmp_path / "cache", CPU, progress=Silent())
    trained = pretrain_to(tmp_path / "backbone", videos, words, SMALL, plan, run)
    assert (trained.videos, trained.broken) == (6, ())
    backbone = Backbone.load(tmp_path / "backbone")
    assert (backbone.settings, backbone.modality, backbone.source) == (SMALL, "sound", trained.backbone.source)
    store, _ = extracted(entries, backbone, tmp_path)
    assert backbone.fc is not None
    for number in range(6):
        values = torch.from_numpy(store.read(str(number), "sound").values)
        with torch.inference_mode():
            scores = backbone.fc(values)[1:-1]  # whole windows: the first and the last hold silence
        assert (scores.argmax(1) == number % 2).all()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small net in torchvggish's layout, filled by a rule, in the place of the published one."""
    shape = SoundSettings(widths=(2, 4), blocks=(1, 2), hidden=(6,), embedding=5, norm=False, rectified=True)
    monkeypatch.setitem(published.PUBLISHED_SOUND, "vggish_audioset", (shape, Download("https://no.where/a.pth"), "x"))
    torch.manual_seed(4)
    torch.save(shape.build().state_dict(), tmp_path / "vggish-10086976.pth")
    return tmp_path / "vggish-10086976.pth"


def test_a_published_file_becomes_a_projects_backbone(file: Path, tmp_path: Path) -> None:
    weights = torch.load(file, weights_only=True)
    beside = {"pproc.pca_matrix": torch.eye(5), "pproc.pca_means": torch.zeros(5, 1)}
    torch.save(weights | beside, file)
    backbone = published_backbone("vggish_audioset", path=file)
    backbone.save(tmp_path / "backbone")
    found = Backbone.load(tmp_path / "backbone")
    assert as_table(found.settings)["rectified"] is True
    for name, tensor in found.net.state_dict().items():
        assert torch.equal(tensor, weights[name])


@pytest.mark.parametrize("harm", ["missing", "strange", "shape", "nan"])
def test_a_file_that_is_not_this_net_is_refused(file: Path, harm: str) -> None:
    weights = torch.load(file, weights_only=True)
    if harm == "missing":
        del weights["embeddings.2.bias"]
    elif harm == "strange":
        weights["classifier.weight"] = torch.zeros(2)
    elif harm == "shape":
        weights["features.0.weight"] = torch.zeros(2, 3, 3, 3)
    else:
        weights["features.0.bias"][0] = float("nan")
    torch.save(weights, file)
    with pytest.raises(InvalidData, match=r"only in one of|are not finite|has shape"):
        load_backbone("vggish_audioset", path=file)


def test_every_published_name_loads_by_one_function(file: Path) -> None:
    """Sound as the authors cut it: patches of 0.96 s one after the other, what is left over at the end left out."""
    weights = torch.load(file, weights_only=True)
    torch.save(weights | {"pproc.pca_means": torch.zeros(5, 1)}, file)
    found = whenabouts.load_backbone("vggish_audioset", path=file)
    assert isinstance(found, published.PublishedSound)
    assert (found.name, found.licence, found.report.unused) == ("vggish_audioset", "x", ("pproc.pca_means",))
    assert set(found.report.loaded) == set(weights)
    wave = tone(2.5, 440.0)
    patches = found.clips(wave)
    assert patches.shape == (2, 1, 96, 64)
    rows = log_mel(wave)
    np.testing.assert_array_equal(patches[1, 0].numpy(), rows[96:192])
    with torch.inference_mode():
        features = found.net(patches)
    assert features.shape == (2, 5)
    for odd in (wave[:4000], wave[None], (wave * 32767).astype(np.int16)):
        with pytest.raises(InvalidData):
            found.clips(odd)
