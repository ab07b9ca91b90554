import pytest

from whenabouts.core.video import recording_of


@pytest.mark.parametrize(
    ("video_id", "recording"),
    [
        ("-Aa_0bCdE1g_000004_000014", "-Aa_0bCdE1g"),
        ("train/diving/abcdefghijk_4_14", "abcdefghijk"),
        ("val/abcdefghijk_000020_000030.mp4", "abcdefghijk"),
        ("abcdefghijk_000004_000012", "abcdefghijk"),
        ("abcdefghijk", "abcdefghijk"),
        ("camera_left_01_02", "camera_left_01_02"),
        ("hallway_cam_2_4.mp4", "hallway_cam_2_4.mp4"),
        ("abcdefghijk_14_4", "abcdefghijk_14_4"),
        ("abcdefghijk_2018_2038", "abcdefghijk_2018_2038"),
        ("holiday_2018_2019", "holiday_2018_2019"),
        ("long-abcdefghijk_4_14", "long-abcdefghijk_4_14"),
        ("abcdefghijk_4_14/cut", "abcdefghijk_4_14/cut"),
        ("a\nb/abcdefghijk_4_14", "abcdefghijk"),
    ],
)
def test_clips_that_are_named_as_those_of_kinetics_belong_to_their_video(video_id: str, recording: str) -> None:
    assert recording_of(video_id) == recording
