"""Which data set is it? Annotations by what a path holds."""

from pathlib import Path

from whenabouts.data.annotations.activitynet import read_activitynet, read_document
from whenabouts.data.annotations.nouns import AnnotationSet
from whenabouts.data.annotations.thumos14 import Variant, is_thumos14, read_thumos14
from whenabouts.data.annotations.wtalc import is_wtalc_folder, read_wtalc


def read_annotations(path: Path, *, ground_truth: Variant = "", measured: str = "") -> tuple[str, AnnotationSet]:
    """The data set's name as an importer, and its annotations: THUMOS14 by its videos' names, else ActivityNet's."""
    if is_wtalc_folder(path):
        return "thumos14", read_wtalc(path, ground_truth)
    if path.is_dir() or path.suffix.lower() == ".csv":
        return "thumos14", read_thumos14(path, ground_truth)
    names = read_document(path)["database"]
    if names and all(is_thumos14(name) for name in names):
        return "thumos14", read_thumos14(path, ground_truth)
    return "activitynet", read_activitynet(path, measured)
