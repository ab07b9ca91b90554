from dataclasses import field
from pathlib import Path

import pydantic
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


@config.settings
class Pair:
    """Settings with better defaults for the trainees inside than these have for themselves."""

    first: Trainee = Trainee(epochs=3, note="warm", schedule=Schedule(learning_rate=0.5, drops=(2,)))
    second: Trainee = field(default_factory=lambda: Trainee(epochs=9))
    third: Schedule = pydantic.Field(default=Schedule(drops=(7,)))


def test_who_names_one_value_of_a_table_keeps_the_defaults_of_the_settings_around_it() -> None:
    told = {"first": {"schedule": {"drops": [4]}}, "second": {"name": "b"}, "third": {"learning_rate": 1}}
    pair = config.load(Pair, told, "recipe.toml")
    assert pair.first == Trainee(epochs=3, note="warm", schedule=Schedule(learning_rate=0.5, drops=(4,)))
    assert pair.second == Trainee(epochs=9, name="b")
    assert pair.third == Schedule(learning_rate=1.0, drops=(7,))
    assert config.load(Pair, {"first": {}}, "recipe.toml") == Pair()
    with pytest.raises(SettingsError, match=r"first, schedule: 'drop' is not a setting\. Did you mean 'drops'"):
        config.load(Pair, {"first": {"schedule": {"drop": [4]}}}, "recipe.toml")
    with pytest.raises(SettingsError, match="first: epochs is 'many'"):
        config.load(Pair, {"first": {"epochs": "many"}}, "recipe.toml")


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


def test_a_verb_gets_its_sections_and_the_last_word_counts(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("[train]\nepochs = 20\nrounds = 3\n[extract]\nrate = 4\n")
    told = config.tables(
        path, ["train.rounds=9"], sections=("train", "pretrain"), below={"train": {"epochs": 1, "a": 1}}
    )
    assert told == {"train": {"epochs": 20, "rounds": 9, "a": 1}, "pretrain": {}}
    assert config.tables(path, None, sections=("train",), above={"train": {"rounds": 1}})["train"]["rounds"] == 1
    assert config.tables(None, None, sections=("train",)) == {"train": {}}


@pytest.mark.parametrize(
    ("recipe", "override", "message"),
    [
        ("[tarin]\nepochs = 1", "", r"there is no section \[tarin\]\. Did you mean \[train\]\?"),
        ("epochs = 1", "", r"'epochs' stands outside a section"),
        ("", "tran.epochs=3", r"there is no section \[tran\]\. Did you mean \[train\]\?"),
        ("", "train=[1]", r"names no section: section\.key=value\. Read here: \[train\]"),
        ("", "epochs=4", r"names no section: section\.key=value\. Read here: \[train\]"),
        (
            "",
            "backbone.frames=4",
            r"\[backbone\] is for pretrain and finetune and changes nothing here\. Read here: \[train\]",
        ),
        ("", "zzz.a=4", r"Known: \[import\], \[vocabulary\]"),
        ("", "epochs", r"section\.key=value"),
    ],
)
def test_settings_that_no_one_would_read_are_refused(tmp_path: Path, recipe: str, override: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(recipe)
    with pytest.raises(SettingsError, match=message):
        config.tables(path, [override] if override else None, sections=("train",))


def test_what_is_no_table_is_told() -> None:
    with pytest.raises(SettingsError, match=r"\[train\] is 3, not a table of settings"):
        config.load(Trainee, 3, "[train]")  # type: ignore[arg-type]
