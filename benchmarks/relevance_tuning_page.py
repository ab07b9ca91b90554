"""The page of the trials by which the models in the tables of relevance came to their settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from provenance import write_result
from relevance_figures import centred, interval

BEFORE = "What these have in use was set without trials."


def write_page(folder: Path, made: Mapping[str, Any], lacking: Sequence[str], host: Mapping[str, Any]) -> None:
    """Write relevance_tuning.json and relevance_tuning.md; nothing where no trial is made."""
    if not made:
        raise SystemExit("No trial is made yet: run without --report first.")
    values = {"machine": dict(host), "trainings": told(made)}
    trials = [each for row in made.values() for each in row["trials"].values()]
    write_result(folder, "relevance_tuning", values, "\n".join(page(made, lacking, host)), cells=trials)


def told(made: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"knob": row["knob"], "used": row["used"], "clearly better": better(row),
                   "map": {value: each["without"] for value, each in row["trials"].items()},
                   "cpu_seconds": sum(each["cpu"] for each in row["trials"].values())}
            for name, row in made.items()}  # fmt: skip


def better(row: Mapping[str, Any]) -> list[str]:
    """Values that lie above the one in use with their whole interval, over resamples of test videos, best first."""
    trials, own = row["trials"], used(row)
    if own not in trials:
        return []
    found = [value for value in trials if value != own and lead(trials[value], trials[own])[1] > 0]
    return sorted(found, key=lambda value: -trials[value]["without"])


def lead(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[float, float, float]:
    """How far the first trial lies above the second, and the interval of that, videos paired."""
    pairs = zip(centred(first, "without"), centred(second, "without"), strict=True)
    return first["without"] - second["without"], *interval([[a - b for a, b in pairs]])


def page(made: Mapping[str, Any], lacking: Sequence[str], host: Mapping[str, Any]) -> list[str]:
    cost = sum(each["cpu"] for row in made.values() for each in row["trials"].values()) / 60
    counts = sorted({len(row["trials"]) for row in made.values()})
    each = f"{counts[0]} trials each" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} trials each, not all made"
    lines = [
        "# How the models in the tables of relevance came to their settings", "",
        f"Made by `python benchmarks/relevance_tuning.py FSDD --out benchmarks/results`; {cost:.0f} CPU minutes, "
        f"{host['cores']} cores, load {host['load']}. {len(made)} trainings, {each}. One world, seed 100, which is in "
        "no table: as large as the tables' and with 80 ratings a class. MAP over all true segments of its test "
        "streams, without candidates. In bold: the value in use. It gives way to one that is clearly better, that is "
        "by the whole 95 % interval of the difference over the test videos; so what is not told apart changes nothing. "
        "A segment model is trained twice, on labels and then on ratings. "
        "Everything else (widths, steps, batches, depth of trees) is the same for all or was set once, without "
        "trials for any one model. What varies a model (more features or fewer, batch norm, experts, ratings alone, "
        "every segment known, a teacher, unseen classes) has that model's settings.", "",
        "| training | what is tried | MAP by its values | clearly better |", "|---|---|---|---|",
    ]  # fmt: skip
    for name, row in made.items():
        values = ", ".join(shown(value, each["without"], value == f"{row['used']:g}")
                           for value, each in row["trials"].items())  # fmt: skip
        starts = sorted({each["start"] for each in row["trials"].values() if "start" in each})
        named = name + "".join(f", from labels at {start:g}" for start in starts)
        lines.append(f"| {named} | {row['knob']} | {values} | {', '.join(better(row)) or 'none'} |")
    ahead = [f"{name} {better(row)[0]} ({lead(row['trials'][better(row)[0]], row['trials'][used(row)])[0]:+.3f})"
             for name, row in made.items() if better(row)]  # fmt: skip
    if ahead:
        lines += ["", f"Better than what is in use: {', '.join(ahead)}."]
    told = f"Without all of their trials: {'; '.join(lacking)}. {BEFORE}"
    return [*lines, "", told] if lacking else lines


def used(row: Mapping[str, Any]) -> str:
    """The value in use, as trials are named."""
    return f"{row['used']:g}"


def shown(value: str, found: float, used: bool) -> str:
    text = f"{value}: {found:.3f}"
    return f"**{text}**" if used else text
