"""The truth of all subsets of a file at once: for showing it, and for measuring on videos drawn from any of them."""

from pathlib import Path

from whenabouts.core.errors import InvalidData
from whenabouts.core.files import read_json
from whenabouts.evaluation.reading import read_truth

TrueRow = tuple[str, str, float, float]
"""Video id, label, start and end in seconds."""


def true_rows(path: Path) -> list[TrueRow]:
    """Every true moment of an ActivityNet ground truth; rows that can't be judged are left out.

    FileNotFoundError where there is no file, InvalidData where it is not of that form.
    """
    database = read_json(path).get("database")
    if not isinstance(database, dict):
        raise InvalidData(f"{path} needs an object 'database' (ActivityNet's format).")
    entries = [entry for entry in database.values() if isinstance(entry, dict) and "subset" in entry]
    rows: list[TrueRow] = []
    for subset in sorted({str(entry["subset"]) for entry in entries}):
        try:
            truth = read_truth(path, subset=subset, policy="clean")
        except InvalidData:
            continue  # A subset without annotations.
        columns = zip(truth.videos.tolist(), truth.classes.tolist(), truth.spans.tolist(), strict=True)
        rows += [
            (truth.video_ids[video], truth.labels[label], *span) for video, label, span in columns if span[0] < span[1]
        ]
    return rows
