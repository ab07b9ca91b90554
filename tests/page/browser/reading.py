"""What a test reads from the screen, and where it points: the frame that is shown, places on the timeline."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from planted import HEIGHT, WIDTH, read_code

from whenabouts.core.moments import Moments

if TYPE_CHECKING:
    from playwright.sync_api import Page

BAR = 20  # pixels of a row in a lane
_STILL = "() => { const v = document.querySelector('video'); return v && v.readyState >= 2 && !v.seeking; }"
_GREY = """([width, height]) => {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const pen = canvas.getContext('2d');
  pen.drawImage(document.querySelector('video'), 0, 0, width, height);
  const { data } = pen.getImageData(0, 0, width, height);
  const grey = (at) => Math.round((data[at] + data[at + 1] + data[at + 2]) / 3);
  return Array.from({ length: width * height }, (_, at) => grey(4 * at));
}"""


def frame_shown(page: "Page") -> int:
    """The number of the frame that the player shows, read from its pixels once it stands still."""
    page.wait_for_function(_STILL)
    return read_code(np.asarray(page.evaluate(_GREY, [WIDTH, HEIGHT])).reshape(HEIGHT, WIDTH))


def comes_to_show(page: "Page", *frames: int) -> bool:
    """Does the player come to show one of these frames? A seek that is over may take a moment to reach the screen."""
    for _ in range(60):
        if frame_shown(page) in frames:
            return True
        page.wait_for_timeout(100)
    return False


def duration(page: "Page") -> float:
    """The length of the open video by the page's own account."""
    return float(page.locator(".strip").get_attribute("aria-valuemax") or "nan")


def place(page: "Page", seconds: float, band: str, row: int = 0) -> tuple[float, float]:
    """Where a time is in a band of the timeline, which must show the whole video.

    Curves come later than the moments, and push the other bands down: what is measured before that moves away.
    """
    page.locator(".band-names span", has_text=band).first.wait_for(timeout=20_000)
    page.wait_for_load_state("networkidle")
    strip = page.locator(".strip")
    strip.scroll_into_view_if_needed()
    box = strip.bounding_box()
    assert box is not None
    names = page.locator(".band-names span").all()
    tops = {each.inner_text(): float(each.evaluate("e => parseFloat(e.style.top)")) for each in names}
    assert band in tops, f"there is no lane {band!r} among {sorted(tops)}"
    return box["x"] + seconds / duration(page) * box["width"], box["y"] + tops[band] + row * BAR + BAR / 2


def key_of(page: "Page", served: Any, video_id: str) -> str:
    """How the page's addresses name a video."""
    videos = page.request.get(f"{served.address}/api/videos?limit=500").json()["videos"]
    return str(next(video["key"] for video in videos if video["id"] == video_id))


def found_in(folder: Path, video_id: str) -> Moments:
    """The moments that were found in one video, in order of time."""
    moments = Moments.from_json(json.loads((folder / "moments" / "moments.json").read_text()))
    mine = moments[moments.video_ids == video_id]
    return mine[np.argsort(mine.spans[:, 0], kind="stable")]
