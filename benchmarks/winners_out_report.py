"""The page of winners-out: every figure with its interval, the paper's beside it, and what came of its claims."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from provenance import write_result
from whenabouts.data.worlds.timelines import Kind, statistics
from winners_out_claims import Judged, judged, uses_of
from winners_out_figures import Uses, estimates
from winners_out_reasons import reasons
from winners_out_rows import BASE, ROWS, SEGMENTS, TITLES, Row
from winners_out_words import NAMES, compared, methods_page, told, verdicts, winners_page

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
        "settings": {kind: cells[kind]["two rounds"][0]["settings"] for kind in cells if cells[kind]["two rounds"]},
        "rows": {kind: [row for row in each if row] for kind, each in rows.items()},
        "methods": {kind: [each.to_json() for each in compared(kind, cells[kind])] for kind in cells},
        "bounds": {kind: _bounds(cells[kind]) for kind in cells},
        "claims": [each.to_json() for each in claims],
        "winners": {kind: _winners(cells[kind]) for kind in cells if cells[kind]["winners"]},
    }
    every = [
        cell for kind in cells for name in cells[kind] if name != "validation" for cell in cells[kind][name].values()
    ]
    write_result(folder, "winners_out", values, "\n".join(_page(cells, values, claims)), cells=every)


def _row_values(kind: Kind, cells: Mapping[str, Any], row: Row) -> dict[str, Any] | None:
    uses = uses_of(kind, cells, row)
    if not uses:
        return None
    average, half = estimates(uses)
    return {"table": row.table, "row": row.name, "average": average.to_json(), "half": half.to_json(),
            "paper_half": row.paper.get(kind),
            "per_seed": {str(seed): round(float(np.mean(use["map"])), 5) for seed, use in uses.items()},
            "recall_strong": _mean(uses, "recall_strong"), "recall_weak": _mean(uses, "recall_weak")}  # fmt: skip


def _bounds(cells: Mapping[str, Any]) -> dict[str, Any]:
    made = cells["bounds"]
    if not made:
        return {}
    found = {name: estimates({seed: cell["uses"][name] for seed, cell in made.items()}) for name in BOUNDS}
    return {name: {"average": average.to_json(), "half": half.to_json()} for name, (average, half) in found.items()}


def _winners(cells: Mapping[str, Any]) -> dict[str, Any]:
    made = list(cells["winners"].values())

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
    yield from verdicts(claims)
    yield from reasons(values)
    yield from methods_page(cells)
    yield from winners_page(values["winners"])
    for table, title in TITLES.items():
        lines = list(_table(cells, values, table))
        if lines:
            yield from (f"## {title}", "", *lines)


def _head(cells: Cells, values: Mapping[str, Any]) -> Iterator[str]:
    made = [cell for kind in cells for name, each in cells[kind].items() if name != "validation"
            for cell in each.values()]  # fmt: skip
    seeds = max(len(cells[kind]["two rounds"]) for kind in cells)
    cpu = sum(cell.get("cpu_seconds", 0) for cell in made)
    yield "# Winners-out on planted worlds\n"
    yield "Made by `python benchmarks/winners_out.py --out benchmarks/results`.\n"
    yield (
        f"Worlds: {values['videos']} videos to learn from, as many to test on, 20 concepts, two streams of 128 numbers "
        f"every 0.64 s; timelines from {' and '.join(statistics(kind)['source'] for kind in cells)} "
        f"(`data/worlds/timelines.py`). Seeds 0 to {seeds - 1} each draw a world and a training. The knobs of the "
        "worlds were committed before any of this was run. Settings are the localizer's defaults, with the paper's "
        f"{BASE['attentions']} attentions and K = {SEGMENTS['thumos14']} segments (ActivityNet-like: "
        f"{SEGMENTS['activitynet']}): rounds of {BASE['epochs']} epochs, {100 * BASE['winners_share']:g} % of the "
        f"segments win at a step, {BASE['test_steps']} test steps. Nothing was chosen on what is shown here.\n"
    )
    yield (
        "mAP in percent by ActivityNet's protocol: the mean over tIoU 0.1 to 0.7, and at 0.5, with 95 % intervals over "
        "worlds and videos (bootstrap). `lead` is the paired difference of the means from the table's first row. "
        "`paper` is mAP@0.5 as published, on the real data and with other features: compare signs, not heights. `weak "
        "found` is the share of weak instances that some moment of their concept meets at tIoU 0.5, beside that of "
        "strong ones. The ceiling is a linear classifier of segments that was told when (its settings from seed "
        "100), read as our own localizer is; it learns each segment by itself, so it is no bound for what learns whole "
        "videos. The floors have the video scores of the model of two rounds.\n"
    )
    yield (
        f"Machine: {values['machine']['cores']} shared cores, Python {values['machine']['python']}, one thread a "
        f"process; {cpu / 60:.0f} CPU minutes for all trainings. Load at the end: {values['machine']['load']}.\n"
    )


def _table(cells: Cells, values: Mapping[str, Any], table: str) -> Iterator[str]:
    for kind in cells:
        rows = [row for row in ROWS if row.table == table and uses_of(kind, cells[kind], row)]
        if len({row.training + str(row.use) for row in rows}) < 2:
            continue
        first = uses_of(kind, cells[kind], rows[0])
        yield f"{NAMES[kind]}:\n"
        yield "| row | mAP 0.1:0.7 | lead | mAP@0.5 | paper | weak found (strong) |"
        yield "|---|---|---|---|---|---|"
        for row in rows:
            yield _line(kind, row, uses_of(kind, cells[kind], row), first)
        for name, words in BOUNDS.items():
            if name in values["bounds"][kind]:
                bound = values["bounds"][kind][name]
                yield f"| {words} | {told(bound['average'])} | | {told(bound['half'])} | | |"
        yield ""


def _line(kind: Kind, row: Row, uses: Uses, first: Uses) -> str:
    average, half = estimates(uses)
    alone = uses == first or not set(uses) & set(first)
    lead = "" if alone else told(estimates(uses, first)[0].to_json(), sign=True)
    weak, strong = _mean(uses, "recall_weak"), _mean(uses, "recall_strong")
    recall = "" if weak is None or strong is None else f"{100 * weak:.0f} ({100 * strong:.0f})"
    name = row.name if len(uses) == len(first) else f"{row.name} ({len(uses)} worlds)"
    return (f"| {name} | {told(average.to_json())} | {lead} | {told(half.to_json())} | "
            f"{row.paper.get(kind, '')} | {recall} |")  # fmt: skip


def _mean(uses: Uses, name: str) -> float | None:
    found = [use[name] for use in uses.values() if use[name] is not None]
    return round(float(np.mean(found)), 4) if found else None
