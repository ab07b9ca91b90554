"""Words that other programs keep beside videos: Kodi's and Jellyfin's .nfo, and .xmp of photo managers."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from whenabouts.core.progress import Progress
from whenabouts.data.importers.annotation_files import Mark, Unreadable, Videos, import_marks
from whenabouts.data.importers.protocol import NOTHING_KNOWN, SILENT, Imported, ImportSettings
from whenabouts.data.importers.xml_files import name_of, text_in, xml_of
from whenabouts.data.manifest import Manifest

_NFO_LABELS = ("tag", "genre")
_DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
_WHOLE_FOLDER = ("movie.nfo", "tvshow.nfo")


def import_nfo(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read `.nfo` files: `<tag>` and `<genre>` are labels of the video beside them (movie.nfo: of its folder's)."""
    return import_marks(root, (".nfo",), "nfo", _nfo, settings=settings, known=known, progress=progress)


def import_xmp(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read `.xmp` sidecars (`a.xmp` or `a.mp4.xmp`): the subjects of Dublin Core are labels."""
    return import_marks(root, (".xmp",), "xmp", _xmp, settings=settings, known=known, progress=progress)


def _nfo(path: Path, videos: Videos, settings: ImportSettings) -> Iterator[Mark]:
    root = xml_of(path)
    labels = tuple(dict.fromkeys(
        part.strip() for each in root.iter() if name_of(each) in _NFO_LABELS for part in text_in(each).split(" / ")
        if part.strip()
    ))  # fmt: skip
    title = text_in(next((each for each in root if name_of(each) == "title"), None))
    if path.name.lower() in _WHOLE_FOLDER:
        names = [file.relative for file in videos.files if file.path.is_relative_to(path.parent)]
    else:
        names = [videos.beside(path)]
    for name in names:
        if labels:
            yield Mark(name, labels, title=title, where=path.name)


def _xmp(path: Path, videos: Videos, settings: ImportSettings) -> Iterator[Mark]:
    root = xml_of(path)
    if name_of(root) not in ("xmpmeta", "RDF"):
        raise Unreadable("it holds no XMP", name_of(root))
    labels = [text for subject in root.iter(f"{_DUBLIN_CORE}subject") for text in _items(subject)]
    title = next((text for each in root.iter(f"{_DUBLIN_CORE}title") for text in _items(each)), "")
    if labels:
        yield Mark(videos.beside(path), tuple(dict.fromkeys(labels)), title=title, where=path.name)


def _items(bag: Element) -> Iterator[str]:
    yield from (text for each in bag.iter() if name_of(each) == "li" and (text := text_in(each)))
