"""What became of the paper's claims: differences with their intervals, and a word on why."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from relevance_figures import Made, centred, interval

MAIN = 20
KINDS = ("convnet", "lstm", "transformer", "netvlad", "netfv")
PAPERS = "CCRL, the paper's features"
NORMED = "CCRL + NetVLAD with batch norm"
BEST_NET = "netvlad, batch norm, experts"
CCRL = (PAPERS, "CCRL", "CCRL, linear", "CCRL + NetVLAD", "CCRL + NetVLAD, linear", NORMED,
        f"{NORMED}, linear", "CCRL + segment models", "CCRL + segment models, linear")  # fmt: skip
SINGLE = tuple(f"video.{kind} on segments" for kind in ("logistic", "lstm", "netvlad", "netfv"))
DISTILLED = ("video.distilled LSTM on segments",)
FLOORS = ("video score alone", *SINGLE, *DISTILLED, "video models on segments, no ratings",
          "segment models before any rating")  # fmt: skip
LEAST_SEEDS = 3


def difference(
    made: Made, number: int, first: str, second: str, read: tuple[str, str] = ("with", "with")
) -> tuple[float, float, float]:
    """How far the first row lies above the second, and the interval of that, videos paired.

    `read` tells whether each is read with candidates or "without".
    """
    cells = [each["rows"] for (_, ratings), each in sorted(made.items())
             if ratings == number and {first, second} <= each["rows"].keys()]  # fmt: skip
    apart = [[a - b for a, b in zip(centred(each[first], read[0]), centred(each[second], read[1]), strict=True)]
             for each in cells]  # fmt: skip
    means = [each[first][read[0]] - each[second][read[1]] for each in cells]
    return float(np.mean(means)), *interval(apart)


def verdict(apart: float, low: float, high: float) -> str:
    word = "holds" if low > 0 else "does not hold" if high < 0 else "can't be told"
    return f"{word}; {lead(apart, low, high)}."


def claims(made: Made, tables: Mapping[int, Any]) -> list[str]:
    if MAIN not in tables:
        return []
    lines = ["", "## The paper's claims here", "", *cautions(tables)]
    lines += candidates_help(made, tables)
    lines += beats_single(made, tables)
    rows = tables[MAIN]
    if "without similarity" in rows:
        lines += ["", "**Similarities matter** (CCRL against itself without any, "
                  f"{rows['without similarity']['seeds']} seeds): "
                  f"{verdict(*difference(made, MAIN, 'CCRL', 'without similarity'))}"]  # fmt: skip
    lines += ["", "**The ensemble beats all.**", ""]
    for number, told in tables.items():
        single = max((name for name in (*KINDS, *CCRL) if name in told), key=lambda name: told[name]["with"])
        lines += [f"- {name}, {number} ratings, against the best of all others ({single}): "
                  f"{verdict(*difference(made, number, name, single))}"
                  for name in ("ensemble: mean", "ensemble: chosen")]  # fmt: skip
    lines += sharing(made, rows)
    return lines + variants(made, tables)


def variants(made: Made, tables: Mapping[int, Any]) -> list[str]:
    """Our own variants against the paper's features with trees, and against all models without any rating."""
    lines = ["", "**Our own variants** against CCRL with trees over video models alone (the default before):", "",
             *head(tables)]  # fmt: skip
    pairs = [(name, "CCRL") for name in CCRL[2:]] + [("CCRL", PAPERS), *((name, FLOORS[-2]) for name in CCRL[1:5])]
    pairs += [("CCRL + NetVLAD, linear", "CCRL + NetVLAD"), (f"{NORMED}, linear", "CCRL + NetVLAD, linear")]
    pairs += [(name, BEST_NET) for name in ("CCRL", "CCRL + NetVLAD, linear", f"{NORMED}, linear")]
    for first, second in pairs:
        if not any({first, second} <= rows.keys() for rows in tables.values()):
            continue
        told = " | ".join(lead(*difference(made, number, first, second)) if {first, second} <= rows.keys() else ""
                          for number, rows in tables.items())  # fmt: skip
        beside = "" if second == "CCRL" else f", against {second}"
        lines.append(f"| {first}{beside} | {told} |")
    return lines


def lead(apart: float, low: float, high: float) -> str:
    return f"{apart:+.3f} [{low:+.3f}, {high:+.3f}]"


def candidates_help(made: Made, tables: Mapping[int, Any]) -> list[str]:
    """With candidates less without, of every model."""
    lines = ["**Candidates help every model.** MAP with candidates less MAP without, all truth:", "", *head(tables)]
    gains = []
    for name in measured(tables, (*KINDS, *CCRL)):
        told = [difference(made, number, name, name, ("with", "without")) if name in rows else None
                for number, rows in tables.items()]  # fmt: skip
        gains += [each for each in told if each]
        cells = " | ".join(lead(*each) if each else "" for each in told)
        lines.append(f"| {name} | {cells} |")
    helped, hurt = sum(low > 0 for _, low, _ in gains), sum(high < 0 for *_, high in gains)
    word = "Holds" if helped == len(gains) else "Does not hold"
    return [*lines, "", f"{word}: of {len(gains)} cells {helped} gain, {hurt} lose, {len(gains) - helped - hurt} can't "
            "be told."]  # fmt: skip


def measured(tables: Mapping[int, Any], names: Iterable[str]) -> list[str]:
    """Those of the names that some table has."""
    return [name for name in names if any(name in rows for rows in tables.values())]


def head(tables: Mapping[int, Any]) -> list[str]:
    return [f"| | {' | '.join(f'{number} ratings' for number in tables)} |", f"|---{'|---' * len(tables)}|"]


def beats_single(made: Made, tables: Mapping[int, Any]) -> list[str]:
    """Each kind of relevance model against the best segment model."""
    lines = [
        "",
        "**CCRL beats the best single model, most where ratings are few.** The best of each column's five "
        "segment models, by the same table, which is hard on what is compared with it:",
        "",
        *head(tables),
    ]
    best = {number: max(KINDS, key=lambda name: rows[name]["with"]) for number, rows in tables.items()}
    lines.append(f"| the best single model | {' | '.join(best.values())} |")
    for name in measured(tables, CCRL):
        told = " | ".join(verdict(*difference(made, number, name, best[number])) if name in rows else ""
                          for number, rows in tables.items())  # fmt: skip
        lines.append(f"| {name} | {told} |")
    return lines


def sharing(made: Made, rows: Mapping[str, Any]) -> list[str]:
    nearest = "unlabelled: nearest class by description"  # the same for classes without ratings: it asks for none
    rivals = {"unrated": ("unrated: video score alone", "unrated: segment score alone", nearest),
              "unlabelled": (nearest,), "hidden": ("hidden: nearest class by description",)}  # fmt: skip
    pairs = [(f"{name}: {kind}", rival) for name, each in rivals.items() for rival in each
             for kind in ("CCRL", "CCRL, linear")]  # fmt: skip
    lines = ["", "**One model shares information across classes** (unseen classes, see below).", ""]
    told = [f"- {first} against {second.partition(': ')[2]}: {verdict(*difference(made, MAIN, first, second))}"
            for first, second in pairs if {first, second} <= rows.keys()]  # fmt: skip
    return [*lines, *told] if told else []


def cautions(tables: Mapping[int, Any]) -> list[str]:
    """Why the lines below settle less than they say: too few seeds, or rivals that have learned too little."""
    lines = []
    for number, rows in tables.items():
        seeds, floor = rows[FLOORS[0]]["seeds"], max(rows[name]["with"] for name in SINGLE)
        weak = [name for name in KINDS if rows[name]["with"] < floor]
        if seeds < LEAST_SEEDS:
            lines.append(f"**{number} ratings: {seeds} seed(s). What is said below is a first reading, no finding.**")
        if weak:
            lines.append(f"**{number} ratings: {', '.join(weak)} lie{'s' * (len(weak) == 1)} below the best video "
                         f"model on segments, which knows no rating ({floor:.3f}).**")  # fmt: skip
    return [part for line in lines for part in (line, "")]
