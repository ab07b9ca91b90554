"""The page of winners-out: every figure with its interval, the paper's beside it, and what came of its claims."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from whenabouts.core.files import write_json, write_text
from whenabouts.data.worlds.timelines import Kind, statistics
from winners_out_claims import Judged, judged, uses_of
from winners_out_figures import estimates
from winners_out_rows import BASE, FIG8, III, IV, ROWS, SEGMENTS, STEPS_TABLE, SWEEP, TRAIN, USE, VI, VII, Row, V

TITLES = {
    III: "Table III: rounds of training with winners removed between them",
    IV: "Table IV: removal in training, steps in testing",
    V: "Table V and section VI-C: which scores",
    VI: "Table VI: number of attentions M",
    VII: "Table VII: the shift's beta",
    FIG8: "Fig. 8: number of segments K",
    STEPS_TABLE: "Test steps",
    TRAIN: "Other trainings",
    USE: "Other uses of the model of two rounds",
    SWEEP: "Two claims taken to where they should fail",
}
NAMES: Mapping[Kind, str] = {"thumos14": "THUMOS14-like", "activitynet": "ActivityNet-like"}
BOUNDS = {
    "ceiling": "ceiling: told when",
    "uniform windows": "floor: uniform windows",
    "whole video": "floor: whole video",
}
Cells = Mapping[Kind, Mapping[str, Any]]


def write_report(folder: Path, cells: Cells, videos: int, host: Mapping[str, Any]) -> None:
    """Write winners_out.json and winners_out.md."""
    claims = judged(cells)
    rows = {kind: [_row_values(kind, cells[kind], row) for row in ROWS] for kind in cells}
    values = {
        "videos": videos,
        "machine": dict(host),
        "settings": {kind: cells[kind]["two rounds"][0]["settings"] for kind in cells if "two rounds" in cells[kind]},
        "rows": {kind: [row for row in each if row] for kind, each in rows.items()},
        "bounds": {kind: _bounds(cells[kind]) for kind in cells},
        "claims": [{"claim": each.claim.text, "world": each.kind, "average": each.average.to_json(),
                    "half": each.half.to_json(), "paper_half": each.claim.paper, "verdict": each.verdict}
                   for each in claims],
        "winners": {kind: _winners(cells[kind]) for kind in cells if "winners" in cells[kind]},
    }  # fmt: skip
    write_json(folder / "winners_out.json", values)
    write_text(folder / "winners_out.md", "\n".join(_page(cells, values, claims)) + "\n")


def _row_values(kind: Kind, cells: Mapping[str, Any], row: Row) -> dict[str, Any] | None:
    uses = uses_of(kind, cells, row)
    if uses is None:
        return None
    average, half = estimates(uses)
    return {"table": row.table, "row": row.name, "average": average.to_json(), "half": half.to_json(),
            "paper_half": row.paper.get(kind), "per_seed": [round(float(np.mean(use["map"])), 5) for use in uses],
            "recall_strong": _mean(uses, "recall_strong"), "recall_weak": _mean(uses, "recall_weak")}  # fmt: skip


def _bounds(cells: Mapping[str, Any]) -> dict[str, Any]:
    made = cells.get("bounds", [])
    if not made:
        return {}
    found = {name: estimates([cell["uses"][name] for cell in made]) for name in BOUNDS}
    return {name: {"average": average.to_json(), "half": half.to_json()} for name, (average, half) in found.items()}


def _winners(cells: Mapping[str, Any]) -> dict[str, Any]:
    made = cells["winners"]

    def mean(rows: Sequence[Sequence[Mapping[str, float]]]) -> list[dict[str, float]]:
        return [{name: round(float(np.mean([row[step][name] for row in rows])), 4) for name in ("strong", "weak")}
                for step in range(len(rows[0]))]  # fmt: skip

    return {
        "training": mean([cell["training"] for cell in made]),
        "at_random": mean([cell["at_random"] for cell in made]),
        "testing": {name: mean([cell["testing"][name] for cell in made]) for name in made[0]["testing"]},
    }


def _page(cells: Cells, values: Mapping[str, Any], claims: Sequence[Judged]) -> Iterator[str]:
    yield from _head(cells, values)
    yield from _verdicts(claims)
    for table, title in TITLES.items():
        lines = list(_table(cells, values, table))
        if lines:
            yield from (f"## {title}", "", *lines, "")
    yield from _winners_page(values["winners"])


def _head(cells: Cells, values: Mapping[str, Any]) -> Iterator[str]:
    seeds = max((len(each) for kind in cells for each in cells[kind].values()), default=0)
    cpu = sum(cell.get("cpu_seconds", 0) for kind in cells for each in cells[kind].values() for cell in each)
    yield "# Winners-out on planted worlds\n"
    yield "Made by `python benchmarks/winners_out.py --out benchmarks/results`.\n"
    yield (
        f"Worlds: {values['videos']} videos to learn from, as many to test on, 20 concepts, two streams of 128 numbers "
        f"every 0.64 s; timelines from {' and '.join(statistics(kind)['source'] for kind in cells)} "
        f"(`data/worlds/timelines.py`). Seeds 0 to {seeds - 1} each draw a world and a training. The knobs of the "
        "worlds were committed before any of this was run, and the settings are the localizer's defaults but for "
        f"{', '.join(f'{name} {value}' for name, value in BASE.items())} and {SEGMENTS['thumos14']} segments "
        f"(ActivityNet-like: {SEGMENTS['activitynet']}), so nothing here was chosen on what is shown here.\n"
    )
    yield (
        "mAP in percent by ActivityNet's protocol: the mean over tIoU 0.1 to 0.7, and at 0.5, with 95 % intervals over "
        "worlds and videos (bootstrap). `lead` is the paired difference of the means from the table's first row. "
        "`paper` is mAP@0.5 as published, on the real data and with other features: compare signs, not heights. `weak "
        "found` is the share of weak instances that some moment of their concept meets at tIoU 0.5, beside that of "
        "strong ones.\n"
    )
    yield (
        f"Machine: {values['machine']['cores']} shared cores, Python {values['machine']['python']}, one thread a "
        f"process; {cpu / 60:.0f} CPU minutes for all trainings. Load at the end: {values['machine']['load']}.\n"
    )


def _table(cells: Cells, values: Mapping[str, Any], table: str) -> Iterator[str]:
    for kind in cells:
        rows = [row for row in ROWS if row.table == table and uses_of(kind, cells[kind], row) is not None]
        if not rows:
            continue
        first = uses_of(kind, cells[kind], rows[0])
        yield f"{NAMES[kind]}:\n"
        yield "| row | mAP 0.1:0.7 | lead | mAP@0.5 | paper | weak found (strong) |"
        yield "|---|---|---|---|---|---|"
        for row in rows:
            yield _line(kind, row, uses_of(kind, cells[kind], row) or [], first)
        for name, told in BOUNDS.items():
            if name in values["bounds"][kind]:
                bound = values["bounds"][kind][name]
                yield f"| {told} | {_told(bound['average'])} | | {_told(bound['half'])} | | |"
        yield ""


def _line(kind: Kind, row: Row, uses: Sequence[Mapping[str, Any]], first: Any) -> str:
    average, half = estimates(uses)
    lead = "" if uses == first else _told(estimates(uses, first)[0].to_json(), sign=True)
    weak, strong = _mean(uses, "recall_weak"), _mean(uses, "recall_strong")
    recall = "" if weak is None or strong is None else f"{100 * weak:.0f} ({100 * strong:.0f})"
    return (f"| {row.name} | {_told(average.to_json())} | {lead} | {_told(half.to_json())} | "
            f"{row.paper.get(kind, '')} | {recall} |")  # fmt: skip


def _verdicts(claims: Sequence[Judged]) -> Iterator[str]:
    yield "## The paper's claims\n"
    yield (
        "The difference is that of the average mAP, in points; `paper` is what it says of mAP@0.5 on THUMOS14, "
        "ActivityNet 1.3. A claim holds where the whole interval lies above 0.\n"
    )
    yield "| claim | world | difference | at 0.5 | paper | here |"
    yield "|---|---|---|---|---|---|"
    for each in claims:
        yield (f"| {each.claim.text} | {NAMES[each.kind]} | {_told(each.average.to_json(), sign=True)} | "
               f"{_told(each.half.to_json(), sign=True)} | {each.claim.paper} | {each.verdict} |")  # fmt: skip
    yield ""


def _winners_page(winners: Mapping[Kind, Mapping[str, Any]]) -> Iterator[str]:
    yield "## Winner takes all, as a number\n"
    yield "Share of instances that a winner has touched (strong / weak), in percent.\n"
    for kind, told in winners.items():
        yield f"{NAMES[kind]}, training half, after each removal; and were as many segments removed at random:\n"
        yield "| removal | winners | at random |\n|---|---|---|"
        for number, (mine, random) in enumerate(zip(told["training"], told["at_random"], strict=True)):
            yield f"| {number + 1} | {_both(mine)} | {_both(random)} |"
        yield f"\n{NAMES[kind]}, test half, after each test step, by rounds of training:\n"
        yield "| step | " + " | ".join(told["testing"]) + " |\n|---" * 1 + "|---" * len(told["testing"]) + "|"
        for step in range(len(next(iter(told["testing"].values())))):
            yield f"| {step + 1} | " + " | ".join(_both(rows[step]) for rows in told["testing"].values()) + " |"
        yield ""


def _both(row: Mapping[str, float]) -> str:
    return f"{100 * row['strong']:.0f} / {100 * row['weak']:.0f}"


def _mean(uses: Sequence[Mapping[str, Any]], name: str) -> float | None:
    found = [use[name] for use in uses if use[name] is not None]
    return round(float(np.mean(found)), 4) if found else None


def _told(values: Sequence[float], *, sign: bool = False) -> str:
    mean, low, high = (100 * value for value in values)
    low = low if sign else max(low, 0.0)
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})" if sign else f"{mean:.1f} ({low:.1f} to {high:.1f})"
