"""Moments as FCPXML 1.10: each video a clip with keyword ranges, and a sequence of all moments, in rational times."""

from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

from whenabouts.core.files import write_text
from whenabouts.core.progress import Progress
from whenabouts.core.video import Video
from whenabouts.data.exporters.editing import cuts_of
from whenabouts.data.exporters.lines import one_line
from whenabouts.data.exporters.marked import Marked, frames_of, marked_videos, rate_of
from whenabouts.data.exporters.protocol import EditSettings, Exported, ExportSettings, moments_of
from whenabouts.data.project import Project

Element = ElementTree.Element


def export_fcpxml(project: Project, target: Path, settings: ExportSettings, *, progress: Progress) -> Exported:
    """Write one `.fcpxml` file; every time is a whole number of its video's frames.

    In the sequence, which runs at the rate of the first video, clips begin and end on its frames: editors want no edit
    between two of them.
    """
    moments = moments_of(project, settings)
    videos = marked_videos(project, moments)
    root = Element("fcpxml", version="1.10")
    resources = ElementTree.SubElement(root, "resources")
    event = ElementTree.SubElement(ElementTree.SubElement(root, "library"), "event", name="whenabouts")
    formats: dict[tuple[Fraction, int, int], str] = {}
    spine = Element("spine")
    offset = Fraction(0)
    for number, each in enumerate(videos, start=1):
        rate = rate_of(each.video, settings.edit.rate)
        kind = _format(resources, formats, each.video, rate)
        frames = max(round(Fraction(each.video.duration_seconds) * rate), _last_frame(each, rate, settings.edit), 1)
        asset = _asset(resources, f"a{number}", each.video, kind, frames / rate)
        event.append(_clip(asset, each, rate))
        beat = 1 / next(iter(formats))[0]
        offset = _cut_into(spine, asset, each, offset, beat=beat, edit=settings.edit)
    if videos:
        _sequence(event, spine, next(iter(formats.values())), offset)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    write_text(target, f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{text}\n')
    return Exported({"moments": len(moments), "videos": len(videos)})


def seconds(time: Fraction) -> str:
    """A time as FCPXML writes it: `1001/30000s`, or `5s`."""
    return f"{time.numerator}/{time.denominator}s" if time.denominator > 1 else f"{time.numerator}s"


def _format(resources: Element, formats: dict[tuple[Fraction, int, int], str], video: Video, rate: Fraction) -> str:
    key = (rate, video.width, video.height)
    if key not in formats:
        formats[key] = f"f{len(formats) + 1}"
        size = {"width": str(video.width), "height": str(video.height)} if video.width and video.height else {}
        told = {"id": formats[key], "frameDuration": seconds(1 / rate), **size}
        ElementTree.SubElement(resources, "format", told)
    return formats[key]


def _asset(resources: Element, name: str, video: Video, kind: str, duration: Fraction) -> Element:
    told = {"id": name, "name": one_line(video.id), "start": "0s", "duration": seconds(duration), "hasVideo": "1",
            "format": kind, **({"hasAudio": "1"} if video.has_audio else {})}  # fmt: skip
    asset = ElementTree.SubElement(resources, "asset", told)
    address = video.path.resolve().as_uri() if video.path.is_absolute() else str(video.path)
    ElementTree.SubElement(asset, "media-rep", kind="original-media", src=one_line(address))
    return asset


def _clip(asset: Element, marked: Marked, rate: Fraction) -> Element:
    clip = Element("asset-clip", ref=asset.attrib["id"], name=asset.attrib["name"], start="0s",
                   duration=asset.attrib["duration"], format=asset.attrib["format"])  # fmt: skip
    for moment in marked.moments:
        first, stop = frames_of(moment.start_seconds, moment.end_seconds, rate)
        ElementTree.SubElement(
            clip, "keyword", start=seconds(first / rate), duration=seconds((stop - first) / rate),
            value=one_line(moment.concept), note=f"score {moment.score!r}",
        )  # fmt: skip
    return clip


def _cut_into(
    spine: Element, asset: Element, marked: Marked, offset: Fraction, *, beat: Fraction, edit: EditSettings
) -> Fraction:
    """Add a video's cuts behind `offset`, each a whole number of `beat` seconds long; returns where they end."""
    rate = rate_of(marked.video, edit.rate)
    for cut in cuts_of(marked, rate, edit):
        length = max(1, round((cut.stop - cut.first) / rate / beat)) * beat
        ElementTree.SubElement(
            spine, "asset-clip", ref=asset.attrib["id"], name=one_line(cut.moment.concept), offset=seconds(offset),
            start=seconds(cut.first / rate), duration=seconds(length), format=asset.attrib["format"],
        )  # fmt: skip
        offset += length
    return offset


def _last_frame(marked: Marked, rate: Fraction, edit: EditSettings) -> int:
    return max((cut.stop for cut in cuts_of(marked, rate, edit)), default=0)


def _sequence(event: Element, spine: Element, kind: str, duration: Fraction) -> None:
    project = ElementTree.SubElement(event, "project", name="whenabouts moments")
    sequence = ElementTree.SubElement(project, "sequence", format=kind, duration=seconds(duration), tcStart="0s",
                                      tcFormat="NDF")  # fmt: skip
    sequence.append(spine)
