"""Windows of other lengths, rates and sizes, by way of an encoder that only looks at pixels, and of nets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from whenabouts.core.errors import SettingsError
from whenabouts.core.progress import Silent
from whenabouts.core.timing import nearest_frame
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.manifest import Entry
from whenabouts.data.project import Project
from whenabouts.media.probe import probe
from whenabouts.media.reader import VideoReader
from whenabouts.media.writing import Encoding, write_video
from whenabouts.nets.conv3d import r3d
from whenabouts.recognition.backbone import Backbone, BackboneSettings
from whenabouts.recognition.extraction import ExtractSettings, extract
from whenabouts.recognition.extraction_report import ExtractionReport
from whenabouts.recognition.window_encoder import SoundForm, WindowForm
from whenabouts.recognition.window_source import Windows, WindowSource
from whenabouts.training.devices import Compute

CPU = Compute(torch.device("cpu"), torch.float32)


FORM = WindowForm(pictures=4, rate=6.0, size=(16, 24))


@dataclass(frozen=True)
class Means:
    """An encoder from elsewhere: the mean of each picture's first pixel column, one number per picture and colour."""

    form: WindowForm = FORM
    modality: str = "means"
    source: str = "means@1"
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def vectors_on(self, compute: Compute) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
        def forward(windows: NDArray[Any]) -> NDArray[np.float32]:
            self.seen.append(windows.shape[1:])
            return windows[:, :, :, 0].mean(2).reshape(len(windows), -1).astype(np.float32)

        return forward


def extracted(entries: list[Entry], encoder: Any, folder: Path, **how: Any) -> FeatureStore:
    store, report = FeatureStore(folder / "features"), ExtractionReport(folder / "extraction.json")
    settings = ExtractSettings(batch=3, storage="float32", audio=False, **how)
    extract(entries, encoder, settings, store=store, report=report, compute=CPU, progress=Silent())
    return store


@pytest.mark.parametrize(
    ("how", "pictures", "rate"),
    [
        ({}, 4, 6.0),
        ({"window_seconds": 1.0}, 4, 4.0),
        ({"window_seconds": 1.0, "rate": 6.0}, 6, 6.0),
        ({"rate": 3.0}, 2, 3.0),
    ],
)
def test_windows_are_as_long_and_as_dense_as_asked(
    archive: Project, tmp_path: Path, how: dict[str, float], pictures: int, rate: float
) -> None:
    entry = list(archive.manifest())[3]
    store = extracted([entry], Means(), tmp_path, hop_seconds=0.7, **how)
    found = store.read(entry.id, "means")
    assert found.values.shape[1] == 3 * pictures
    assert found.grid.window_seconds == pytest.approx(pictures / rate)
    assert (found.grid.hop_seconds, found.source == "means@1") == (0.7, not how)
    frames = np.stack([pixels for _, pixels in VideoReader(entry.video.path, rate=rate, size=(16, 24))])
    for step in range(len(found)):
        first = nearest_frame(float(found.grid.begin(step)), rate)
        window = frames[np.clip(np.arange(first, first + pictures), 0, len(frames) - 1)]
        np.testing.assert_allclose(found.values[step], window[:, :, 0].mean(1).ravel(), rtol=1e-6)


def test_other_windows_are_not_taken_for_an_encoders_own(archive: Project, tmp_path: Path) -> None:
    entry = next(iter(archive.manifest()))
    sources = set()
    for how in ({}, {"window_seconds": 1.0}, {"short_side": 20}):
        store = extracted([entry], Means(), tmp_path, **how)
        sources.add(store.source("means"))
    assert len(sources) == 3
    assert all(source.partition("~")[0] == "means@1" for source in sources)


def test_each_video_keeps_its_shape_where_only_the_shorter_side_is_given(tmp_path: Path) -> None:
    entries = []
    for name, (height, width) in {"wide": (32, 64), "tall": (80, 40)}.items():
        pictures = (np.full((height, width, 3), 9 * k, np.uint8) for k in range(6))
        encoding = Encoding(options={"preset": "ultrafast", "threads": "1"})
        write_video(tmp_path / f"{name}.mp4", pictures, [k / 6 for k in range(6)], rate=Fraction(6), encoding=encoding)
        entries.append(Entry(probe(tmp_path / f"{name}.mp4")))
    own = Means(WindowForm(pictures=2, rate=6.0, size=20, crop=16, resize="bilinear"))
    extracted(entries, own, tmp_path / "own")
    assert set(own.seen) == {(2, 16, 16, 3)}
    whole = Means(own.form)
    extracted(entries, whole, tmp_path / "whole", whole=True)
    assert set(whole.seen) == {(2, 20, 40, 3), (2, 40, 20, 3)}
    sized = Means()
    extracted(entries, sized, tmp_path / "sized", short_side=10)
    assert set(sized.seen) == {(4, 10, 20, 3), (4, 20, 10, 3)}


@dataclass(frozen=True)
class Halved:
    """A rule of sizes that only an encoder's author could think of."""

    def of(self, height: int, width: int) -> tuple[int, int]:
        return height // 2, width // 4


def test_an_encoder_may_have_a_rule_of_its_own_for_sizes(archive: Project, tmp_path: Path) -> None:
    encoder = Means(WindowForm(pictures=2, rate=6.0, size=Halved()))
    entry = next(iter(archive.manifest()))
    extracted([entry], encoder, tmp_path)
    assert set(encoder.seen) == {(2, 16, 12, 3)}


@dataclass(frozen=True)
class Great(Means):
    """Vectors beyond what 16 bits hold, for windows that are bright."""

    scale: float = 1000.0

    def vectors_on(self, compute: Compute) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
        small = super().vectors_on(compute)
        return lambda windows: small(windows) * np.float32(self.scale)


def test_values_that_half_precision_can_not_hold_are_kept_whole(archive: Project, tmp_path: Path) -> None:
    entry = next(iter(archive.manifest()))
    kinds = {}
    for scale in (1.0, 1000.0):
        encoder = Great(scale=scale)
        store, report = FeatureStore(tmp_path / f"{scale}"), ExtractionReport(tmp_path / "extraction.json")
        how = ExtractSettings(audio=False)
        extract([entry], encoder, how, store=store, report=report, compute=CPU, progress=Silent())
        kinds[scale] = store.read(entry.id, "means").values
    assert (kinds[1.0].dtype, kinds[1000.0].dtype) == (np.float16, np.float32)
    np.testing.assert_allclose(kinds[1000.0], kinds[1.0].astype(np.float32) * 1000, rtol=1e-3)


def test_a_whole_picture_is_the_mean_over_all_places_of_the_net(archive: Project, tmp_path: Path) -> None:
    """The head is linear: scores of the mean are the mean of scores at every place of the maps."""
    shape = BackboneSettings(
        name="r3d", widths=(4, 8), blocks=(1, 1), input="rgb", frames=4, rate=6.0, height=32, width=48, crop=16
    )
    torch.manual_seed(8)
    backbone, entry = Backbone(shape, shape.build().eval()), next(iter(archive.manifest()))
    cropped = extracted([entry], backbone, tmp_path / "crop").read(entry.id, "rgb")
    whole = extracted([entry], backbone, tmp_path / "whole", whole=True).read(entry.id, "rgb")
    assert whole.source != cropped.source
    frames = np.stack([pixels for _, pixels in VideoReader(entry.video.path, rate=6.0, size=(32, 48))])
    first = nearest_frame(float(whole.grid.begin(1)), 6.0)
    clip = shape.transform().test(torch.from_numpy(frames[None, first : first + 4]))
    head = torch.randn(5, 8)
    with torch.inference_mode():
        maps = backbone.net.maps(clip)  # type: ignore[operator]
        middle = backbone.net(clip[..., 8:24, 16:32])
        dense = torch.nn.functional.conv3d(maps, head[:, :, None, None, None]).mean((2, 3, 4))
    torch.testing.assert_close(torch.from_numpy(whole.values[1:2]) @ head.T, dense, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(torch.from_numpy(cropped.values[1:2]), middle, rtol=1e-4, atol=1e-5)


def test_far_from_the_borders_a_net_sees_a_large_picture_as_it_sees_its_parts() -> None:
    """A net that sees 15 pixels: 4 places from the edge of a part no padding is seen, and maps are the same."""
    torch.manual_seed(2)
    net = r3d(widths=(4,), blocks=(1,)).eval()
    picture = torch.randn(1, 3, 3, 64, 96)
    with torch.inference_mode():
        whole = net.maps(picture)
        for top, left in ((0, 0), (16, 20), (32, 64)):
            part = net.maps(picture[..., top : top + 32, left : left + 32])
            theirs = whole[..., top // 2 : top // 2 + 16, left // 2 : left // 2 + 16]
            torch.testing.assert_close(part[..., 4:12, 4:12], theirs[..., 4:12, 4:12], rtol=1e-4, atol=1e-5)
            assert not torch.allclose(part, theirs, rtol=1e-4, atol=1e-5)  # the borders do differ


@dataclass(frozen=True)
class Sick(Means):
    """Vectors that are no numbers where the window's first pixel is bright."""

    def vectors_on(self, compute: Compute) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
        small = super().vectors_on(compute)
        return lambda windows: np.where(windows[:, :1, 0, 0, 0] > 127, np.nan, small(windows)).astype(np.float32)


def test_a_video_that_makes_no_numbers_is_told_and_stops_nothing(tmp_path: Path) -> None:
    entries = []
    for name, brightness in {"bright": 250, "dark": 3}.items():
        pictures = (np.full((32, 48, 3), brightness, np.uint8) for _ in range(12))
        encoding = Encoding(options={"preset": "ultrafast", "threads": "1"})
        write_video(tmp_path / f"{name}.mp4", pictures, [k / 6 for k in range(12)], rate=Fraction(6), encoding=encoding)
        entries.append(Entry(probe(tmp_path / f"{name}.mp4")))
    store = extracted(entries, Sick(), tmp_path)
    assert store.video_ids("means") == ("dark",)
    (row,) = ExtractionReport(tmp_path / "extraction.json").rows()
    assert (row["id"], row["status"], row["passing"]) == ("bright", "unreadable", True)
    assert row["reason"] == "means@1 makes nan of it at step 0, which is no feature"
    again = ExtractionReport(tmp_path / "extraction.json")
    assert not again.failed_before(entries[0].video)  # another net may make numbers of it


def test_large_pictures_come_in_smaller_batches_to_the_same_features(
    archive: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window of 4 x 32 x 48 pictures has 18,432 bytes: two of them fit, and one is never too much."""
    shape = BackboneSettings(name="r3d", widths=(4,), blocks=(1,), input="rgb", frames=4, rate=6.0, height=32, width=48)
    torch.manual_seed(8)
    backbone, entry = Backbone(shape, shape.build().eval()), next(iter(archive.manifest()))
    usual = extracted([entry], backbone, tmp_path / "usual", whole=True).read(entry.id, "rgb")
    for room, most in ((40_000, 2), (10, 1)):
        monkeypatch.setattr("whenabouts.recognition.windows.BATCH_BYTES", room)
        source = WindowSource(backbone.form, 0.5, 32, sound=False)  # type: ignore[arg-type]
        sizes = [len(piece.clips) for piece in source.read([(0, entry.video)]) if isinstance(piece, Windows)]
        assert (max(sizes), sum(sizes)) == (most, len(usual))
        bounded = extracted([entry], backbone, tmp_path / f"{room}", whole=True).read(entry.id, "rgb")
        np.testing.assert_allclose(bounded.values, usual.values, rtol=1e-5, atol=1e-6)


def test_windows_too_large_for_memory_are_refused_and_stop_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture 100 times as wide as high: known before it is decoded, told, and tried again with smaller pictures."""
    entries = []
    for name, (height, width) in {"long": (16, 1600), "usual": (32, 48)}.items():
        pictures = (np.full((height, width, 3), 9 * k, np.uint8) for k in range(6))
        encoding = Encoding(options={"preset": "ultrafast", "threads": "1"})
        write_video(tmp_path / f"{name}.mp4", pictures, [k / 6 for k in range(6)], rate=Fraction(6), encoding=encoding)
        entries.append(Entry(probe(tmp_path / f"{name}.mp4")))
    monkeypatch.setattr("whenabouts.recognition.window_source.WINDOW_BYTES", 1 << 20)
    encoder = Means(WindowForm(pictures=4, rate=6.0, size=40))
    store = extracted(entries, encoder, tmp_path)
    assert store.video_ids("means") == ("usual",)
    (row,) = ExtractionReport(tmp_path / "extraction.json").rows()
    assert (row["id"], row["status"]) == ("long", "unreadable")
    assert "4 pictures of 40 x 4000 pixels make a window of 2 MiB" in row["reason"]
    assert set(extracted(entries, encoder, tmp_path, short_side=20).video_ids("means")) == {"long", "usual"}
    assert ExtractionReport(tmp_path / "extraction.json").rows() == []


def test_windows_of_absurd_length_are_refused() -> None:
    with pytest.raises(SettingsError, match="windows of 1000000000 pictures; 4096 are the most"):
        ExtractSettings(rate=1000.0, window_seconds=1e6).form_of(FORM)
    with pytest.raises(SettingsError, match="rows of sound"):
        ExtractSettings(window_seconds=1e6).form_of(SoundForm())
