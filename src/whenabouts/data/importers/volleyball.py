"""The Volleyball data set: clips of games with what the team and every player does."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from whenabouts.core.progress import Progress
from whenabouts.data.annotations.nouns import AnnotatedVideo, AnnotationSet, Instance
from whenabouts.data.annotations.volleyball import (
    ACTIONS,
    FRAMES,
    GROUPS,
    MIDDLE,
    RATE,
    Player,
    Task,
    VolleyballClip,
    read_volleyball,
)
from whenabouts.data.box_files import BoxRow
from whenabouts.data.importers.annotated import imported_of
from whenabouts.data.importers.protocol import NOTHING_KNOWN, SILENT, Imported, ImportSettings, Problem
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.media.joining import join_pictures, pictures_in

SOURCE = "volleyball"
SMALL, LARGE = (1280, 720), (1920, 1080)


def import_volleyball(
    root: Path, settings: ImportSettings, *, known: Manifest = NOTHING_KNOWN, progress: Progress = SILENT
) -> Imported:
    """Read the folder of the games; each annotated clip is a video, `GAME/PICTURE`. See `read_volleyball`.

    Boxes stand at the clip's middle picture. Where a clip has no file, its game's size of pictures is told from how far
    boxes reach: 1280 x 720 or 1920 x 1080.
    """
    how = settings.volleyball
    clips, faults = read_volleyball(root)
    problems = _join(clips, root, Path(how.media), progress) if how.media else []
    videos = tuple(_video(clip, how.task) for clip in clips)
    name = f"Volleyball, {how.task}, test: {sum(video.split == 'test' for video in videos):,} clips"
    labels = GROUPS if how.task == "group" else ACTIONS
    whole = AnnotationSet("Volleyball", name, "test", videos, faults, labels, by_line=True)
    made = imported_of(whole, root, SOURCE, settings, media=how.media, known=known, progress=progress)
    rows, outside = _boxes(clips, {entry.id: entry for entry in made.entries})
    boxes = {(split, "people"): [row for row, of in rows if of == split] for split in ("train", "test")}
    return replace(made, boxes=boxes, problems=(*problems, *outside, *made.problems))


def _video(clip: VolleyballClip, task: Task) -> AnnotatedVideo:
    length = FRAMES / RATE
    names = (clip.group,) if task == "group" else tuple(dict.fromkeys(player.action for player in clip.players))
    return AnnotatedVideo(
        clip.id, clip.split, tuple(Instance(name, 0.0, length) for name in names), duration_seconds=length
    )


def _boxes(
    clips: Sequence[VolleyballClip], entries: Mapping[str, Entry]
) -> tuple[list[tuple[BoxRow, str]], list[Problem]]:
    """Rows of all players, with the splits of their clips; and clips some of whose players are outside the picture."""
    large = {clip.game for clip in clips if any(_is_beyond(player, SMALL) for player in clip.players)}
    rows, outside = [], []
    for clip in clips:
        video = entries[clip.id].video
        guessed = LARGE if clip.game in large else SMALL
        size = (video.width, video.height) if video.width and video.height else guessed
        found = list(clip.rows(MIDDLE / float(video.fps or RATE), size))
        rows += [(row, clip.split) for row in found]
        if len(found) < len(clip.players):
            lost = f"{len(clip.players) - len(found)} of {len(clip.players)} players"
            outside.append(Problem(clip.line, f"players outside the picture of {size[0]} x {size[1]} left out", lost))
    return rows, outside


def _is_beyond(player: Player, size: tuple[int, int]) -> bool:
    """True for a player outside of pictures of a size, but not of the largest that there are: that would be damage."""
    within = player.x < LARGE[0] and player.y < LARGE[1]
    return within and (player.x > size[0] or player.y > size[1])


def _join(clips: Sequence[VolleyballClip], root: Path, media: Path, progress: Progress) -> list[Problem]:
    """Make the videos that are missing from the clips' pictures."""
    problems = []
    media.mkdir(parents=True, exist_ok=True)
    for clip in progress.track(clips, total=len(clips), title="joining pictures"):
        path, folder = media / f"{clip.id}.mkv", root / clip.id
        if path.is_file() or not folder.is_dir():
            continue
        pictures = pictures_in(folder)
        if not pictures:
            problems.append(Problem(clip.id, "there is no picture in its folder", str(folder)))
        else:
            join_pictures(pictures, path, rate=RATE)
    return problems
