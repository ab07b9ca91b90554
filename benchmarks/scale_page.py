"""The figures in docs/scale.md: what was measured, and what follows from it for 1 million videos."""

VIDEOS, SECONDS, SEGMENTS, CLASSES, CANDIDATES = 1_000_000, 240, 48, 1000, 10_000
CORE_HOUR = 0.04
# By ffmpeg 5.1, one thread, on noisy synthetic videos: CPU seconds a minute of video.
FFMPEG = {"360p": 1.23, "720p": 4.22}


def figures(values):
    """Markdown of all that was measured and planned."""
    return "\n".join([*measured(values), "", *planned(values), "", *growing(values), ""])


def totals(values):
    """Sums over the parts that were scored."""
    parts = [found for name, found in values["pieces"].items() if name.startswith("score ")]
    sums = {name: sum(part[name] for part in parts) for name in ("making", "scoring", "keeping", "saving", "videos")}
    return {**sums, "segments": sums["videos"] * SEGMENTS, "peak": max(part["peak_bytes"] for part in parts),
            "bytes": sum(part["bytes"] for part in parts), "parts": len(parts)}  # fmt: skip


def measured(values):
    size, pieces, taken, part = values["size"], values["pieces"], values["taken"], totals(values)
    written, read, merge = (pieces[name] for name in ("write manifest", "read manifest", "merge"))
    checks = [found for name, found in pieces.items() if name.startswith("check ")]
    checked, wrong = (sum(found[name] for found in checks) for name in ("checked", "wrong"))
    loads = [found["load"] for found in pieces.values()]
    share = VIDEOS * SEGMENTS / part["segments"]
    return [
        "### Measured",
        "",
        "| work | rate, one core | peak memory of a process |",
        "|---|---:|---:|",
        f"| decode, 240 x 320 | {taken['decode']:,.0f} s of video a CPU s (`extraction.json`) | |",
        f"| decode and extract, {taken['backbone'].split(' on ')[0]} | {taken['extract']:,.0f} s of video a CPU s "
        "(`extraction.json`) | 889 MiB (`extraction.md`, half an hour of video) |",
        f"| pairwise scoring, 150 trees | {taken['pairs']:,.0f} pairs a CPU s (`relevance_speed.json`) | 414 MiB |",
        f"| manifest, written | {written['entries'] / written['cpu']:,.0f} entries a CPU s | "
        f"{mb(written['peak_bytes'])} |",
        f"| manifest, read | {read['entries'] / read['reading']:,.0f} entries a CPU s | {mb(read['peak_bytes'])} |",
        f"| segments x {CLASSES:,} concepts, a {size['width']}-wide linear model | "
        f"{part['segments'] / part['scoring']:,.0f} segments a CPU s | {mb(part['peak'])} |",
        f"| keeping the best {size['kept']} of each concept | {part['segments'] / part['keeping']:,.0f} segments a CPU"
        f" s"
        " | the same process |",
        "",
        f"Really done: one manifest of {written['entries']:,} of the {VIDEOS:,} videos"
        f" ({written['bytes'] / 1e6:,.0f} MB), and"
        f" 1/{share:.0f} of the segments ({part['segments']:,}) scored in {part['parts']} parts, kept and merged"
        f" ({part['bytes'] / 1e6:.0f} MB of parts; {merge['merging']:.1f} CPU s). Merged all together and by twos"
        f" in {merge['levels']} levels the files are {'equal byte by byte' if merge['same'] else '**NOT EQUAL**'}; of"
        f" {checked} concepts {checked - wrong} have the very list that a full sort of"
        " all their scores gives, ties included.",
        "",
        f"Two workers on two cores extract {taken['two_workers']:.2f} times as fast as one by CPU time, without their"
        f" start; with it, for six minutes of video, {taken['two_workers_with_start']:.2f} times"
        " (`extraction_shards.json`: the two cores there share caches, and other work ran beside).",
        "",
        f"Machine: {values['machine']['cores']} cores, Python {values['machine']['python']}, numpy"
        f" {values['machine']['numpy']}, one thread; load {min(loads):.1f} to {max(loads):.1f}. Rates are in CPU"
        f" seconds"
        " for that reason.",
    ]


def planned(values):
    taken, part = values["taken"], totals(values)
    written, read = (values["pieces"][name] for name in ("write manifest", "read manifest"))
    all_seconds, all_segments = VIDEOS * SECONDS, VIDEOS * SEGMENTS
    pairs = CLASSES * CANDIDATES * SEGMENTS
    scores = (part["scoring"] + part["keeping"]) / part["segments"]
    rows = [
        ("manifest, written and read once", (written["cpu"] + read["cpu"]) * VIDEOS / written["entries"] / 3600,
         f"{written['bytes'] * VIDEOS / written['entries'] / 1e9:.2f} GB"),
        ("decode alone, 240 x 320 (measured here)", all_seconds / taken["decode"] / 3600, "the videos"),
        *((f"decode alone, {name} (ffmpeg, noisy videos)", all_seconds / 60 * seconds / 3600, "the videos")
          for name, seconds in FFMPEG.items()),
        ("decode and extract, the small net on CPUs", all_seconds / taken["extract"] / 3600,
         f"{all_seconds * 2 * 128 / 1e9:,.0f} GB of features (64 float16, two a second)"),
        ("score all segments, keep candidates", all_segments * scores / 3600,
         f"{all_segments * values['size']['width'] * 2 / 1e9:,.0f} GB of features read"),
        (f"pairwise, {CANDIDATES:,} videos of each concept", pairs / taken["pairs"] / 3600,
         f"{CANDIDATES * CLASSES * 12 / 1e6:,.0f} MB of candidates a worker"),
    ]  # fmt: skip
    lines = [
        f"### Planned: {VIDEOS:,} videos of {SECONDS // 60} minutes",
        "",
        f"{all_segments / 1e6:.0f} million segments of 5 s, {CLASSES:,} concepts; ${CORE_HOUR:.2f} a core hour, which"
        f" is"
        " an assumption: put your own price in its place. These are products of the rates above and numbers of things,"
        " not runs.",
        "",
        "| work | core hours | at 100 cores, hours | $ | bytes moved |",
        "|---|---:|---:|---:|---|",
    ]
    lines += [
        f"| {name} | {hours:,.2f} | {hours / 100:,.2f} | {hours * CORE_HOUR:,.2f} | {moved} |"
        for name, hours, moved in rows
    ]
    return lines


def growing(values):
    pieces, size = values["pieces"], values["size"]
    two, four, listed = (pieces[name] for name in ("wide merge 2", "wide merge 4", "list a folder"))
    wide, each = pieces["wide part 0"], (four["merging"] - two["merging"]) / 2
    most = max(map(int, listed["seconds"]))
    looking = listed["seconds"][str(most)] / most
    return [
        "### What grows faster than the work",
        "",
        f"- **Merging in one place.** A worker's part holds up to {size['wide']:,} videos of each of {CLASSES:,}"
        f" concepts:"
        f" {wide['bytes'] / 1e6:.0f} MB, however few it saw beyond. Merging 2 such parts took"
        f" {two['merging']:.1f} CPU s, 4 took {four['merging']:.1f}, at a peak of {mb(four['peak_bytes'])}: {each:.1f}"
        f" s"
        f" for each more. In one place 100 workers' parts take {each * 100 / 60:.1f} minutes and move"
        f" {wide['bytes'] / 1e7:.0f} GB, and twice as many workers twice that, though the work is the same. Mended:"
        f" merged in"
        " any grouping they are the same, so `scale.candidates` merges by twos on the workers, 7 levels for 100:"
        f" {7 * two['merging']:.0f} CPU s one after the other, beside reading and writing.",
        manifests(pieces),
        "- **Looking at the features.** Workers of `--shard` on one folder list it to see what others did, and write a"
        f" file for each video. Listing {most:,} files takes {listed['seconds'][str(most)]:.2f} CPU s; before each of a"
        f" million videos that came to {looking * VIDEOS**2 / 2 / 3600:,.0f} core hours in all, for it grows with the"
        " square of their number. Mended: a worker looks the more seldom the more files there are, once in as many"
        f" videos as there are thousands of files, {looking * 1000 * VIDEOS / 3600:.1f} core hours in all. With `--on"
        " ray` one process writes, every 5 seconds.",
        sending(pieces),
    ]


def manifests(pieces):
    """A worker's reading of a manifest, before and now."""
    size, before, now = (pieces[name] for name in ("write a fifth", "share by entries", "share by lines"))
    hours = [found["spent"] * VIDEOS / size["entries"] * 1000 / 3600 for found in (before, now)]
    more = [mb(found["peak_bytes"] - found["base_bytes"]) for found in (before, now)]
    same = "the same" if before["names"] == now["names"] else "**OTHER**"
    return (
        "- **A manifest in every worker.** `--shard i/N` deals videos out by length, so each of N workers looks at the"
        " whole manifest. Where it makes all of it entries and keeps its own, this takes"
        f" {before['spent']:.1f} CPU s and {more[0]} more memory, with {size['entries']:,} entries and 100 workers;"
        f" 1,000 workers spend {hours[0]:.0f} core hours on the manifest of a million. Mended: it looks for the id and"
        " the length at the beginning of each line, keeps 28 bytes of it, and makes entries of its own lines alone:"
        f" {now['spent']:.1f} CPU s and {more[1]}, for {same} {now['taken']:,} videos; {hours[1]:.1f} core hours. So"
        " memory grows with the share, and little else; time still grows with the number of workers,"
        f" {before['spent'] / now['spent']:.0f} times more slowly. With `--on ray` one process reads it."
    )


def sending(pieces):
    """What the one process of `find --on ray` does for each video, before and now."""
    before, now = pieces["find, sent"], pieces["find, named"]
    count, each = before["videos"], before["each"]
    same = "the same" if before["moments"] == now["moments"] else "**OTHER**"
    ways = [f"{found['spent'] / count * 1000:.1f} CPU ms and {told(found['read'])}" for found in (before, now)]
    return (
        "- **Sending features out to find moments.** Where one process reads features and sends them out, its disk and"
        f" network bound the workers of `find --on ray`, by reckoning to {125e6 / each:.0f} videos a second at 125 MB"
        f" a second; of {count} videos of {each / 1e6:.2f} MB (480 steps of 512 float16) each took it {ways[0]} from"
        f" its disk for all. Mended: it names files and places, eight videos at a time, and workers read what their"
        f" nodes see, with a checksum of each video's bytes: {ways[1]}, for {same} moments. What a worker does not see"
        " is sent as before, as from a disk of this machine alone, or a project in an object store."
    )


def told(count):
    return mb(count) if count >= 1e6 else f"{count:,} bytes"


def mb(count):
    return f"{count / 1e6:,.0f} MB"
