"""What four label spaces find in the tags of real videos: a table like Table 1 and a figure like Fig. 3.

    python benchmarks/label_spaces.py ../shared/data --out benchmarks/results

Seeds: the 400 actions of Kinetics; ImageNet's 1,000 synsets, each of their names a label; verbs of VerbNet and the
"-ing" words of Kinetics; and all their products that occur. Tags are keywords of uploaders, not hashtags: without their
blanks they stand in for them. Channels, not videos, are split in two: uploaders write the same tags beside every video.
"""

import argparse
import csv
import gzip
import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from provenance import write_result
from whenabouts.data.hashtags import Index, ProductIndex, SeedIndex, seed_labels, seed_tags, words_of
from whenabouts.data.subsets import place

MINIMA = (50, 5, 1)
PAPER = {"actions": (65e6, 359), "nouns": (19e6, 1428), "verbs": (19e6, 438), "verbs + nouns": (19e6, 10653)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path, help="the folder that holds labels/ and yt_trending/")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    given = parser.parse_args()
    with gzip.open(given.shared / "yt_trending" / "videos.jsonl.gz", "rt", encoding="utf-8") as lines:
        videos = [json.loads(line) for line in lines]
    spaces = {name: measured(name, index, videos) for name, index in indexes(given.shared / "labels").items()}
    tagged = sum(bool(video["tags"]) for video in videos)
    told = {"videos": len(videos), "with_tags": tagged, "load": os.getloadavg()[0], "spaces": spaces}
    write_result(given.out, "label_spaces", told, page(told))
    print(page(told))
    picture(spaces, given.out / "label_spaces.png")


def indexes(labels: Path) -> dict[str, Index]:
    """The four spaces of section 4.2.1."""
    actions = (labels / "kinetics" / "label_map_k400.txt").read_text("utf-8").splitlines()
    with (labels / "imagenet" / "imagenet1k_synset_lemma.tsv").open(encoding="utf-8") as lines:
        nouns = [name.strip() for row in csv.reader(lines, delimiter="\t") for name in row[1].split(",")]
    with (labels / "verbnet" / "verbnet_members.tsv").open(encoding="utf-8") as lines:
        members = [row["verb"].replace("_", " ") for row in csv.DictReader(lines, delimiter="\t")]
    going = [word for action in actions for word in words_of(action) if word.endswith("ing")]
    verbs = [verb for verb in dict.fromkeys([*going, *members]) if seed_tags(verb).tags]
    nouns = [noun for noun in dict.fromkeys(nouns) if seed_tags(noun).tags]
    return {
        "actions": SeedIndex(actions),
        "nouns": SeedIndex(nouns),
        "verbs": SeedIndex(verbs),
        "verbs + nouns": ProductIndex(verbs, nouns),
    }


def measured(name: str, index: Index, videos: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts of one label space."""
    begun = time.process_time()
    found = [tuple(seed_labels(video["tags"], index)) for video in videos]
    seconds = time.process_time() - begun
    counts = Counter(label for labels in found for label in labels)
    channels: dict[str, set[str]] = {}
    halves: tuple[set[str], set[str]] = (set(), set())
    for video, labels in zip(videos, found, strict=True):
        for label in labels:
            channels.setdefault(label, set()).add(video["channel"])
            halves[place(0, video["channel"]) < 0.5].add(label)
    kept = {minimum: {label for label, count in counts.items() if count >= minimum} for minimum in MINIMA}
    return {
        "seeds": len(index.seeds) if isinstance(index, SeedIndex) else None,
        "hashtags": len(index) if isinstance(index, SeedIndex) else None,
        "videos": sum(bool(labels) for labels in found),
        "videos_with_several": sum(len(labels) > 1 for labels in found),
        "labels": {str(minimum): len(labels) for minimum, labels in kept.items()},
        "videos_at": {
            str(minimum): sum(any(label in labels for label in row) for row in found)
            for minimum, labels in kept.items()
        },
        "in_both_halves_of_channels": len(halves[0] & halves[1]),
        "of_one_channel": sum(len(uploaders) == 1 for uploaders in channels.values()),
        "most_frequent": counts.most_common(8),
        "counts": sorted(counts.values(), reverse=True),
        "microseconds_per_tag": 1e6 * seconds / max(1, sum(len(video["tags"]) for video in videos)),
    }


def page(told: Mapping[str, Any]) -> str:
    """The Markdown page."""
    lines = [
        "# What four label spaces find in real tags",
        "",
        "`python benchmarks/label_spaces.py ../shared/data --out benchmarks/results`",
        "",
        f"{told['videos']} videos of YouTube's trends of 2017, {told['with_tags']} with tags. Uploaders' keywords",
        "without their blanks stand in for hashtags. A label counts with at least 50 (as in the paper), 5 or 1 videos.",
        "",
        "| label space | seeds | hashtags made | labels >= 50 / 5 / 1 | videos >= 50 / 5 / 1 | several labels | "
        "in both halves of channels | of one channel | paper: videos, labels |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in told["spaces"].items():
        labels = " / ".join(str(row["labels"][str(minimum)]) for minimum in MINIMA)
        videos = " / ".join(str(row["videos_at"][str(minimum)]) for minimum in MINIMA)
        seeds, tags = (f"{row[key]:,}" if row[key] else "(products)" for key in ("seeds", "hashtags"))
        theirs = f"{PAPER[name][0] / 1e6:.0f} M, {PAPER[name][1]:,}"
        lines.append(
            f"| {name} | {seeds} | {tags} | {labels} | {videos} | {row['videos_with_several']} | "
            f"{row['in_both_halves_of_channels']} | {row['of_one_channel']} | {theirs} |"
        )
    lines += ["", "The most frequent labels, and the cost of asking (CPU microseconds a tag):", ""]
    for name, row in told["spaces"].items():
        top = ", ".join(f"{label} ({count})" for label, count in row["most_frequent"])
        lines.append(f"- {name} ({row['microseconds_per_tag']:.1f}): {top}")
    lines += [
        "",
        "![Share of videos by share of labels](label_spaces.png)",
        "",
        "Unlike in the paper's Fig. 3 the products are not the most skewed space: of so few videos nearly each product",
        "has one. They are the sparsest, as there. What a name means, it does not tell: many of the frequent verbs,",
        "nouns and products are shows, kinds of music and people: the noise of labels that pre-training has to bear.",
        "",
    ]
    return "\n".join(lines)


def picture(spaces: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Cumulative share of videos over the share of labels, the most frequent first."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for name, row in spaces.items():
        counts = np.asarray(row["counts"], np.float64)
        shares = np.concatenate([[0], np.cumsum(counts) / counts.sum()])
        axes.plot(np.linspace(0, 1, len(shares)), shares, label=f"{name} ({len(counts)} labels)")
    axes.set(xlabel="share of labels, the most frequent first", ylabel="share of videos", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
