from pathlib import Path

import pytest

from whenabouts.core.files import replacing, replacing_folder, write_json


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), replacing(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert path.read_text() == '{\n "a": 1\n}\n'
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


def test_not_a_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert not any(tmp_path.iterdir())


def test_a_folder_is_replaced_as_one(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    for text in ("old", "new"):
        with replacing_folder(folder) as part:
            (part / text).write_text(text)
    assert [file.name for file in folder.iterdir()] == ["new"]
    with pytest.raises(RuntimeError), replacing_folder(folder) as part:
        raise RuntimeError
    assert [file.name for file in folder.iterdir()] == ["new"]
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
