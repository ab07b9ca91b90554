"""Options that all verbs share, said once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

ProjectFolder = Annotated[
    Path, typer.Option("--project", help="The project's folder, or s3://BUCKET/PROJECT.", show_default="this folder")
]
FolderHere = Annotated[
    Path, typer.Option("--project", help="The project's folder on this machine.", show_default="this folder")
]
Recipe = Annotated[Path | None, typer.Option("--recipe", help="A TOML file of settings.", show_default=False)]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Change one setting: section.key=value.", show_default=False)
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Same seed, same result.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
On = Annotated[
    str,
    typer.Option(
        "--on",
        help="Where: local, ray (the cluster in RAY_ADDRESS, else Ray on this machine), or ray://HOST:PORT.",
        metavar="PLACE",
    ),
]
Processes = Annotated[
    int | None,
    typer.Option(
        "--processes",
        help="With --on a cluster: how many train together. The same number, the same result.",
        show_default="one a GPU, else one a node",
        min=1,
    ),
]
Architecture = Annotated[
    str | None, typer.Option("--architecture", help="The published name of the net that a file at --start is of.")
]
SpreadOver = Annotated[
    Literal["mean", "centre"],
    typer.Option("--spread", help="How a net on pictures at --start fills the frames of a net on clips."),
]
TrainingWorkers = Annotated[int, typer.Option("--workers", help="Videos decoded, and batches drawn, at a time.", min=1)]
