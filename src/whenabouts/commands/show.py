"""`whenabouts show`: pictures of what a project's localizer sees and finds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Device, Json, ProjectFolder

if TYPE_CHECKING:
    from whenabouts.data.manifest import Entry
    from whenabouts.data.project import Project
    from whenabouts.page.choosing import Candidate, KnownSpans

LOOKED_AT = 200

Out = Annotated[Path | None, typer.Option("--out", help="The folder to write to.", show_default="PROJECT/pictures")]
TruthFile = Annotated[
    Path | None, typer.Option("--truth", help="When things truly happen: ActivityNet JSON.", show_default=False)
]
Subset = Annotated[str, typer.Option("--subset", help="Which subset of the truth to show.")]
Split = Annotated[str, typer.Option("--split", help="Which videos: all, or a split such as train or test.")]
Videos = Annotated[int, typer.Option("--videos", min=1, help="So many videos in a picture.")]
Format = Annotated[Literal["png", "svg", "pdf"], typer.Option("--format", help="What kind of files to write.")]


def show(
    project: ProjectFolder = Path(),
    out: Out = None,
    truth: TruthFile = None,
    subset: Subset = "validation",
    split: Split = "all",
    videos: Videos = 3,
    kind: Format = "png",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Draw what the localizer sees: attention over time, winners step by step, scores with truth and moments.

    attention.png: a video with one instance of its concept and one with many. winners.png: the frame that wins at each
    step, and where the other winners lie. moments.png: scores, attention, true and found moments. Without --truth,
    instances are those that were found. Reads the manifest, the features and models/localizer; needs matplotlib.
    """
    from whenabouts.core.errors import ProjectError
    from whenabouts.data.project import Project
    from whenabouts.localizers import load_localizer
    from whenabouts.page.choosing import candidates, many_and_one
    from whenabouts.page.pictures import draw_attention, draw_moments, require_matplotlib

    terminal = Terminal(as_json=as_json)
    require_matplotlib()
    home = Project.open(project)
    known = None if truth is None else _known(truth, subset)
    localizer = load_localizer(home.localizer_folder, device=device)
    found = candidates(localizer, _entries(home, split, terminal), home.features(), known, terminal)
    if not found:
        raise ProjectError("No video can be shown: none has features and a concept. Run `whenabouts extract` first.")
    chosen, folder = many_and_one(found, videos), out or home.folder / "pictures"
    written = [folder / f"moments.{kind}"]
    draw_moments([each.shown for each in chosen], written[0])
    if chosen[0].shown.attention is not None:
        written.append(folder / f"attention.{kind}")
        draw_attention([each.shown for each in many_and_one(found, 2)][::-1], written[-1])
    else:
        terminal.say("This localizer has no attention, so attention is not drawn.")
    winners = _drawn_winners(home, localizer, chosen, folder / f"winners.{kind}", terminal)
    written += [winners] if winners else []
    shown = [{"video": each.entry.id, "concept": each.shown.concept} for each in chosen]
    values = {"files": [str(path) for path in written], "shown": shown}
    terminal.result(f"Wrote {', '.join(path.name for path in written)} to {folder}.", values)


def _known(path: Path, subset: str) -> "KnownSpans":
    from whenabouts.evaluation.reading import read_truth

    rows, known = read_truth(path, subset=subset), dict[tuple[str, str], list[list[float]]]()
    for video, label, span in zip(rows.videos.tolist(), rows.classes.tolist(), rows.spans.tolist(), strict=True):
        known.setdefault((rows.video_ids[video], rows.labels[label]), []).append(span)
    return known


def _entries(home: "Project", split: str, terminal: Terminal) -> "list[Entry]":
    """The usable videos of a split, or the first of them where there are very many."""
    from whenabouts.core.errors import ProjectError

    manifest = home.manifest()
    if split != "all" and split not in manifest.splits:
        raise ProjectError(f"No video is in split {split!r}. Choose all or one of: {', '.join(manifest.splits)}.")
    entries = [entry for entry in manifest if entry.usable and split in ("all", entry.split)]
    if len(entries) > LOOKED_AT:
        terminal.say(f"Choosing from the first {LOOKED_AT} of {len(entries)} videos.")
    return entries[:LOOKED_AT]


def _drawn_winners(
    home: "Project", localizer: object, chosen: "list[Candidate]", path: Path, terminal: Terminal
) -> Path | None:
    """Draw the winners of each step; None for a localizer that selects in no steps."""
    from whenabouts.localizers import WinnersOut
    from whenabouts.page.choosing import winner_row
    from whenabouts.page.pictures import draw_winners

    if not isinstance(localizer, WinnersOut):
        terminal.say("This localizer selects no winners step by step, so they are not drawn.")
        return None
    draw_winners([winner_row(localizer, each, home.features(), terminal) for each in chosen], path)
    return path
