"""The page of backbone_speed.py."""

import math
import statistics

LIMIT = 0.02


def page(values):
    """The results as Markdown; a part that was not run is left out."""
    lines = ["# R(2+1)D-18 beside torchvision's graph", ""]
    if "speed" in values:
        lines += speed(values["speed"])
    if "losses" in values:
        lines += losses(values["losses"])
    if "families" in values:
        lines += ["", f"Each family on {values['families']['device']}: [device_rates.md](device_rates.md)."]
    return "\n".join(lines) + "\n"


def told_machine(part):
    load = ", ".join(f"{value:.1f}" for value in part["load"])
    flags = ", ".join(part["bfloat16 instructions"]) or "no bfloat16 instructions"
    return (
        f"torch {part['torch']}, {part['machine']}, {part['threads']} threads, {flags}; load before and after: {load}."
    )


def speed(part):
    clips, differ = part["clip"], part["largest difference of scores"]
    lines = [
        told_machine(part),
        f"Clips {clips}; {part['rounds']} rounds, the four in turn; the same weights, whose scores at float32",
        f"differ by at most {differ:.1e}. Made by",
        f"`python benchmarks/backbone_speed.py --parts speed --rounds {part['rounds']} --threads {part['threads']}`.",
        "",
        "Seconds of computing, medians (least to most):",
        "",
        "| work | theirs float32 | ours float32 | theirs bfloat16 | ours bfloat16 |",
        "|---|---:|---:|---:|---:|",
    ]
    for work, rows in part["seconds"].items():
        cells = []
        for name in ("theirs float32", "ours float32", "theirs bfloat16", "ours bfloat16"):
            found = [row[name] for row in rows]
            cells.append(f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})")
        lines.append(f"| {work} | {' | '.join(cells)} |")
    lines += ["", "How many times as fast, medians of the rounds' ratios (least to most):", ""]
    lines += ["| work | ratio | median | least to most | goal | |", "|---|---|---:|---:|---:|---|"]
    for work, ratios in part["ratios"].items():
        for name, row in ratios.items():
            reached = "reached" if row["median"] >= row["goal"] else "missed"
            ends = f"{row['least']:.2f} to {row['most']:.2f}"
            lines.append(f"| {work} | {name} | {row['median']:.2f} | {ends} | {row['goal']:.1f} | {reached} |")
    return lines


def losses(part):
    lines = [
        "",
        f"Loss after {part['steps']} steps (mean of the last 10) beside that of theirs at float32, from the same",
        f"weights on the same clips {part['clip']}, {part['seeds']} seeds. {told_machine(part)} Made by",
        f"`python benchmarks/backbone_speed.py --parts losses --seeds {part['seeds']} --threads {part['threads']}`.",
        "",
        "| | mean | spread over seeds | error of the mean | least to most | goal: within 2 % |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, row in part["beside theirs"].items():
        error = row["deviation"] / math.sqrt(len(row["each"]))
        ends = f"{min(row['each']):+.2%} to {max(row['each']):+.2%}"
        cells = [f"{row['mean']:+.2%}", f"{row['deviation']:.2%}", f"{error:.2%}", ends, judged(row["mean"], error)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        "Two runs at float32 differ by the order of memory, hence of rounding, alone: their spread is what 50 steps of",
        "such a training can't tell.",
    ]
    return lines


def judged(mean, error):
    """Within the goal, missed, or neither for certain: two errors of the mean either way."""
    if abs(mean) + 2 * error <= LIMIT:
        return "within"
    return "missed" if abs(mean) - 2 * error > LIMIT else "not certain"
