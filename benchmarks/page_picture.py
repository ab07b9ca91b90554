"""One picture of the page for the documentation: a video of a project with its curves, lanes and reasons.

    whenabouts demo --videos 48
    python benchmarks/page_picture.py demo/project docs/page.png --truth demo/archive/truth.json

Serves the project, chooses the video (of split test, if there is one) with most true moments that were met, and writes
256 colours, so that the picture stays under 300 KB.
"""

import argparse
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlparse

from PIL import Image
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "page" / "browser"))
from serving import Served, chromium

LARGEST = 300_000
SIZE = {"width": 1280, "height": 980}


def best_video(page: Page, served: Served) -> str:
    """The key of the video whose truth was met most often, with its best moment, as the page's address."""
    keys = [video["key"] for video in page.request.get(f"{served.address}/api/videos?limit=500").json()["videos"]]
    videos = [page.request.get(f"{served.address}/api/videos/{key}").json() for key in keys]
    videos = [video for video in videos if video["split"] == "test"] or videos

    def met(video: dict) -> int:
        return sum(row["match"] == "hit" for row in video["lanes"]["truth"])

    chosen = max(videos, key=lambda video: (met(video), -len(video["lanes"]["found"]), video["id"]))
    hits = [row for row in chosen["lanes"]["found"] if row["match"] == "hit"] or chosen["lanes"]["found"]
    moment = max(hits, key=lambda row: row["score"])
    return f"#/video/{chosen['key']}?concept={moment['concept']}&start={moment['start']}&end={moment['end']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--truth", type=Path)
    chosen = parser.parse_args()
    served = Served(chosen.project, arguments=("--truth", str(chosen.truth)) if chosen.truth else ())
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            page = browser.new_page(viewport=SIZE, color_scheme="light")
            page.goto(served.address)
            page.wait_for_selector(".card")
            page.goto(f"{served.address}/{best_video(page, served)}")
            page.wait_for_selector(".moment-row.chosen")
            concept = parse_qs(urlparse(page.url).fragment.partition("?")[2])["concept"][0]
            page.locator(".time-tools .chip", has_text=concept).first.dblclick()  # Only this one.
            page.keyboard.press("w")
            page.wait_for_selector(".why-body .pair")
            page.wait_for_function(
                "() => { const v = document.querySelector('video'); return v.readyState > 2 && !v.seeking; }"
            )
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(1500)  # The player's own controls and wheel fade.
            page.screenshot(path=chosen.out)
            browser.close()
    finally:
        served.close()
    with Image.open(chosen.out) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(chosen.out, optimize=True)
    size = chosen.out.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{chosen.out} has {size} bytes, more than {LARGEST}. Take a smaller window or video.")
    print(f"Wrote {chosen.out}: {size} bytes.")


if __name__ == "__main__":
    main()
