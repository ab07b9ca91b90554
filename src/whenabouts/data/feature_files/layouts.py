"""How published features lie on a disk, and what their steps look at."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

RGB, FLOW, JOINT = "rgb", "flow", "joint"
_SUFFIX = re.compile(r"(?P<name>.+?)[-_.](?:i3d[-_.])?(?P<modality>rgb|flow)", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """One way of keeping features.

    `ending` of its files; `pairs`: a file each for RGB and flow, else one for both; whether halves of that one are the
    two streams (`split`), or it is the modality `whole`. `fps` 0 is the video's own rate; a `hop_frames` of 0 cuts the
    video into equal parts.
    """

    ending: str
    pairs: bool
    split: bool
    fps: float = 25.0
    hop_frames: int = 16
    window_frames: int = 16
    whole: str = JOINT


LayoutName = Literal["i3d", "wtalc", "actionformer", "activitynet-csv"]
LAYOUTS: Mapping[LayoutName, Layout] = {
    "i3d": Layout(".npy", pairs=True, split=False),
    "wtalc": Layout(".npy", pairs=False, split=True),
    "actionformer": Layout(".npy", pairs=False, split=True, fps=0.0, hop_frames=4, window_frames=16),
    "activitynet-csv": Layout(".csv", pairs=False, split=False, fps=0.0, hop_frames=0, window_frames=0),
}
"""i3d: VIDEO.npy in folders rgb and flow, or VIDEO-rgb.npy and VIDEO-flow.npy. wtalc: one VIDEO.npy of RGB, then flow.
actionformer: the same, a step each 4 frames of the video's own rate. activitynet-csv: v_VIDEO.csv, rescaled.
"""


def named(relative: PurePosixPath, *, pairs: bool) -> tuple[str, str]:
    """The modality and the video's name that a path says; in `pairs`, a modality of "" where it says none or both."""
    if not pairs:
        return JOINT, relative.stem
    found = _SUFFIX.fullmatch(relative.stem)
    if found:
        return found["modality"].casefold(), found["name"]
    for part in reversed(relative.parts[:-1]):
        said = {RGB, FLOW} & set(re.split(r"[-_. ]", part.casefold()))
        if said:
            return said.pop() if len(said) == 1 else "", relative.stem
    return "", relative.stem
