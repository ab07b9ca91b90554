"""What happens to a run over damaged videos, and how much of the damage is noticed.

    python benchmarks/mutated_media.py              writes benchmarks/results/mutated_media.{json,md}
    python benchmarks/mutated_media.py --count 40   a small part of it, on the screen only

500 files (mp4, mkv, webm, avi, ts, mov; truncated, bits flipped, blocks zeroed, headers broken; one seed) are decoded
in child processes. A file counts as changed when its frames differ from those of its source in number, times or
pixels; as noticed when its status is not `complete`. The fingerprint is the second line: it knows the file of the
import. That this script comes to its end means that nothing reached the parent process.
"""

import argparse
import hashlib
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import av

sys.path.insert(0, str(Path(__file__).parent))
import damaged_files as files
from provenance import write_result
from whenabouts.core.video import Video
from whenabouts.data.importers.media_files import stamp_of
from whenabouts.media.parts import video_parts
from whenabouts.media.watch import Limits
from whenabouts.media.workers import Job, decode_many

RESULTS = Path(__file__).parent / "results"
LIMITS = Limits(silence_seconds=30.0, total_seconds=60.0, memory_bytes=1 << 30)
COLUMNS = ("files", "child crashed", "child hung", "without status", "unreadable", "partial", "complete")
COLUMNS += ("changed", "changed and unnoticed", "unchanged but flagged", "unnoticed with fingerprint")

Seen = tuple[Video, tuple[tuple[float, str], ...]]


def decoded(paths: Iterable[Path], workers: int) -> list[Seen]:
    """Outcome, and (time, digest of the pixels) of every frame, of each file."""
    seen = []
    for under_way in decode_many([Job(video_parts, path) for path in paths], workers=workers, limits=LIMITS):
        frames = []
        for part in under_way.parts():
            digests = (hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in part["frames"])
            frames += [(round(at, 6), digest) for at, digest in zip(part["seconds"].tolist(), digests, strict=True)]
        seen.append((under_way.outcome, tuple(frames)))
    return seen


def counted(mutants: list[files.Mutant], seen: list[Seen], sources: dict[str, Seen], prints: dict[str, str]) -> dict:
    """Counts per row: each container, each codec in it, each way, and all."""
    rows: dict[str, Counter] = {}
    for mutant, (outcome, frames) in zip(mutants, seen, strict=True):
        container, codec, *_ = files.SOURCES[mutant.source]
        changed = frames != sources[mutant.source][1]
        complete = outcome.status == "complete"
        same_print = stamp_of(mutant.path).fingerprint == prints[mutant.source]
        for row in (container, f"{container} {codec}", mutant.way, "all"):
            count = rows.setdefault(row, Counter())
            count["files"] += 1
            count["child crashed"] += "crashed" in outcome.reason
            count["child hung"] += "was ended" in outcome.reason
            count["without status"] += outcome.status not in ("complete", "partial", "unreadable")
            count[outcome.status] += 1
            count["changed"] += changed
            count["changed and unnoticed"] += changed and complete
            count["unchanged but flagged"] += not changed and not complete
            count["unnoticed with fingerprint"] += changed and complete and same_print
    return {name: {column: row[column] for column in COLUMNS} for name, row in rows.items()}


def naive(mutants: list[files.Mutant], sources: dict[str, Path], workers: int) -> dict[str, int]:
    """The same files through PyAV's plain loop: how many changed ones raise nothing."""
    jobs = [Job(files.naive_parts, path) for path in [*sources.values(), *(mutant.path for mutant in mutants)]]
    results = []
    for under_way in decode_many(jobs, workers=workers, limits=LIMITS):
        results.append(next(under_way.parts(), None))
    whole = dict(zip(sources, results, strict=False))
    counts = Counter(changed=0, unnoticed=0)
    for mutant, part in zip(mutants, results[len(sources) :], strict=True):
        true = whole[mutant.source]
        same = part is not None and all(part[key].tolist() == true[key].tolist() for key in ("times", "digests"))
        counts["changed"] += not same
        counts["unnoticed"] += not same and part is not None and not part["failed"][0]
    return dict(counts)


def table(rows: dict) -> str:
    """All rows as Markdown."""
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, row in sorted(rows.items(), key=lambda item: (item[0] == "all", item[0] in files.WAYS, item[0])):
        lines.append(f"| {name} | " + " | ".join(str(row[column]) for column in COLUMNS) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        paths = files.make_sources(Path(folder))
        mutants = files.make_mutants(Path(folder), paths, chosen.count, seed=chosen.seed)
        sources = dict(zip(paths, decoded(paths.values(), chosen.workers), strict=True))
        flagged = [name for name, (outcome, _) in sources.items() if outcome.status != "complete"]
        if flagged:
            raise SystemExit(f"The sources themselves are not complete: {flagged}")
        seen = decoded((mutant.path for mutant in mutants), chosen.workers)
        alone = decoded((mutant.path for mutant in mutants[:60]), 1)
        rows = counted(mutants, seen, sources, {name: stamp_of(path).fingerprint for name, path in paths.items()})
        plain = naive(mutants, paths, chosen.workers)
    same = seen[: len(alone)] == alone
    every = rows["all"]
    text = "\n".join(
        [
            "# A run over damaged videos",
            "",
            f"{chosen.count} files, seed {chosen.seed}; written by `python benchmarks/mutated_media.py`.",
            "",
            table(rows),
            "",
            f"Changed and unnoticed: {every['changed and unnoticed']} of {every['changed']} by decoding alone, "
            f"{every['unnoticed with fingerprint']} with the fingerprint of the import.",
            f"PyAV's plain loop raises nothing for {plain['unnoticed']} of {plain['changed']} changed files.",
            f"One worker instead of {chosen.workers} gives the same for {len(alone)} files: {'yes' if same else 'NO'}.",
            "What is left unnoticed: bits of formats without checksums that decode to other pixels without any sign.",
            f"{time.monotonic() - begun:.0f} s on {os.cpu_count()} cores, PyAV {av.__version__}, "
            f"FFmpeg {av.ffmpeg_version_info}, Python {platform.python_version()}.",
        ]
    )
    print(text)
    if chosen.count == 500:
        RESULTS.mkdir(exist_ok=True)
        values = {"count": chosen.count, "seed": chosen.seed, "rows": rows, "plain_loop": plain, "workers_agree": same}
        write_result(RESULTS, "mutated_media", values, text + "\n")


if __name__ == "__main__":
    main()
