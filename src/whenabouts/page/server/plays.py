"""Which files browsers play as they are, by their names: the rest gets a proxy."""

from typing import Literal

from whenabouts.data.manifest import Entry, file_of

_PLAYED = frozenset({".mp4", ".m4v", ".webm"})
Plays = Literal["likely", "unlikely", "no"]


def plays(entry: Entry) -> Plays:
    """Whether a browser plays a video's file: "no" where there is no such file, "unlikely" where a proxy is better.

    By the container's name and the start time alone, for opening thousands of files takes too long: a page should try,
    and turn to the proxy when the player complains (HEVC in MP4 looks like H.264 in MP4).
    """
    path = entry.video.path
    if entry.video.status == "unreadable" or file_of(path) != path:
        return "no"
    if path.suffix.lower() not in _PLAYED or abs(entry.video.start_pts_seconds) > 0.001:
        return "unlikely"
    return "likely"
