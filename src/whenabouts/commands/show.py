"""`whenabouts show`: pictures of what a project's localizer sees and finds."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from whenabouts.commands.console import Terminal
from whenabouts.commands.options import Device, Json, ProjectFolder, Seed
from whenabouts.commands.show_activities import ACTIVITY_PICTURES, ActivityLook
from whenabouts.commands.show_concepts import CONCEPT_PICTURES, Asked
from whenabouts.core.errors import ProjectError, SettingsError

if TYPE_CHECKING:
    from whenabouts.data.manifest import Entry
    from whenabouts.data.project import Project
    from whenabouts.localizers import Localizer
    from whenabouts.page.choosing import Candidate, KnownSpans

LOOKED_AT = 200
MOMENTS = "moments"

Wanted = Annotated[
    list[str] | None,
    typer.Argument(
        help="moments, classes, precision, reliability, together, best, why, activities, observation, correlation, or "
        "all.",
        show_default=MOMENTS,
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="The folder to write to.", show_default="PROJECT/pictures")]
TruthFile = Annotated[
    Path | None, typer.Option("--truth", help="When things truly happen: ActivityNet JSON.", show_default=False)
]
Subset = Annotated[str, typer.Option("--subset", help="Which subset of the truth to show.")]
Split = Annotated[str, typer.Option("--split", help="Which videos: all, or a split such as train or test.")]
Videos = Annotated[int, typer.Option("--videos", min=1, help="So many videos, or concepts, in a picture.")]
Format = Annotated[Literal["png", "svg", "pdf"], typer.Option("--format", help="What kind of files to write.")]
Concept = Annotated[
    list[str] | None,
    typer.Option("--concept", help="best, why, activities: which; again for more.", show_default=False),
]
Video = Annotated[str | None, typer.Option("--video", help="why: a moment of this video.", show_default=False)]
At = Annotated[float | None, typer.Option("--at", help="why: the moment at this second.", show_default=False)]


def show(
    pictures: Wanted = None,
    project: ProjectFolder = Path(),
    out: Out = None,
    truth: TruthFile = None,
    subset: Subset = "validation",
    split: Split = "all",
    videos: Videos = 3,
    concept: Concept = None,
    video: Video = None,
    at: At = None,
    kind: Format = "png",
    device: Device = "auto",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Draw what the localizer sees and finds.

    moments draws three pictures. attention.png: a video with one instance of its concept and one with many.
    winners.png: the frame that wins at each step, and where the other winners lie. moments.png: scores, attention, true
    and found moments. Without --truth, instances are those that were found.

    classes: concepts by the words that describe them, in clusters. precision: how well each is found, cluster by
    cluster, on checked segments of other splits than train, else on those that training held out; by the localizer and
    by the best single model in it. reliability: whether probabilities come true, and what find --precision keeps, on
    checked segments of other splits than train; it needs a localizer that train chose itself. together: which concepts
    the trees of cross-class-relevance keep on one side, where it has trees (train.relevance.model = "trees"). best:
    three best segments of some concepts, by the localizer and by the best single model. why: what moved the score of
    one moment, the best one where --concept, --video and --at do not say which.

    activities: what each activity looks at in the middle clips of the videos with most labels, over frames, and the
    backbone's own map; those of --concept, else the video's labels. observation: what one observation looks at in
    several videos. correlation: which activity looks at which other one. These three read models/activities and the
    videos themselves.

    all draws what can be drawn. Reads the manifest, the features and models/localizer; needs matplotlib and, for
    classes, precision and together, scikit-learn (extra plots).
    """
    from whenabouts.core.errors import WhenaboutsError
    from whenabouts.data.project import Project
    from whenabouts.page.pictures import require_matplotlib

    terminal = Terminal(as_json=as_json)
    wanted = _wanted(pictures)
    require_matplotlib()
    home = Project.open(project)
    known = None if truth is None else _known(truth, subset)
    models = _Models(home, device, split, videos, terminal)
    folder, written, facts = out or home.folder / "pictures", list[Path](), dict[str, Any]()
    asked = Asked(tuple(concept or ()), video, at, videos, seed)
    for name in wanted:
        try:
            if name == MOMENTS:
                files, facts["shown"] = _draw_moments(models, known, folder, kind)
                written += files
            else:
                path = folder / f"{name}.{kind}"
                facts[name] = _draw(name, models, asked, path)
                terminal.say(f"{path.name}: {facts[name]}.")
                written.append(path)
        except WhenaboutsError as error:
            if len(wanted) == 1:
                raise
            terminal.say(f"No picture {name!r}: {error}")
    if not written:
        raise ProjectError(f"None of {', '.join(wanted)} can be drawn here. Ask for one alone to see why.")
    values = {"files": [str(path) for path in written], **facts}
    terminal.result(f"Wrote {', '.join(path.name for path in written)} to {folder}.", values)


@dataclass(frozen=True)
class _Models:
    """The models of a project, each read when the first picture needs it."""

    home: "Project"
    device: str
    split: str
    videos: int
    terminal: Terminal

    @cached_property
    def localizer(self) -> "Localizer":
        from whenabouts.localizers import load_localizer

        return load_localizer(self.home.localizer_folder, device=self.device)

    @cached_property
    def activities(self) -> "ActivityLook":
        from whenabouts.page.activity_looks import look
        from whenabouts.recognition.activity_model import ActivityModel

        model = ActivityModel.load(self.home.models_folder / "activities")
        return ActivityLook(model, look(model, self.entries(), self.videos, self.home.cache_folder, self.terminal))

    def entries(self) -> "list[Entry]":
        return [entry for entry in self.home.manifest().within(self.split) if entry.usable]


def _wanted(pictures: list[str] | None) -> list[str]:
    """Names of pictures, each once; SettingsError for an unknown one."""
    every = [MOMENTS, *CONCEPT_PICTURES, *ACTIVITY_PICTURES]
    asked = list(dict.fromkeys(pictures or [MOMENTS]))
    unknown = [name for name in asked if name not in (*every, "all")]
    if unknown:
        raise SettingsError(f"There is no picture {unknown[0]!r}. Choose of: {', '.join(every)}, or all.")
    return every if "all" in asked else asked


def _draw_moments(
    models: _Models, known: "KnownSpans | None", folder: Path, kind: str
) -> tuple[list[Path], list[dict[str, str]]]:
    """Draw moments, attention and winners of a split, with known truth and so many videos: files, and what they show.

    ProjectError where no video can be shown.
    """
    from whenabouts.page.choosing import candidates, many_and_one
    from whenabouts.page.pictures import draw_attention, draw_moments

    home, localizer, terminal = models.home, models.localizer, models.terminal
    entries = models.entries()
    if len(entries) > LOOKED_AT:
        terminal.say(f"Choosing from the first {LOOKED_AT} of {len(entries)} videos.")
    found = candidates(localizer, entries[:LOOKED_AT], home.features(), known, terminal)
    if not found:
        raise ProjectError("No video can be shown: none has features and a concept. Run `whenabouts extract` first.")
    chosen = many_and_one(found, models.videos)
    written = [folder / f"moments.{kind}"]
    draw_moments([each.shown for each in chosen], written[0])
    if chosen[0].shown.attention is not None:
        written.append(folder / f"attention.{kind}")
        draw_attention([each.shown for each in many_and_one(found, 2)][::-1], written[-1])
    else:
        terminal.say("This localizer has no attention, so attention is not drawn.")
    winners = _drawn_winners(home, localizer, chosen, folder / f"winners.{kind}", terminal)
    written += [winners] if winners else []
    return written, [{"video": each.entry.id, "concept": each.shown.concept} for each in chosen]


def _draw(name: str, models: _Models, asked: Asked, path: Path) -> str:
    """Draw a picture of activities or of concepts, and say what it shows."""
    from whenabouts.page.pointing import Looked

    if name in ACTIVITY_PICTURES:
        return ACTIVITY_PICTURES[name](models.activities, asked, path)
    localizer, entries = models.localizer, {entry.id: entry for entry in models.entries()}
    looked = Looked(localizer, entries, models.home.features(), models.terminal)
    return CONCEPT_PICTURES[name](looked, models.home, asked, path)


def _known(path: Path, subset: str) -> "KnownSpans":
    from whenabouts.evaluation.reading import read_truth

    rows, known = read_truth(path, subset=subset), dict[tuple[str, str], list[list[float]]]()
    for video, label, span in zip(rows.videos.tolist(), rows.classes.tolist(), rows.spans.tolist(), strict=True):
        known.setdefault((rows.video_ids[video], rows.labels[label]), []).append(span)
    return known


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
