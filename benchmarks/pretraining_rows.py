"""Rows of the pre-training tables: what each learns from, with which net, and on which targets it is judged."""

from dataclasses import dataclass, replace
from typing import Literal

from whenabouts.recognition.pretrain_settings import Loss

SEEDS = (0, 1, 2)
TARGETS = ("near action", "kitchen verb", "kitchen noun", "kitchen action")
Subset = Literal["random", "tail"]
Length = Literal["all", "short", "long", "long, as much time", "long centre"]


@dataclass(frozen=True)
class Learning:
    """How nets are trained; rates were chosen on a world of its own (seed 90), where no table looks.

    Every pre-training sees `views` clips, whatever it learns from; fine-tuning `target_views`.
    """

    views: int = 5600
    batch: int = 16
    rate: float = 3e-3
    target_views: int = 1920
    target_rate: float = 3e-3
    scratch_rate: float = 3e-3
    weight_decay: float = 0.01
    penalties: tuple[float, ...] = (1e-3, 1e-2, 1e-1)


@dataclass(frozen=True)
class Net:
    """A net: its family, and the widths of its stages of one block each."""

    name: Literal["r3d", "resnet"] = "r3d"
    widths: tuple[int, ...] = (12, 24, 48)

    @property
    def key(self) -> str:
        """Part of a file's name."""
        return f"{self.name}-{'-'.join(map(str, self.widths))}"


BASE = Net()
PICTURES = Net("resnet")


@dataclass(frozen=True)
class Source:
    """What a net is pre-trained on.

    `archive` is one of the world's, or "clean" for the near target's own training clips. Tags are read as `space`, of
    which `labels` are taken (None: all); then `posts` of those left are kept, drawn as `subset` says. Sets of one
    `length` have one label a post, and equally many posts of each; "as much time": as long in all as the short ones.
    """

    archive: Literal["actions", "pairs", "stills", "clean", "pictures"]
    space: Literal["action", "verb", "noun"] = "action"
    posts: int | None = None
    subset: Subset = "random"
    labels: int | None = None
    length: Length = "all"
    loss: Loss = "softmax"
    net: Net = BASE

    @property
    def key(self) -> str:
        """Part of a file's name."""
        parts = (self.archive, self.space, self.posts, self.subset, self.labels, self.length, self.loss, self.net.key)
        return "_".join(str(part).replace(" ", "-") for part in parts)


@dataclass(frozen=True)
class Row:
    """One row: its table, its name, its source (None: from scratch), its net in fine-tuning, and its targets."""

    table: str
    name: str
    source: Source | None
    targets: tuple[str, ...] = ("near action",)
    net: Net = BASE
    spread: Literal["mean", "centre"] = "mean"

    @property
    def key(self) -> str:
        """Part of a file's name."""
        return f"{self.table}_{self.name}".replace(" ", "-").replace("/", "-")


_ALL = Source("actions")
_BOTH = ("near action", "kitchen action")

AMOUNTS = (200, 800, 3200)
FIGURE_1 = (
    Row("Fig. 1a-b", "scratch", None, _BOTH),
    Row("Fig. 1a-b", "clean, 144", Source("clean"), _BOTH),
    *(
        Row("Fig. 1a-b", f"noisy, {count}", Source("actions", posts=count if count < 3200 else None), _BOTH)
        for count in AMOUNTS
    ),
)
FIGURE_1C = tuple(
    Row("Fig. 1c", f"{subset}, {count}", Source("actions", posts=count, subset=subset))
    for count in AMOUNTS[:-1]
    for subset in ("random", "tail")
)
FIGURE_2 = (
    Row("Fig. 2", "actions", Source("actions", posts=1600, subset="tail"), TARGETS),
    Row("Fig. 2", "verbs", Source("pairs", "verb", posts=1600, subset="tail"), TARGETS),
    Row("Fig. 2", "nouns", Source("pairs", "noun", posts=1600, subset="tail"), TARGETS),
    Row("Fig. 2", "verbs + nouns", Source("pairs", posts=1600, subset="tail"), TARGETS),
)
FIGURE_4 = (
    *(Row("Fig. 4a", f"{count} pairs", Source("pairs", labels=count, posts=300)) for count in (9, 18, 36)),
    *(Row("Fig. 4b", f"{count} actions", Source("actions", labels=count, posts=200)) for count in (3, 6, 12)),
)
WIDTHS = ((6, 12, 24), (12, 24, 48), (24, 48, 96), (32, 64, 128))  # The widest has 0.9 M parameters.
TABLE_2 = tuple(
    row
    for net in (Net("r3d", widths) for widths in WIDTHS)
    for row in (
        Row("Table 2", f"{net.widths[-1]} wide, noisy", replace(_ALL, net=net), ("near action",), net),
        Row("Table 2", f"{net.widths[-1]} wide, scratch", None, ("near action",), net),
    )
)
TABLE_3 = (
    Row("Table 3", "long, as many", Source("actions", length="long")),
    Row("Table 3", "long, as much time", Source("actions", length="long, as much time")),
    Row("Table 3", "short", Source("actions", length="short")),
    Row("Table 3", "centres of long", Source("actions", length="long centre")),
)
TABLE_4 = (
    Row("Table 4", "scratch", None),
    Row("Table 4", "clean pictures of nouns", Source("pictures", "noun", net=PICTURES)),
    Row("Table 4", "noisy pictures", Source("stills", net=PICTURES)),
    Row("Table 4", "noisy frames of videos", replace(_ALL, net=PICTURES)),
    Row("Table 4", "noisy frames of videos, centre", replace(_ALL, net=PICTURES), spread="centre"),
    Row("Table 4", "clean clips", Source("clean")),
    Row("Table 4", "noisy clips", _ALL),
)
LOSSES = tuple(
    Row("Losses", name, replace(_ALL, loss=loss), _BOTH)
    for name, loss in (("softmax", "softmax"), ("sigmoid", "sigmoid"), ("softmax on all tags", "softmax_all"))
)
ROWS = (*FIGURE_1, *FIGURE_1C, *TABLE_3, *TABLE_4, *FIGURE_2, *FIGURE_4, *LOSSES, *TABLE_2)
