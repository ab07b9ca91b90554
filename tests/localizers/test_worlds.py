"""Worlds made for training: every localizer takes their examples. Nothing is trained here."""

import numpy as np
import pytest

from whenabouts.core.progress import Silent
from whenabouts.data.worlds.speech import SpeechWorld, speech_world
from whenabouts.data.worlds.speech_sound import RATE, Recordings
from whenabouts.data.worlds.speech_streams import SpeechSettings
from whenabouts.localizers.concepts.frames import FrameSettings, FrameVideos
from whenabouts.localizers.concepts.segment_models import rated_segments
from whenabouts.localizers.training_videos import TrainingVideos
from whenabouts.localizers.winners_out_settings import WinnersOutSettings


@pytest.fixture(scope="module")
def speech() -> SpeechWorld:
    rng = np.random.default_rng(0)
    pairs = [(digit, speaker) for digit in range(10) for speaker in ("ann", "bob") for _ in range(4)]
    waves = tuple(rng.standard_normal(RATE // 2, np.float32) for _ in pairs)
    recordings = Recordings(waves, tuple(digit for digit, _ in pairs), tuple(speaker for _, speaker in pairs))
    return speech_world(recordings, SpeechSettings(train_streams=8, test_streams=2, rated_streams=1.0))


def test_training_of_multiple_instances_takes_every_stream(speech: SpeechWorld) -> None:
    videos = TrainingVideos(speech.train.examples, len(speech.vocabulary), WinnersOutSettings(), Silent())
    assert len(videos) == 8
    assert not sum(videos.skipped.values())
    for number, example in enumerate(speech.train.examples):
        assert videos.videos[number].classes == tuple(example.labels.classes.tolist())
        (matrix,) = videos.features(number)
        assert matrix is not None
        assert matrix.shape[1] == 96


def test_two_stages_see_frames_and_ratings(speech: SpeechWorld) -> None:
    videos = FrameVideos(speech.train.examples, FrameSettings.paper(), Silent())
    assert len(videos) == 8
    rated = rated_segments(videos)
    assert sum(len(one.classes) for one in rated) == len(speech.train.rated)
    assert {one.run[1] - one.run[0] for one in rated} == {5}
    truth = {(video_id, start, index): present for video_id, start, index, present in
             zip(speech.train.every.video_ids, speech.train.every.spans[:, 0].tolist(),
                 speech.train.every.classes.tolist(), speech.train.every.present.tolist(), strict=True)}  # fmt: skip
    for one in rated:
        video_id = speech.train.examples[one.video].video_id
        for index, present in zip(one.classes.tolist(), one.present.tolist(), strict=True):
            assert truth[video_id, one.run[0], index] == present
