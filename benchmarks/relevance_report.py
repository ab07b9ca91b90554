"""The page of relevance: every figure with its interval, the paper's beside it, and what became of its claims."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from relevance_figures import interval
from whenabouts.core.files import write_json, write_text

MAIN = 20
KINDS = ("convnet", "lstm", "transformer", "netvlad", "netfv")
PAPER = {"convnet": ".7454 -> .8036", "lstm": ".7681 -> .8023", "transformer": ".6524 -> .7955",
         "netvlad": ".7243 -> .8023", "netfv": ".7203 -> .8028", "CCRL, the paper's features": ".7711 -> .8091",
         "ensemble: mean": "- -> .8329"}  # fmt: skip
CCRL = ("CCRL, the paper's features", "CCRL", "CCRL, linear", "CCRL + segment models", "CCRL + segment models, linear")
FLOORS = ("video score alone", "video models on segments, no ratings")
HIDDEN = "Unlabelled: models' scores for these classes are hidden; encodings are of nets that learned their labels."
Made = Mapping[tuple[int, int], Mapping[str, Any]]


def write_report(folder: Path, made: Made, sizes: Mapping[str, Any], host: Mapping[str, Any]) -> None:
    """Write relevance.json and relevance.md; nothing where no cell is made."""
    if not made:
        raise SystemExit("No cell is made yet: run without --report first.")
    tables = {number: rows_of(made, number) for number in sorted({number for _, number in made})}
    values = {"sizes": dict(sizes), "machine": dict(host), "rows": {str(key): rows for key, rows in tables.items()},
              "cells": {f"{seed}-{number}": {name: each[name] for name in ("rated", "short", "cpu_seconds", "recall")
                                             if name in each}
                        for (seed, number), each in made.items()}}  # fmt: skip
    write_json(folder / "relevance.json", values)
    write_text(folder / "relevance.md", "\n".join(page(made, tables, sizes, host)) + "\n")


def rows_of(made: Made, number: int) -> dict[str, dict[str, Any]]:
    """Means over seeds of each row of one number of ratings, with the interval of the one with candidates."""
    cells = [each for (_, ratings), each in sorted(made.items()) if ratings == number]
    told = {}
    for name in dict.fromkeys(name for each in cells for name in each["rows"]):
        rows = [each["rows"][name] for each in cells if name in each["rows"]]
        means = {key: float(np.mean([row[key] for row in rows]))
                 for key in ("without", "with", "rated without", "rated with")}  # fmt: skip
        low, high = interval([centred(row) for row in rows])
        told[name] = {**means, "low": low, "high": high, "seeds": len(rows)}
        if "how" in rows[0]:
            told[name]["how"] = [row["how"] for row in rows]
    return told


def centred(row: Mapping[str, Any]) -> list[float]:
    """Resamples about the figure itself: a positive that is drawn twice stands beside itself, which flatters them."""
    drawn = np.asarray(row["resampled"])
    moved: list[float] = (drawn - drawn.mean() + row["with"]).tolist()
    return moved


def difference(made: Made, number: int, first: str, second: str) -> tuple[float, float, float]:
    """How far the first row lies above the second with candidates, and the interval of that, videos paired."""
    cells = [each["rows"] for (_, ratings), each in sorted(made.items())
             if ratings == number and {first, second} <= each["rows"].keys()]  # fmt: skip
    apart = [[a - b for a, b in zip(centred(each[first]), centred(each[second]), strict=True)] for each in cells]
    return float(np.mean([each[first]["with"] - each[second]["with"] for each in cells])), *interval(apart)


def page(made: Made, tables: Mapping[int, Any], sizes: Mapping[str, Any], host: Mapping[str, Any]) -> list[str]:
    cost = sum(each["cpu_seconds"] for each in made.values()) / 60
    shapes = ", ".join(f"{number} ratings: {next(iter(rows.values()))['seeds']}" for number, rows in tables.items())
    lines = [
        "# Cross-class relevance on streams of spoken digits", "",
        f"Made by `python benchmarks/relevance.py FSDD --out benchmarks/results`; {cost:.0f} CPU minutes, "
        f"{host['cores']} cores, load {host['load']}. The speech world (docs/worlds.md), protocol `recordings`, cut to "
        f"{sizes['train']} streams to learn from (raters see {sizes['pool']:.0%} of them) and {sizes['test']} for the "
        "test, so that it fits the time; real recordings, drawn streams. Seeds (each a world and its models) by number "
        f"of ratings a class: {shapes}. Nets are 64 wide, 16 clusters; two folds make rows out of fold.", "",
        "No setting was chosen on these worlds, and no model had a trial of its settings: those of first trials, the "
        "same for all. All segment models and all of CCRL's models get the same ratings, the same video labels "
        "to learn from before (segment models on 5 frames), and the same weak negatives (2 at weight 0.5), except "
        'the rows "ratings alone" and the row with the paper\'s features, which has none. MAP over 66 '
        "speakers and digits by speakers: `all` counts every true segment, `rated` those that raters saw. Candidates: "
        "3 times as many videos as should hold the class, by the mean of four video models. [ ]: 95 % over seeds and "
        "test videos, both drawn again, of `all` with candidates, about the figure; what one seed's world and training "
        "add is not in the interval of a single seed. The best single model of a claim is the best of the table, which "
        "is hard on what is compared with it.",
    ]  # fmt: skip
    lines += recall_table(made)
    for number, rows in tables.items():
        if number == MAIN:
            lines += main_tables(rows)
    lines += few_ratings(tables)
    return lines + claims(made, tables) + missing()


def recall_table(made: Made) -> list[str]:
    curves = [each["recall"] for (_, number), each in made.items() if number == MAIN]
    if not curves:
        return []
    means = np.mean([each["recall"] for each in curves], axis=0)
    shares = [f"{share:.0%}" for share in curves[0]["shares"]]
    kept, found = (float(np.mean([each[name][0] for each in curves])) for name in ("kept", "found"))
    return ["", "## Table 1: recall of candidates", "",
            f"| share of segments kept | {' | '.join(shares)} |", f"|---{'|---' * len(shares)}|",
            f"| recall, mean of 4 video models | {' | '.join(f'{each:.3f}' for each in means)} |", "",
            f"Candidates below keep {kept:.1%} of all segments and {found:.1%} of the true ones. The paper: 4.5 % "
            "kept (100,000 of 2.2 million); 0.9713 logistic, 0.9931 LSTM, 0.9969 ensemble."]  # fmt: skip


def table(title: str, rows: Mapping[str, Any], names: Any) -> list[str]:
    lines = ["", f"## {title}", "",
             "| | all: without | all: with candidates | rated: without | with | the paper |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    return lines + [line_of(name, rows[name]) for name in names if name in rows]


def line_of(name: str, row: Mapping[str, Any]) -> str:
    told = f"{name} ({', '.join(sorted(set(row['how'])))})" if "how" in row else name
    return (f"| {told} | {row['without']:.3f} | {row['with']:.3f} [{row['low']:.3f}, {row['high']:.3f}] | "
            f"{row['rated without']:.3f} | {row['rated with']:.3f} | {PAPER.get(name, '')} |")  # fmt: skip


def main_tables(rows: Mapping[str, Any]) -> list[str]:
    ensembles = [name for name in rows if name.startswith("ensemble")]
    alone = [name for name in rows if name.endswith("ratings alone")]
    unseen = [name for name in rows if name.startswith(("unrated", "unlabelled"))]
    known = {*FLOORS, *KINDS, *CCRL, *ensembles, *alone, *unseen}
    rest = [name for name in rows if name not in known]
    return [
        *table(f"Table 2: {MAIN} ratings a class", rows, (*FLOORS, *KINDS, *CCRL, *ensembles)),
        *(table("Ratings alone, without weak negatives", rows, alone) if alone else []),
        *(table("What CCRL's features do", rows, ("CCRL", *rest)) if rest else []),
        *(table("Unseen classes (a third of the digits by speakers)", rows, unseen) if unseen else []),
        *(["", HIDDEN] if unseen else []),
    ]  # fmt: skip


def few_ratings(tables: Mapping[int, Any]) -> list[str]:
    lines = ["", "## Few and many ratings (all truth, with candidates)", "",
             f"| | {' | '.join(map(str, tables))} |", f"|---{'|---' * len(tables)}|"]  # fmt: skip
    for name in (*FLOORS, *KINDS, *CCRL, "ensemble: mean", "ensemble: chosen"):
        cells = [f"{rows[name]['with']:.3f} [{rows[name]['low']:.3f}, {rows[name]['high']:.3f}]"
                 for rows in tables.values()]  # fmt: skip
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def claims(made: Made, tables: Mapping[int, Any]) -> list[str]:
    if MAIN not in tables:
        return []
    rows = tables[MAIN]
    gains = {name: rows[name]["with"] - rows[name]["without"] for name in (*KINDS, *CCRL)}
    lines = ["", "## The paper's claims here", ""]
    lines += cautions(tables)
    worst = min(gains, key=lambda name: gains[name])
    lines.append(f"- Candidates help every model: {'holds' if gains[worst] > 0 else 'does not hold'}; from "
                 f"{gains[worst]:+.3f} ({worst}) to {max(gains.values()):+.3f} "
                 f"({max(gains, key=lambda name: gains[name])}).")  # fmt: skip
    for number, told in tables.items():
        best = max(KINDS, key=lambda name: told[name]["with"])
        for name in ("CCRL, the paper's features", "CCRL", "CCRL + segment models"):
            lines.append(f"- {name} beats the best single model ({best}), {number} ratings: "
                         f"{verdict(*difference(made, number, name, best))}")  # fmt: skip
    if "without similarity" in rows:
        lines.append(f"- Similarities matter: {verdict(*difference(made, MAIN, 'CCRL', 'without similarity'))}")
    single = max((*KINDS, *CCRL), key=lambda name: rows[name]["with"])
    for name in ("ensemble: mean", "ensemble: chosen"):
        lines.append(f"- {name} beats all ({single}): {verdict(*difference(made, MAIN, name, single))}")
    pairs = (("unrated: CCRL", "unrated: segment score alone"),
             ("unlabelled: CCRL", "unlabelled: nearest class by description"))  # fmt: skip
    for first, second in pairs:
        if first in rows:
            lines.append(f"- One model shares across classes ({first} above {second.partition(': ')[2]}): "
                         f"{verdict(*difference(made, MAIN, first, second))}")  # fmt: skip
    return lines


def cautions(tables: Mapping[int, Any]) -> list[str]:
    """Why the lines below settle nothing: too few seeds, or rivals that have learned less than nothing from ratings."""
    lines = []
    for number, rows in tables.items():
        seeds, floor = rows[FLOORS[1]]["seeds"], rows[FLOORS[1]]["with"]
        weak = [name for name in KINDS if rows[name]["with"] < floor]
        if seeds < 3:
            lines.append(f"**{number} ratings: {seeds} seed(s). What is said below is a first reading, no finding.**")
        if weak:
            lines.append(
                f"**{number} ratings: {', '.join(weak)} lie below video models that know no rating "
                f"({floor:.3f}): they are undertrained at this size, so that a lead over the best "
                "single model says nothing of the paper's claim, nor does an ensemble with them.**"
            )
    return [part for line in lines for part in (line, "")]


def verdict(apart: float, low: float, high: float) -> str:
    word = "holds" if low > 0 else "does not hold" if high < 0 else "can't be told"
    return f"{word}; {apart:+.3f} [{low:+.3f}, {high:+.3f}]."


def missing() -> list[str]:
    return [
        "",
        "## Not measured",
        "",
        "Batch norm and mixture of experts two by two, winners-out on this world, full supervision of segments "
        "as a ceiling, a distilled video model, and encoders that never saw the labels of unseen classes.",
    ]
