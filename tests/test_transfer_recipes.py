"""Recipes of the pre-training paper's own rows: the figures are the paper's, and every setting is read by its verb."""

import re
import tomllib
from pathlib import Path

import pytest

from whenabouts.config import SECTIONS, load, tables
from whenabouts.data.importers.protocol import ImportSettings
from whenabouts.recognition.backbone import Backbone
from whenabouts.recognition.backbone_settings import BackboneSettings
from whenabouts.recognition.finetune_settings import FinetuneSettings
from whenabouts.recognition.first_weights import settings_from
from whenabouts.recognition.published_backbone import settings_of

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("transfer-*.toml"))


def test_each_row_of_tables_5_to_7_has_its_recipe() -> None:
    names = [path.stem for path in RECIPES]
    assert sorted(names) == sorted(
        f"transfer-{target}-r2plus1d-{depth}{edge}"
        for target in ("kinetics", "something", "epic-kitchens")
        for depth in ("34", "152")
        for edge in ("", "-se")
    )


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_it_is_ready_for_the_real_data(path: Path) -> None:
    head = path.read_text(encoding="utf-8").split("\n[")[0]
    assert set(tomllib.loads(path.read_text())) <= set(SECTIONS)
    start = re.search(r"--start (\S+)", head)
    assert start is not None
    published = settings_of(start[1])
    own = settings_from(Backbone(published, None), "rgb")  # type: ignore[arg-type]
    told = tables(path, None, sections=("backbone", "finetune"), below={"backbone": own})
    shape, how = load(BackboneSettings, told["backbone"], "b"), load(FinetuneSettings, told["finetune"], "f")
    load(ImportSettings, tables(path, None, sections=("import",))["import"], "i")
    # Section 3.3 and 4.4: clips of 32 frames, 112 x 112 of 128 x 171 or of a shorter edge of 128; tests at 128 x 128.
    assert (shape.frames, shape.crop, shape.rate) == (32, 112, 30.0)
    form = shape.frame_format()
    assert (form.height, form.width) == ((128, None) if path.stem.endswith("-se") else (128, 171))
    assert (shape.blocks, shape.block, shape.widths) == (published.blocks, published.block, published.widths)
    assert (how.fully_convolutional, how.test_crop, how.test_clips, how.held_out) == (True, 128, 10, 0.1)
    assert how.examples == ("segments" if "epic" in path.stem else "videos")
    assert how.mirror == ("something" not in path.stem)
    assert len(how.grid()) > 1


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_its_figures_stand_in_the_paper(shared: Path, path: Path) -> None:
    paper = (shared / "papers" / "weakly-supervised-pretraining.md").read_text(encoding="utf-8")
    rows = [re.findall(r"\d\d\.\d", line) for line in paper.splitlines() if line.startswith("Ours")]
    heads = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    found = [numbers for line in heads if (numbers := re.findall(r"\d\d\.\d", line))]
    assert len(found) == (3 if "epic" in path.stem else 1)
    names = {"r2plus1d-34": "34", "r2plus1d-152": "152"}
    depth = next(depth for name, depth in names.items() if name in path.stem)
    edge = path.stem.endswith("-se")
    for numbers in found:
        assert numbers in rows
        line = [
            line for line in paper.splitlines() if line.startswith("Ours") and re.findall(r"\d\d\.\d", line) == numbers
        ]
        assert any((depth in text.split("IG")[0]) and (("SE" in text) == edge) for text in line)
