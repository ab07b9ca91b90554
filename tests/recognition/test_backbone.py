import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from whenabouts.config import load, with_overrides
from whenabouts.core.errors import InvalidData, ProjectError, SettingsError
from whenabouts.core.files import sha256_of
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.recognition.backbone import Backbone, BackboneSettings, backbone_at
from whenabouts.recognition.families import FAMILIES
from whenabouts.recognition.pretrain_settings import PretrainSettings

SHAPE = BackboneSettings(widths=(4, 8), blocks=(1, 1), stem=4, height=16, width=24)


@pytest.fixture
def backbone() -> Backbone:
    torch.manual_seed(2)
    net = SHAPE.build().eval()
    return Backbone(SHAPE, net, nn.Linear(8, 2), Vocabulary(("one", "two")))


def test_a_saved_backbone_comes_back_as_it_was(tmp_path: Path, backbone: Backbone) -> None:
    backbone.save(tmp_path / "b", card={"seed": 3})
    found = Backbone.load(tmp_path / "b")
    assert found.settings == backbone.settings
    assert found.vocabulary.names == ("one", "two")
    assert found.source == backbone.source
    clips = torch.randn(2, 6, 8, 16, 24)
    with torch.inference_mode():
        assert found.fc is not None
        assert backbone.fc is not None
        assert torch.equal(found.fc(found.net(clips)), backbone.fc(backbone.net(clips)))


def test_the_folder_holds_four_files_that_others_can_read(tmp_path: Path, backbone: Backbone) -> None:
    backbone.save(tmp_path / "b", card={"seed": 3})
    names = {"model.safetensors", "settings.toml", "vocabulary.json", "card.json"}
    assert {path.name for path in (tmp_path / "b").iterdir()} == names
    card = json.loads((tmp_path / "b" / "card.json").read_text())
    assert card["source"] == backbone.source == f"r2plus1d@{card['checksum']}"
    assert card["seed"] == 3
    assert card["window_seconds"] == pytest.approx(8 / 6)
    assert (card["preprocessing"]["height"], card["preprocessing"]["channels"]) == (16, 6)
    assert tomllib.loads((tmp_path / "b" / "settings.toml").read_text())["backbone"]["widths"] == [4, 8]
    tensors = safetensors.torch.load_file(tmp_path / "b" / "model.safetensors")
    assert {"stem.0.weight", "layer2.0.conv1.0.3.weight", "fc.weight"} <= set(tensors)


def test_the_source_tells_weights_and_preprocessing_apart(backbone: Backbone) -> None:
    other_clips = Backbone(BackboneSettings(widths=(4, 8), blocks=(1, 1), stem=4, height=16, width=26), backbone.net)
    other_net = Backbone(SHAPE, SHAPE.build())
    same = Backbone(SHAPE, backbone.net)
    assert len({backbone.source, other_clips.source, other_net.source}) == 3
    assert same.source == backbone.source


def test_a_flipped_bit_anywhere_in_a_backbone_is_told_or_changes_nothing(tmp_path: Path, backbone: Backbone) -> None:
    backbone.save(tmp_path / "b")
    rng = np.random.default_rng(0)
    for name in ("model.safetensors", "settings.toml", "vocabulary.json", "card.json"):
        path = tmp_path / "b" / name
        whole = path.read_bytes()
        for place in rng.integers(0, len(whole), 40).tolist():
            damaged = bytearray(whole)
            damaged[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            found = told = None
            try:
                found = Backbone.load(tmp_path / "b")
            except (InvalidData, SettingsError) as error:
                told = str(error)
            if found is None:
                assert str(tmp_path / "b") in told
                continue
            assert name != "model.safetensors"
            assert all(torch.equal(found.tensors()[key], value) for key, value in backbone.tensors().items())
        path.write_bytes(whole)
    assert Backbone.load(tmp_path / "b").source == backbone.source


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("card.json", "{"),
        ("card.json", None),
        ("vocabulary.json", "[]"),
        ("vocabulary.json", '{"names": [3]}'),
        ("vocabulary.json", None),
    ],
)
def test_a_broken_file_of_a_backbone_is_named(tmp_path: Path, backbone: Backbone, name: str, text: str | None) -> None:
    backbone.save(tmp_path / "b")
    path = tmp_path / "b" / name
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(InvalidData, match=rf"{name}.* Run `whenabouts pretrain` again"):
        Backbone.load(tmp_path / "b")


def test_a_backbone_whose_card_notes_no_checksum_is_taken(tmp_path: Path, backbone: Backbone) -> None:
    backbone.save(tmp_path / "b")
    path = tmp_path / "b" / "card.json"
    card = json.loads(path.read_text())
    del card["sha256"]
    path.write_text(json.dumps(card))
    assert Backbone.load(tmp_path / "b").source == backbone.source


def test_weights_are_taken_from_a_folder_or_a_file(tmp_path: Path, backbone: Backbone) -> None:
    backbone.save(tmp_path / "b")
    for path in (tmp_path / "b", tmp_path / "b" / "model.safetensors"):
        assert backbone_at(path, BackboneSettings()).source == backbone.source
    bare = tmp_path / "bare.safetensors"
    bare.write_bytes((tmp_path / "b" / "model.safetensors").read_bytes())
    found = backbone_at(bare, SHAPE)
    assert found.source == backbone.source
    assert found.fc is None


def test_weights_of_another_net_are_refused_by_name_and_shape(tmp_path: Path, backbone: Backbone) -> None:
    path = tmp_path / "bare.safetensors"
    tensors = backbone.tensors()
    safetensors.torch.save_file(tensors, path)
    wider = BackboneSettings(widths=(4, 16), blocks=(1, 1), stem=4, height=16, width=24)
    with pytest.raises(InvalidData, match=r"layer2\.0\..* has shape .* ask for"):
        backbone_at(path, wider)
    deeper = BackboneSettings(widths=(4, 8), blocks=(1, 2), stem=4, height=16, width=24)
    with pytest.raises(InvalidData, match=r"missing \(first: \['layer2\.1\."):
        backbone_at(path, deeper)
    path.write_bytes(b"PK not safetensors")
    with pytest.raises(InvalidData, match="can't be read as safetensors"):
        backbone_at(path, SHAPE)
    with pytest.raises(ProjectError, match="no weights"):
        backbone_at(tmp_path / "nowhere", SHAPE)


def test_without_a_backbone_the_error_names_the_verb(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="whenabouts pretrain"):
        Backbone.load(tmp_path)


def test_clips_without_a_size_and_shapes_that_disagree_are_errors() -> None:
    with pytest.raises(SettingsError, match="not settled"):
        _ = BackboneSettings().box
    with pytest.raises(SettingsError, match="as many widths"):
        BackboneSettings(widths=(4,), blocks=(1, 1)).build()


# Sources of nets of zeros as version 0.1 of the settings gave them, which had `differences` for `input`.
EARLIER = {True: "r2plus1d@7830de02611203c5", False: "r2plus1d@bf555a88cd3ad2ff"}


@pytest.mark.parametrize("differences", [True, False])
def test_a_backbone_saved_by_an_earlier_version_loads_and_keeps_its_source(tmp_path: Path, differences: bool) -> None:
    seen, widths = ("rgb+differences", (4, 8)) if differences else ("rgb", (4,))
    shape = BackboneSettings(widths=widths, blocks=(1,) * len(widths), stem=4, height=16, width=24, input=seen)
    net = shape.build()
    net.load_state_dict({name: torch.zeros_like(tensor) for name, tensor in net.state_dict().items()})
    Backbone(shape, net).save(tmp_path / "b")
    path = tmp_path / "b" / "settings.toml"
    lines = path.read_text().partition("\n[backbone.flow]")[0].splitlines()
    kept = [line for line in lines if line.split(" = ")[0] not in ("input", "block", "pool")]
    path.write_text("\n".join([*kept, f"differences = {str(differences).lower()}"]))
    found = Backbone.load(tmp_path / "b")
    assert found.settings == shape
    assert found.source == EARLIER[differences]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_named_net_builds_from_settings_and_comes_back_from_its_folder(tmp_path: Path, name: str) -> None:
    stem = 4 if name in ("r2plus1d", "resnet") else BackboneSettings().stem
    shape = BackboneSettings(name=name, widths=(4, 8), blocks=(1, 1), stem=stem, height=16, width=24, input="rgb")
    net = shape.build().eval()
    clips = torch.randn(2, 3, 8, 16, 24)
    with torch.inference_mode():
        features = net(clips)
        assert features.shape == (2, net.width)
        Backbone(shape, net).save(tmp_path / "b")
        assert torch.equal(Backbone.load(tmp_path / "b").net(clips), features)


def test_a_net_that_is_not_there_and_settings_that_it_does_not_have_are_told() -> None:
    with pytest.raises(SettingsError, match="Did you mean 'resnet'"):
        BackboneSettings(name="resnett").build()
    with pytest.raises(SettingsError, match="'resnet' has no 'mid'"):
        BackboneSettings(name="resnet", mid="per_block").build()
    with pytest.raises(SettingsError, match="'mc3' has no 'pool'"):
        BackboneSettings(name="mc3", pool=True).build()
    with pytest.raises(SettingsError, match="'slowfast' has no 'stem'"):
        BackboneSettings(name="slowfast", stem=4).build()


@pytest.mark.parametrize("bad", ["frames=0", "rate=0", "rate=-1.0", "widths=[0]", "height=0", "epsilon=0.0"])
def test_shapes_that_can_not_be_are_refused(bad: str) -> None:
    table = with_overrides({}, [f"backbone.{bad}"])["backbone"]
    with pytest.raises(SettingsError, match=bad.split("=")[0]):
        load(BackboneSettings, table, "[backbone]")


@pytest.mark.parametrize("bad", ["batch=0", "steps=0", "learning_rate=0.0", "shift=2.0", "longest_seconds=0.0"])
def test_plans_that_can_not_be_are_refused(bad: str) -> None:
    table = with_overrides({}, [f"pretrain.{bad}"])["pretrain"]
    with pytest.raises(SettingsError, match=bad.split("=")[0]):
        load(PretrainSettings, table, "[pretrain]")


def saved_with(folder: Path, backbone: Backbone, change: Any) -> Path:
    """A saved backbone with other tensors, whose card agrees with them."""
    backbone.save(folder)
    path = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file(change(tensors), path)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"sha256": sha256_of(path)}))
    return folder


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tensor: torch.full_like(tensor, float("nan")), "not finite"),
        (lambda tensor: torch.full_like(tensor, float("inf")), "not finite"),
        (lambda tensor: tensor.to(torch.int8), "holds torch.int8, not torch.float32"),
    ],
)
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, backbone: Backbone, change: Any, told: str) -> None:
    name = "stem.0.weight"
    folder = saved_with(tmp_path / "b", backbone, lambda tensors: {**tensors, name: change(tensors[name])})
    with pytest.raises(InvalidData, match=rf"{re.escape(name)} .*{re.escape(told)}"):
        Backbone.load(folder)


def test_a_classifier_that_can_not_be_computed_with_is_refused(tmp_path: Path, backbone: Backbone) -> None:
    for bias in (torch.full((2,), torch.nan), torch.zeros(3)):
        folder = saved_with(
            tmp_path / f"b{len(bias)}",
            backbone,
            lambda tensors, bias=bias: {**tensors, "fc.bias": bias},
        )
        with pytest.raises(InvalidData, match="bias"):
            Backbone.load(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_formats_are_read_as_float32(tmp_path: Path, backbone: Backbone, dtype: torch.dtype) -> None:
    name = "stem.0.weight"
    folder = saved_with(tmp_path / "b", backbone, lambda tensors: {**tensors, name: tensors[name].to(dtype)})
    found = Backbone.load(folder).net.state_dict()[name]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, backbone.net.state_dict()[name], rtol=0.01, atol=0.01)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("widths = [4, 8]", "widths = [60000, 60000]"),
        ("stem = 4", "stem = 65536"),
        ("blocks = [1, 1]", "blocks = [1, 256]"),
    ],
)
def test_settings_that_ask_for_more_than_the_file_take_no_memory(
    tmp_path: Path, backbone: Backbone, before: str, after: str
) -> None:
    backbone.save(tmp_path / "b")
    settings = tmp_path / "b" / "settings.toml"
    told = settings.read_text()
    assert before in told
    settings.write_text(told.replace(before, after))
    with pytest.raises(InvalidData, match=r"ask for|are missing"):
        Backbone.load(tmp_path / "b")
    for absurd in ("[1000000, 8]", "[" + "4, " * 40 + "8]"):
        settings.write_text(told.replace("widths = [4, 8]", f"widths = {absurd}"))
        with pytest.raises(SettingsError):
            Backbone.load(tmp_path / "b")
