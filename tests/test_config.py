from pathlib import Path

import pytest

from whenabouts import config
from whenabouts.core.errors import SettingsError


@config.settings
class Schedule:
    learning_rate: float = 3e-3
    drops: tuple[int, ...] = ()


@config.settings
class Trainee:
    epochs: int
    name: str = 'quoted "name"'
    note: str | None = None
    schedule: Schedule = Schedule()


def test_a_recipe_is_read_changed_and_written_back(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[train]\nepochs = 20\n[train.schedule]\ndrops = [1, 2]\n")
    tables = config.with_overrides(config.read_toml(path), ["train.schedule.learning_rate=1", "train.name=bare word"])
    trainee = config.load(Trainee, tables["train"], "recipe.toml [train]")
    assert trainee == Trainee(epochs=20, name="bare word", schedule=Schedule(learning_rate=1.0, drops=(1, 2)))
    path.write_text(config.to_toml({"train": config.as_table(trainee)}))
    assert config.load(Trainee, config.read_toml(path)["train"], "again") == trainee


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 1, "schedule": {"learnin_rate": 1}}, "schedule: 'learnin_rate' is not a setting. Did you mean"),
        ({}, "needs 'epochs'. Add a line like: epochs = ..."),
        ({"epochs": "many"}, "epochs is 'many'"),
        ({"epochs": 1.5}, "epochs is 1.5"),
        ({"epochs": 1, "zzz": 1}, "Known: epochs, name, note, schedule"),
    ],
)
def test_mistakes_name_the_mend(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        config.load(Trainee, values, "recipe.toml")
    assert message in str(caught.value)


def test_files_and_overrides_that_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="There is no recipe"):
        config.read_toml(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("= 3")
    with pytest.raises(SettingsError, match="not valid TOML"):
        config.read_toml(tmp_path / "bad.toml")
    with pytest.raises(SettingsError, match=r"section\.key=value"):
        config.with_overrides({}, ["epochs"])
    with pytest.raises(SettingsError, match="is a value, not a section"):
        config.with_overrides({"a": 1}, ["a.b=2"])


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Schedule().learning_rate = 1.0  # type: ignore[misc]


def test_keys_of_any_kind_come_back(tmp_path: Path) -> None:
    tables = {"weights": {"rgb": 1.0, "log-mel.1": 2.0, 'a "b"': 3.0, "": 4.0}, "of.dots": {"deep er": {"x": 1}}}
    (tmp_path / "recipe.toml").write_text(config.to_toml(tables))
    assert config.read_toml(tmp_path / "recipe.toml") == tables
