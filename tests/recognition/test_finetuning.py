"""A classifier on real small files: what is learned, how it is chosen, what is not lost on the way."""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from whenabouts.config import load
from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.files import read_json
from whenabouts.core.labels import VideoLabels
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.manifest import Entry, Manifest, RatedSegment, WeakLabel
from whenabouts.data.project import Project
from whenabouts.media.probe import probe
from whenabouts.recognition.backbone import Backbone, BackboneSettings, ClipClassifier
from whenabouts.recognition.clip_testing import ClipTester, uniform_starts
from whenabouts.recognition.finetune_settings import Choice, FinetuneSettings
from whenabouts.recognition.finetuning import Finetuned, clear, finetune, named, target_of
from whenabouts.recognition.pretraining import Run
from whenabouts.recognition.target_draws import TargetDraws, targets_of
from whenabouts.recognition.target_examples import Cut, Example, cuts_of, examples_of, split_off
from whenabouts.recognition.trials import Trial, Trials, best_of
from whenabouts.recognition.tuning import Target
from whenabouts.training.devices import Compute
from whenabouts.training.linear import logistic_regression

CPU = Compute(torch.device("cpu"), torch.float32)
SHAPE = BackboneSettings(
    name="r3d", widths=(8, 16), blocks=(1, 1), frames=6, rate=6.0, short_side=24, height=24, width=36
)
HOW = FinetuneSettings(
    epochs=40.0, batch=12, learning_rates=(1e-5, 1e-2), colour=0.1, held_out=0.25, checkpoint_every=20, test_clips=4
)
SHORT = dataclasses.replace(HOW, epochs=4.0, batch=6, learning_rates=(1e-3, 1e-2), checkpoint_every=2, test_clips=2)


class Stopped(Exception):
    """Stands for a kill."""


def run_in(cache: Path, **more: object) -> Run:
    return Run(cache / "finetune", CPU, seed=2, workers=1, **more)


def tuned(project: Project, cache: Path, how: FinetuneSettings, **more: object) -> tuple[Finetuned, Target]:
    run = run_in(cache, **more)
    target = target_of(project.manifest().of_split("train"), project.vocabulary(), SHAPE, how, run)
    return finetune(target, SHAPE, how, run), target


def cut_of(frames: np.ndarray, labels: list[int], name: str = "a") -> Cut:
    """A cut of frames in memory: what fine-tuning reads of the cache is `read` and the number of frames."""

    class Memory:
        path = Path(name)
        frames_there = frames

        def read(self, first: int, stop: int) -> np.ndarray:
            return self.frames_there[first:stop]

    video = Video(name, Path(name))
    return Cut(Example(video, VideoLabels.of(labels)), Memory(), 0, len(frames))  # type: ignore[arg-type]


def test_the_better_rate_is_chosen_and_the_test_videos_are_named(archive: Project, tmp_path: Path) -> None:
    found, _ = tuned(archive, tmp_path, HOW)
    assert found.chosen == Choice(1e-2, 0.01)
    assert [trial.choice.learning_rate for trial in found.trials] == [1e-5, 1e-2]
    assert found.useless == ""
    assert (found.examples, found.held_out) == (12, 3)
    manifest = archive.manifest()
    truth = [("going left", "going right")[int(entry.id[-2:]) % 2] for entry in manifest.of_split("test")]
    entries = [
        dataclasses.replace(entry, labels=(WeakLabel(name),))
        for entry, name in zip(manifest.of_split("test"), truth, strict=True)
    ]
    run = run_in(tmp_path)
    target = target_of(entries, archive.vocabulary(), SHAPE, HOW, run)
    tested = named(target, found.backbone, HOW, run)
    assert tested.measured is not None
    assert tested.measured.top[1] > 0.85
    rows = tested.rows()
    assert [row["labels"] for row in rows] == [[name] for name in truth]
    assert rows[0]["top"][0][1] == pytest.approx(tested.probabilities[0].max(), abs=1e-6)
    unnamed = named(
        target_of(manifest.of_split("test"), archive.vocabulary(), SHAPE, HOW, run), found.backbone, HOW, run
    )
    assert unnamed.to_json() == {"named": 8, "without_label": 8, "without_frames": 0, "broken": []}
    np.testing.assert_array_equal(unnamed.probabilities, tested.probabilities)
    found.save(tmp_path / "classifier", run)
    again = Backbone.load(tmp_path / "classifier")
    assert again.source == found.backbone.source
    np.testing.assert_array_equal(named(target, again, HOW, run).probabilities, tested.probabilities)


def test_fc_only_leaves_the_net_and_solves_for_its_classifier(archive: Project, tmp_path: Path) -> None:
    start, _ = tuned(archive, tmp_path / "one", dataclasses.replace(HOW, learning_rates=(1e-2,)))
    how = dataclasses.replace(HOW, tune="fc", penalties=(1e-3, 1e3), feature_clips=4)
    found, target = tuned(archive, tmp_path / "two", how, start=start.backbone)
    for name, tensor in start.backbone.net.state_dict().items():
        assert torch.equal(tensor, found.backbone.net.state_dict()[name])
    assert found.chosen.penalty == 1e-3
    assert found.useless == ""
    # Held-out figures from kept features are those of a test.
    apart = dataclasses.replace(how, feature_clips=3)
    other, _ = tuned(archive, tmp_path / "three", apart, start=start.backbone)
    assert [trial.measured["top1"] for trial in other.trials] == pytest.approx(
        [trial.measured["top1"] for trial in found.trials], abs=0.35
    )
    assert found.learned.history[0]["slope"] < 1e-5
    mean, _ = tuned(archive, tmp_path / "two", dataclasses.replace(how, mean_features=True), start=start.backbone)
    assert not torch.equal(mean.backbone.tensors()["fc.weight"], found.backbone.tensors()["fc.weight"])
    features = ClipTester(ClipClassifier(start.backbone.net, 2), SHAPE, how, CPU).features(target.cuts[:2], 4)
    assert features[0].shape == (4, 16)
    held, _ = tuned(archive, tmp_path / "four", dataclasses.replace(how, penalties=(1e5,)), start=start.backbone)
    assert "Lower finetune.penalties" in held.useless


def test_fc_only_solves_for_each_of_several_labels_alone(archive: Project, tmp_path: Path) -> None:
    """A video goes left or right and, of three, one is striped: what the others are changes nothing of a label."""
    entries = [
        dataclasses.replace(entry, labels=(*entry.labels, WeakLabel("striped"))) if number % 3 == 0 else entry
        for number, entry in enumerate(archive.manifest().of_split("train"))
    ]
    how = dataclasses.replace(SHORT, tune="fc", penalties=(1e-2,), labels="several", feature_clips=2)
    run, vocabulary = run_in(tmp_path), Vocabulary((*archive.vocabulary().names, "striped"))
    target = target_of(entries, vocabulary, SHAPE, how, run)
    found = finetune(target, SHAPE, how, run)
    fc = found.backbone.fc
    assert fc is not None
    rows = ClipTester(ClipClassifier(found.backbone.net, 3), SHAPE, how, CPU).features(target.cuts, 2)
    wanted = torch.tensor([[name in said for name in vocabulary.names]
                           for said in ([label.name for label in entry.labels] for entry in entries)])  # fmt: skip
    assert wanted.sum(0).tolist() == [6, 6, 4]
    for index in range(3):
        own = wanted[:, index : index + 1].repeat_interleave(2, dim=0).double()
        alone = logistic_regression(torch.cat(list(rows)), own, 1e-2, link="sigmoid").fc
        torch.testing.assert_close(alone.weight[0], fc.weight[index], atol=1e-3, rtol=1e-3)
    tested = named(target, found.backbone, how, run)
    assert tested.measured is not None
    by_hand = [precision_at_each(tested.probabilities[:, index], wanted[:, index].numpy()) for index in range(3)]
    assert tested.measured.mean_ap == pytest.approx(np.mean(by_hand))


def precision_at_each(scores: np.ndarray, present: np.ndarray) -> float:
    """The mean, over what is there, of the share of what is there among all that is ranked so high."""
    ranked = present[np.argsort(-scores, kind="stable")]
    return float(np.mean(np.cumsum(ranked)[ranked] / (np.flatnonzero(ranked) + 1)))


@pytest.mark.parametrize("tune", ["all", "fc"])
def test_killed_anywhere_it_ends_at_the_same_classifier(
    archive: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tune: str
) -> None:
    how = dataclasses.replace(SHORT, tune=tune, penalties=(1e-3, 1e-2))
    whole, _ = tuned(archive, tmp_path / "whole", how)
    drawn, computed = TargetDraws.batch, ClipTester.features
    for stop in (5, 8, 5, 2):
        left = itertools.count()

        def draw(self: TargetDraws, step: int, left: itertools.count = left, stop: int = stop) -> object:
            if next(left) == stop:
                raise Stopped
            return drawn(self, step)

        def compute(self: ClipTester, *args: object, left: itertools.count = left) -> object:
            if next(left) == 1:
                raise Stopped
            return computed(self, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(TargetDraws, "batch", draw)
        monkeypatch.setattr(ClipTester, "features", compute)
        monkeypatch.setattr("whenabouts.recognition.tuning._PART", 5)
        with pytest.raises(Stopped):
            tuned(archive, tmp_path / "cut", how)
        monkeypatch.undo()
        if tune == "fc":
            break
    monkeypatch.setattr("whenabouts.recognition.tuning._PART", 5)
    again, _ = tuned(archive, tmp_path / "cut", how)
    assert again.backbone.source == whole.backbone.source
    for name, tensor in whole.backbone.tensors().items():
        torch.testing.assert_close(tensor, again.backbone.tensors()[name], rtol=0, atol=0 if tune == "all" else 1e-6)
    assert [trial.value for trial in again.trials] == [trial.value for trial in whole.trials]
    clear(tmp_path / "cut" / "finetune")
    assert [path.name for path in (tmp_path / "cut" / "finetune").iterdir()] == []


@pytest.mark.parametrize(
    "bad",
    [
        {"epochs": np.inf}, {"warmup_epochs": np.inf}, {"drop_epochs": (np.inf,)}, {"drop_epochs": (np.nan,)},
        {"drop_epochs": (-1.0,)}, {"longest_seconds": np.inf},
    ],
)  # fmt: skip
def test_lengths_without_an_end_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=next(iter(bad))):
        load(FinetuneSettings, bad, "[finetune]")


def test_layers_may_learn_slower_or_not_at_all(archive: Project, tmp_path: Path) -> None:
    start, _ = tuned(archive, tmp_path / "one", dataclasses.replace(SHORT, learning_rates=(1e-3,)))
    rates = {"stem": 0.0, "layer1": 0.0, "layer1.0.conv2": 1.0}
    how = dataclasses.replace(SHORT, learning_rates=(1e-3,), layer_rates=rates)
    found, _ = tuned(archive, tmp_path / "two", how, start=start.backbone)
    before, after = start.backbone.tensors(), found.backbone.tensors()
    assert torch.equal(before["stem.0.weight"], after["stem.0.weight"])
    assert torch.equal(before["layer1.0.conv1.0.weight"], after["layer1.0.conv1.0.weight"])
    assert not torch.equal(before["layer1.0.conv2.0.weight"], after["layer1.0.conv2.0.weight"])
    assert not torch.equal(before["layer2.0.conv1.0.weight"], after["layer2.0.conv1.0.weight"])
    with pytest.raises(SettingsError, match=r"begins with 'layer7'. They begin with: stem, layer1, layer2, fc"):
        tuned(archive, tmp_path / "two", dataclasses.replace(SHORT, layer_rates={"layer7": 0.1}))
    with pytest.raises(SettingsError, match="fc is -1"):
        tuned(archive, tmp_path / "two", dataclasses.replace(SHORT, layer_rates={"fc": -1.0}))


def test_short_edge_fully_convolutional_and_several_labels(archive: Project, tmp_path: Path) -> None:
    """Videos of 32 x 48: a shorter side of 28 gives 28 x 42, clips see 20 x 20 of it, tests all 28 x 28."""
    shape = dataclasses.replace(SHAPE, short_side=28, height=None, width=None, own_shape=True, crop=20)
    how = dataclasses.replace(SHORT, learning_rates=(1e-3,), labels="several", fully_convolutional=True)
    run = run_in(tmp_path)
    target = target_of(archive.manifest().of_split("train"), archive.vocabulary(), shape, how, run)
    assert target.cuts[0].clip(0, 6).shape == (6, 28, 42, 3)
    found = finetune(target, shape, how, run)
    tested = named(target, found.backbone, how, run)
    model = ClipClassifier(found.backbone.net, 2)
    model.fc = found.backbone.fc
    cut = target.cuts[3]
    starts = uniform_starts(cut.frames, 6, 2)
    expected = []
    for start in starts:
        pixels = cut.clip(int(start), 6)[None, :, :, 7:35]
        with torch.inference_mode():
            maps = model.net.maps(shape.prepared(pixels, torch.device("cpu")))
            small = model.net.maps(torch.zeros(1, 6, 6, 20, 20)).shape[3]
            places = maps.shape[3] - small + 1
            assert (small, maps.shape[3], places) == (5, 7, 3)
            for top, left in itertools.product(range(places), repeat=2):
                feature = maps[:, :, :, top : top + small, left : left + small].mean((2, 3, 4))
                expected.append(model.fc(feature).sigmoid()[0].double().numpy())
    np.testing.assert_allclose(tested.probabilities[3], np.mean(expected, axis=0), atol=1e-6)
    with pytest.raises(SettingsError, match="pictures have 28 x 42"):
        named(target, found.backbone, dataclasses.replace(how, test_crop=40), run)
    with pytest.raises(SettingsError, match="too small"):
        named(target, found.backbone, dataclasses.replace(how, test_crop=16), run)
    plain = finetune(target, dataclasses.replace(shape, crop=28), dataclasses.replace(how, epochs=1.0), run)
    wide = dataclasses.replace(plain.backbone, settings=dataclasses.replace(shape, crop=None))
    with pytest.raises(SettingsError, match=r"Set backbone.crop"):
        named(target, wide, how, run)


def test_ten_clips_lie_evenly_from_the_first_frame_to_the_last() -> None:
    assert uniform_starts(100, 10, 10).tolist() == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert uniform_starts(18, 8, 4).tolist() == [0, 3, 6, 10]
    assert uniform_starts(19, 8, 1).tolist() == [5]
    assert uniform_starts(3, 8, 4).tolist() == [0, 0, 0, 0]
    with pytest.raises(InvalidData):
        uniform_starts(0, 8, 4)


def test_clips_that_are_alike_are_looked_at_once_and_count_as_often(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = ClipClassifier(SHAPE.build(), 3)
    how = dataclasses.replace(HOW, test_clips=10)
    random = np.random.default_rng(0)
    for length in (2, 8, 30):
        cut = cut_of(random.integers(0, 255, (length, 24, 36, 3)).astype(np.uint8), [0])
        found = ClipTester(model, SHAPE, how, CPU).probabilities(cut)
        clips = np.stack([cut.clip(int(start), 6) for start in uniform_starts(length, 6, 10)])
        with torch.inference_mode():
            expected = model(SHAPE.prepared(clips, torch.device("cpu"))).softmax(1).double().mean(0)
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)


def test_examples_are_videos_or_their_rated_segments() -> None:
    names = Vocabulary(("cut", "pour", "wash"))
    video = Video("v", Path("v.mp4"), duration_seconds=10.0)
    segments = (
        RatedSegment("pour", 2.0, 4.0),
        RatedSegment("cut", 0.5, 1.0),
        RatedSegment("wash", 2.0, 4.0),
        RatedSegment("wash", 5.0, 6.0, present=False),
        RatedSegment("sing", 7.0, 8.0),
    )
    entry = Entry(video, (WeakLabel("wash"),), segments)
    plain = Entry(Video("w", Path("w.mp4")), (WeakLabel("cut"),))
    gone = Entry(Video("x", Path("x.mp4")), (WeakLabel("cut"),), removed=True)
    found = examples_of((entry, plain, gone), names, "segments")
    assert [(example.video.id, example.span, example.labels.classes.tolist()) for example in found] == [
        ("v", (0.5, 1.0), [0]),
        ("v", (2.0, 4.0), [1, 2]),
        ("v", (7.0, 8.0), []),
        ("w", None, [0]),
    ]
    whole = examples_of((entry, plain), names, "videos")
    assert [example.labels.classes.tolist() for example in whole] == [[0, 1, 2], [0]]


def test_a_span_takes_the_frames_on_screen_within_it() -> None:
    cached = cut_of(np.zeros((12, 2, 2, 3), np.uint8), [0]).cached
    object.__setattr__(cached, "frames", 12) if dataclasses.is_dataclass(cached) else setattr(cached, "frames", 12)
    video = Video("v", Path("v"))
    spans = [None, (0.5, 1.0), (0.5, 1.01), (0.26, 0.27), (2.9, 9.0), (3.0, 4.0)]
    examples = [Example(video, VideoLabels.of([0]), span) for span in spans]
    cuts, lacking = cuts_of(examples, [cached] * len(spans), 4.0)
    assert [(cut.first, cut.stop) for cut in cuts] == [(0, 12), (2, 4), (2, 5), (1, 2), (11, 12)]
    assert [example.span for example in lacking] == [(3.0, 4.0)]


def test_a_cut_never_shows_what_lies_beyond_it() -> None:
    frames = np.arange(12, dtype=np.uint8).reshape(12, 1, 1, 1).repeat(3, 3)
    cut = dataclasses.replace(cut_of(frames, [0]), first=3, stop=6)
    assert cut.clip(0, 5)[:, 0, 0, 0].tolist() == [3, 4, 5, 5, 5]
    assert cut.clip(2, 2)[:, 0, 0, 0].tolist() == [5, 5]


def test_videos_are_held_out_whole_by_seed_and_name_alone() -> None:
    frames = np.zeros((1, 1, 1, 3), np.uint8)
    cuts = [cut_of(frames, [0], name=f"v{number // 2}") for number in range(40)]
    kept, aside = split_off(cuts, 0.1, seed=1)
    assert (len(kept), len(aside)) == (36, 4)
    assert not {cuts[row].example.video.id for row in kept} & {cuts[row].example.video.id for row in aside}
    turned = split_off(cuts[::-1], 0.1, seed=1)[1]
    assert {cuts[::-1][row].example.video.id for row in turned} == {cuts[row].example.video.id for row in aside}
    assert set(split_off(cuts, 0.1, seed=2)[1].tolist()) != set(aside.tolist())
    assert len(split_off(cuts[:2], 0.5, seed=1)[1]) == 0
    assert len(split_off(cuts[:4], 0.01, seed=1)[1]) == 2
    assert len(split_off(cuts, 0.0, seed=1)[1]) == 0
    clips = [cut_of(frames, [0], name=f"abcdefgh{n % 20:02d}w_{n}_{n + 10}") for n in range(40)]
    first, second = np.split(split_off(clips, 0.1, seed=1)[1], 2)
    assert (len(first), (second - first).tolist()) == (2, [20, 20])  # Clips of one recording stand on one side.


def test_each_epoch_shows_every_example_once_and_targets_are_their_labels() -> None:
    cuts = [
        cut_of(np.full((9, 24, 36, 3), 10 * number, np.uint8), [number % 3], name=f"v{number}") for number in range(9)
    ]
    how = dataclasses.replace(HOW, batch=3, shift=0.0, colour=0.0)
    draws = TargetDraws(cuts, 3, dataclasses.replace(SHAPE, input="rgb"), how, seed=4)
    for epoch in (0, 1):
        batches = [draws.batch(3 * epoch + step) for step in range(3)]
        shades = torch.cat([batch.clips[:, 0, 0, 0, 0] for batch in batches])
        assert len(set(shades.tolist())) == 9
        wanted = torch.cat([batch.targets for batch in batches])
        assert wanted.sum(0).tolist() == [3, 3, 3]
    np.testing.assert_allclose(
        targets_of([cut_of(np.zeros((1, 1, 1, 3), np.uint8), [0, 2])], 3, "softmax"), [[0.5, 0.0, 0.5]]
    )
    np.testing.assert_allclose(
        targets_of([cut_of(np.zeros((1, 1, 1, 3), np.uint8), [0, 2])], 3, "sigmoid"), [[1.0, 0.0, 1.0]]
    )


def test_mirrored_clips_are_drawn_where_asked_for() -> None:
    frames = np.zeros((6, 24, 36, 3), np.uint8)
    frames[:, :, :18] = 200
    draws = TargetDraws(
        [cut_of(frames, [0])] * 16, 2, dataclasses.replace(SHAPE, input="rgb"),
        dataclasses.replace(HOW, batch=16, shift=0.0, colour=0.0, mirror=True), seed=1,
    )  # fmt: skip
    left = draws.batch(0).clips[:, 0, 0, 0, 0]
    assert len(set(left.tolist())) == 2


def test_broken_videos_are_counted_with_their_reasons(tmp_path: Path, moving_video: Callable[..., None]) -> None:
    entries = []
    for number in range(4):
        moving_video(tmp_path / f"{number}.mp4", 2.0, (-3, 3)[number % 2], seed=number)
        entries.append(Entry(probe(tmp_path / f"{number}.mp4"), (WeakLabel(("left", "right")[number % 2]),)))
    content = (tmp_path / "3.mp4").read_bytes()
    (tmp_path / "4.mp4").write_bytes(content[: len(content) // 2])
    entries.append(Entry(Video("4", tmp_path / "4.mp4"), (WeakLabel("left"),)))
    entries.append(Entry(Video("nowhere", tmp_path / "nowhere.mp4"), (WeakLabel("left"),)))
    gone = Video("gone", tmp_path / "gone.mp4")
    entries.append(Entry(gone, (WeakLabel("left"),), removed=True))
    entries[1] = dataclasses.replace(
        entries[1], segments=(RatedSegment("right", 0.2, 1.0), RatedSegment("left", 90.0, 91.0))
    )
    manifest = Manifest(tuple(entries))
    how = dataclasses.replace(SHORT, examples="segments", learning_rates=(1e-3,))
    run = run_in(tmp_path)
    target = target_of(manifest.of_split("train"), Vocabulary(("left", "right")), SHAPE, how, run)
    told = {video.id: video.status for video in target.broken}
    assert set(told) == {"4", "nowhere", "gone"}
    assert target.without_frames == 1
    assert {cut.example.video.id for cut in target.cuts} >= {"0", "1", "2", "3"}
    found = finetune(target, SHAPE, how, run)
    assert found.examples == len(target.cuts)
    only_left = dataclasses.replace(target, cuts=target.cuts[:1])
    with pytest.raises(InvalidData, match="at least 2 labels, but the 1"):
        finetune(only_left, SHAPE, how, run)


def test_a_rate_that_diverges_is_a_failed_trial(archive: Project, tmp_path: Path) -> None:
    how = dataclasses.replace(SHORT, learning_rates=(1e30, 1e-3), optimizer="sgd", momentum=0.0)
    found, _ = tuned(archive, tmp_path, how)
    assert found.trials[0].value is None
    assert "The loss is" in found.trials[0].failure
    assert found.chosen.learning_rate == 1e-3
    with pytest.raises(InvalidData, match="None of 1 trials can be measured: The loss"):
        best_of(found.trials[:1])


def test_a_classifier_that_has_learned_nothing_says_so_in_its_card(archive: Project, tmp_path: Path) -> None:
    found, _ = tuned(archive, tmp_path / "one", dataclasses.replace(SHORT, learning_rates=(30.0,)))
    assert "It has learned nothing that is of use" in found.useless
    found.save(tmp_path / "classifier", run_in(tmp_path / "one"))
    assert read_json(tmp_path / "classifier" / "card.json")["learned_nothing"] == found.useless


def test_trials_of_another_search_are_not_taken_over(tmp_path: Path) -> None:
    one = Trials(tmp_path / "t.json", "a")
    one.add(Trial(Choice(0.1), 0.5, {"top1": 0.5}))
    assert Trials(tmp_path / "t.json", "a").done == one.done
    assert Trials(tmp_path / "t.json", "b").done == ()
    (tmp_path / "t.json").write_text("{")
    assert Trials(tmp_path / "t.json", "a").done == ()
    equal = (Trial(Choice(0.1), 0.5, {}), Trial(Choice(0.2), 0.5, {}), Trial(Choice(0.3), None, {}, "no"))
    assert best_of(equal).learning_rate == 0.1
