"""Verbs on projects and files in an object store: what is fetched for which, and that files do not change places."""

from pathlib import Path
from typing import Any

import pytest

from whenabouts.commands.anywhere import anywhere
from whenabouts.core.errors import SettingsError
from whenabouts.core.progress import Silent
from whenabouts.data.object_store import put

pytest.importorskip("fsspec", reason="needs fsspec: pip install 'whenabouts[cluster]'")

FILES = ("manifest.jsonl", "activities/test-moments.csv", "features/shard", "moments/moments.json")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The address of a project in a store of files, as typer hands it to a verb."""
    monkeypatch.setenv("WHENABOUTS_CACHE", str(tmp_path / "machine"))
    for name in FILES:
        (tmp_path / "made" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made" / name).write_text(name)
    address = (tmp_path / "store").as_uri()
    put(tmp_path / "made", address, Silent())
    return Path(address)


@pytest.mark.parametrize(
    ("format_name", "lacking"),
    [("charades-localize", {"features/shard"}), (None, {"features/shard"}), ("youtube8m", set())],
)
def test_an_export_has_the_files_that_its_format_is_made_of(
    project: Path, format_name: str | None, lacking: set[str]
) -> None:
    seen = []

    def export(project: Path, format_name: str | None) -> None:
        seen.append({name for name in FILES if (project / name).is_file()})

    anywhere(export)(project, format_name)
    assert seen == [set(FILES) - lacking]


def test_files_of_one_name_stay_what_they_are(tmp_path: Path) -> None:
    """Else predictions would be measured against themselves."""
    given = {}
    for role in ("truth", "predictions"):
        (tmp_path / role).mkdir()
        (tmp_path / role / "results.json").write_text(role)
        given[role] = Path((tmp_path / role / "results.json").as_uri())
    seen = {}

    def moments(truth: Path, predictions: Path) -> None:
        seen.update(truth=truth.read_text(), predictions=predictions.read_text(), name=truth.name)

    anywhere(moments)(**given)
    assert seen == {"truth": "truth", "predictions": "predictions", "name": "results.json"}


def test_lists_of_seed_labels_may_lie_there(tmp_path: Path) -> None:
    (tmp_path / "nouns.txt").write_text("fish\n")
    seen = []
    anywhere(lambda seed_nouns: seen.append(seed_nouns.read_text()))(Path((tmp_path / "nouns.txt").as_uri()))
    assert seen == ["fish\n"]


@pytest.mark.parametrize("name", ["target", "out", "plots", "html", "against", "annotations", "weights"])
def test_what_has_to_lie_here_is_refused_elsewhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder `s3:` would be made, and be taken for the store from then on."""
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    exec(f"def export({name}): raise AssertionError", scope)
    with pytest.raises(SettingsError, match=f"{name} is s3://bucket/out.csv, but has to lie on this machine"):
        anywhere(scope["export"])(Path("s3://bucket/out.csv"))
    assert not list(tmp_path.iterdir())
