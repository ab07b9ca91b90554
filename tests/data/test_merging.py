"""Joining imports: what is new, changed, moved, removed; what stays untouched."""

from collections.abc import Callable
from pathlib import Path

import pytest

from whenabouts.data.importers import IMPORTERS, ImportSettings
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.merging import Merged, merged

Media = Callable[..., Path]


def join(
    manifest: Manifest, root: Path, kind: str = "folders", now: int = 1000, **settings: object
) -> tuple[Manifest, Merged]:
    how = ImportSettings(**settings)
    return merged(manifest, IMPORTERS[kind](root, how, known=manifest), how, now)


def names(entry: Entry) -> list[str]:
    return [label.name for label in entry.labels]


def test_a_second_import_changes_nothing(media: Media) -> None:
    root = media("a/1.mp4", "b/2.mp4")
    first, report = join(Manifest(), root)
    assert report == Merged(new=["a/1", "b/2"])
    second, report = join(first, root)
    assert report == Merged(unchanged=["a/1", "b/2"])
    assert second == first


def test_new_videos_join(media: Media) -> None:
    first, _ = join(Manifest(), media("a/1.mp4"))
    second, report = join(first, media("a/0.mp4"))
    assert (report.new, report.unchanged, second.ids) == (["a/0"], ["a/1"], ("a/0", "a/1"))


def test_other_content_is_noted_and_a_touch_is_not(media: Media) -> None:
    root = media("a/1.mp4", "a/2.mp4", "a/3.mp4")
    first, _ = join(Manifest(), root)
    media("a/1.mp4", seconds=33)
    (root / "a" / "2.mp4").touch()
    second, report = join(first, root, now=5000)
    assert (report.changed, report.unchanged) == (["a/1"], ["a/2", "a/3"])
    assert [(entry.changed_ns, entry.video.duration_seconds) for entry in second] == [(5000, 33), (0, 100), (0, 100)]
    third, report = join(second, root, now=9000)
    assert not report.changed
    assert third.by_id("a/1").changed_ns == 5000


def test_removed_files_are_marked_and_come_back(media: Media) -> None:
    root = media("a/1.mp4", "a/2.mp4")
    first, _ = join(Manifest(), root)
    kept = (root / "a" / "1.mp4").read_bytes()
    (root / "a" / "1.mp4").unlink()
    second, report = join(first, root)
    assert (report.removed, second.by_id("a/1").removed, second.by_id("a/1").usable) == (["a/1"], True, False)
    assert names(second.by_id("a/1")) == ["a"]
    assert not join(second, root)[1].removed
    (root / "a" / "1.mp4").write_bytes(kept)
    third, report = join(second, root)
    assert (report.returned, third.by_id("a/1").removed) == (["a/1"], False)


def test_files_left_out_by_a_pattern_are_not_removed(media: Media) -> None:
    root = media("a/1.mp4", "b/2.mp4")
    first, _ = join(Manifest(), root)
    second, report = join(first, root, exclude=("b/*",))
    assert not report.removed
    assert second == first


def test_another_source_adds_and_the_same_source_replaces(media: Media) -> None:
    root = media("a/#1 #dive.mp4")
    first, _ = join(Manifest(), root)
    second, _ = join(first, root, "hashtags")
    assert [(label.name, label.source) for label in second.entries[0].labels] == [
        ("a", "folders"), ("dive", "hashtags:name"),
    ]  # fmt: skip
    (root / "a" / "#1 #dive.txt").write_text("#more")
    third, _ = join(second, root, "hashtags")
    assert names(third.entries[0]) == ["a", "dive", "more"]
    assert names(join(third, root)[0].entries[0]) == ["dive", "more", "a"]


def test_a_source_is_not_its_namesake(media: Media) -> None:
    root = media("a/1.mp4")
    first, _ = join(Manifest(), root)
    other = Manifest(
        (Entry(first.entries[0].video, (WeakLabel("x", source="folders2"),), stamp=first.entries[0].stamp),)
    )
    assert names(join(other, root)[0].entries[0]) == ["x", "a"]


@pytest.mark.parametrize("move", [False, True])
def test_other_splits_stay_untouched(media: Media, move: bool) -> None:
    root = media("a/1.mp4", "a/2.mp4")
    first, _ = join(Manifest(), root, split="test", include=("*1.mp4",))
    (root / "a" / "#gone.mp4").write_text("1")
    held, _ = join(first, root, split="test", include=("*gone*",))
    (root / "a" / "#gone.mp4").unlink()
    second, report = join(held, root, "hashtags", move_splits=move)
    assert second.by_id("a/#gone") == held.by_id("a/#gone")
    assert [entry.split for entry in second.of_split("train")] == ["train"] * (2 if move else 1)
    assert report.in_other_split == ([] if move else ["a/1"])
    if not move:
        assert second.by_id("a/1") == held.by_id("a/1")


def test_a_moved_archive_keeps_its_videos(media: Media, tmp_path: Path) -> None:
    root = media("a/1.mp4")
    first, _ = join(Manifest(), root)
    root.rename(tmp_path / "elsewhere")
    second, report = join(first, tmp_path / "elsewhere")
    assert (report.moved, len(second)) == (["a/1"], 1)
    assert second.entries[0].video.path == (tmp_path / "elsewhere/a/1.mp4").resolve()


def test_another_folder_with_the_same_names_gets_its_own_ids(media: Media, tmp_path: Path) -> None:
    first, _ = join(Manifest(), media("a/1.mp4"))
    for other in ("b", "c"):
        (tmp_path / other / "a").mkdir(parents=True)
        (tmp_path / other / "a" / "1.mp4").write_text("50")
    second, report = join(first, tmp_path / "b")
    third, again = join(second, tmp_path / "c")
    assert (report.renamed, again.renamed) == ({"a/1": "a/1.mp4"}, {"a/1": "a/1~2"})
    assert third.ids == ("a/1", "a/1.mp4", "a/1~2")
    assert join(third, tmp_path / "b")[1].unchanged == ["a/1.mp4"]


def test_titles_are_not_lost_to_a_source_that_has_none(media: Media) -> None:
    root = media("a/1.mp4")
    (root / "a" / "1.info.json").write_text('{"title": "A day", "uploader": "Ann"}')
    first, _ = join(Manifest(), root, "ytdlp")
    second, _ = join(first, root, "folders")
    assert (second.entries[0].title, second.entries[0].uploader) == ("A day", "Ann")
