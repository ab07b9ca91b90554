"""The pre-training benchmark: its world is as planned, its rows learn from what they name, verdicts need agreement."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import pretraining
from pretraining_cells import Bench, begun, cell, fresh, material, tensor_of
from pretraining_claims import CLAIMS, Claim, Verdict, judged
from pretraining_rows import PICTURES, ROWS, TARGETS, Learning, Net, Row, Source
from pretraining_world import (
    KITCHEN_NOUNS,
    KITCHEN_VERBS,
    NOUNS,
    VERBS,
    Plan,
    World,
    archive_of,
    rendered,
    world_of,
    world_pairs,
)
from whenabouts.training.devices import Compute

TINY = Plan(side=16, posts=60, actions=4, near_train=2, near_test=2, kitchen_pairs=4, kitchen_train=2, kitchen_test=2,
            stills=20)  # fmt: skip
QUICK = Learning(views=64, target_views=32, batch=16, penalties=(0.1,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def own(folder: Path) -> World:
    return world_of(3, TINY, folder)


@pytest.fixture
def bench(folder: Path, own: World) -> Bench:
    return Bench(folder, TINY, QUICK, Compute(torch.device("cpu"), torch.float32))


def test_a_verb_moves_and_a_noun_has_its_colour() -> None:
    plan = Plan()
    for verb, step in (("right", 1), ("left", -1), ("down", 1), ("up", -1)):
        axis = 1 if verb in ("left", "right") else 0
        clip = rendered((verb, "red disc"), np.random.default_rng(5), plan).astype(np.float32)
        redness = clip[..., 0] - clip[..., 1:].max(-1)
        line = (redness > 60).sum(1 + (1 - axis)).astype(np.float32)  # (F, side), summed over the other axis
        angles = np.exp(2j * np.pi * np.arange(plan.side) / plan.side)
        moved = np.angle((line[1:] @ angles) / (line[:-1] @ angles)) * plan.side / (2 * np.pi)
        assert (np.sign(moved) == step).all(), verb
        assert 1.5 < abs(moved).mean() < 3.5
    for noun, channel in (("red cross", 0), ("green cross", 1), ("blue cross", 2)):
        clip = rendered(("shake", noun), np.random.default_rng(2), plan).astype(np.float32)
        assert (clip[..., channel] - np.delete(clip, channel, -1).max(-1)).max() > 60
    assert (rendered(("up", "red disc"), np.random.default_rng(1), plan).shape) == (8, 32, 32, 3)


def test_noise_in_tags_and_time_is_what_the_plan_says() -> None:
    plan = dataclasses.replace(Plan(), side=8, frames=1, posts=3000, short_clips=1, long_clips=1)
    every, near, _ = world_pairs(1, plan)
    posts = archive_of(every, 1, plan)
    wrong = np.mean([tags[0] != true for tags, true in zip(posts.tags, posts.true, strict=True)])
    counts = np.unique([every.index(pair) for pair in posts.true], return_counts=True)[1]
    shares = counts / counts.sum()
    # A post that takes another's tag may meet its own pair.
    assert wrong == pytest.approx(plan.wrong_tag * (1 - (shares**2).sum()), abs=0.03)
    several = np.mean([len(tags) > 1 for tags in posts.tags])
    assert 0.12 < several < plan.extra_tag
    assert 0.45 < posts.long.mean() < 0.55
    assert counts.max() > 8 * counts.min()
    assert (len(every), len(near)) == (len(VERBS) * len(NOUNS), plan.actions)


def test_label_spaces_overlap_as_stated() -> None:
    assert len(set(KITCHEN_VERBS) & set(VERBS)) / len(KITCHEN_VERBS) == pytest.approx(4 / 6)
    assert len(set(KITCHEN_NOUNS) & set(NOUNS)) / len(KITCHEN_NOUNS) == pytest.approx(3 / 7)


def test_a_world_is_made_once_and_read_as_it_was(folder: Path, own: World) -> None:
    again = world_of(3, TINY, folder)
    for name, posts in own.archives.items():
        np.testing.assert_array_equal(posts.clips, again.archives[name].clips)
        assert posts.tags == again.archives[name].tags
        assert len(posts.clips) == posts.first[-1]
    assert own.archives["stills"].clips.shape == (20, 1, 16, 16, 3)
    assert own.targets["kitchen"].train.shape == (8, 8, 16, 16, 3)
    every, near, kitchen = world_pairs(3, TINY)
    assert set(own.archives["actions"].true) <= set(near) <= set(every)
    assert set(own.targets["kitchen"].test_pairs) == set(kitchen)
    with pytest.raises(SystemExit, match="another plan"):
        world_of(3, dataclasses.replace(TINY, posts=61), folder)


def test_sources_take_what_they_name(own: World) -> None:
    posts = own.archives["pairs"]
    verbs = material(own, Source("pairs", "verb"), 3)
    assert (verbs.classes, len(verbs.posts)) == (len({verb for tags in posts.tags for verb, _ in tags}), 60)
    small = material(own, Source("pairs", labels=4, posts=5), 3)
    large = material(own, Source("pairs", labels=8, posts=5), 3)
    assert (small.classes, large.classes, len(small.posts)) == (4, 8, 5)
    long = material(own, Source("actions", length="long"), 3)
    centre = material(own, Source("actions", length="long centre"), 3)
    assert {len(span) for span in long.posts} == {TINY.long_clips}
    short = material(own, Source("actions", length="short"), 3)
    some = material(own, Source("actions", length="long, as much time"), 3)
    assert {len(span) for span in (*centre.posts, *short.posts)} == {2}
    each = [np.bincount([row.classes[0] for row in made.labels], minlength=4) for made in (short, long, centre)]
    assert each[0].tolist() == each[1].tolist() == each[2].tolist()
    assert sum(map(len, some.posts)) <= sum(map(len, short.posts)) + 4 * TINY.long_clips
    assert len(some.posts) < len(long.posts)
    assert {tuple(span) for span in some.posts} <= {tuple(span) for span in long.posts}
    assert all(set(inner) <= set(outer) for inner, outer in zip(centre.posts, long.posts, strict=True))
    assert centre.posts[0].tolist() == long.posts[0][2:4].tolist()
    few, more = (material(own, Source("actions", posts=count), 3) for count in (10, 30))
    assert {tuple(span) for span in few.posts} <= {tuple(span) for span in more.posts}
    tail = material(own, Source("actions", posts=12, subset="tail"), 3)
    spread = np.bincount([row.classes[0] for row in tail.labels], minlength=4)
    even = np.bincount([row.classes[0] for row in material(own, Source("actions", posts=12), 3).labels], minlength=4)
    assert spread.max() <= even.max()
    clean = material(own, Source("clean"), 3)
    assert (len(clean.posts), clean.classes) == (8, 4)
    assert material(own, Source("pictures", "noun", net=PICTURES), 3).clips.shape[1] == 1


def test_inflated_nets_begin_with_the_pictures_weights() -> None:
    pictures, net = fresh(Net("resnet", (4, 8))), Net("r3d", (4, 8))
    start = pictures.state_dict()
    row = Row("x", "y", Source("stills", net=Net("resnet", (4, 8))), net=net, spread="centre")
    made = begun(row, start, 0).eval()
    clip = torch.randn(1, 6, 1, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(made(clip), pictures.eval()(clip))
    assert tensor_of(np.zeros((2, 3, 8, 8, 3), np.uint8)).shape == (2, 6, 3, 8, 8)


def test_a_cell_is_the_same_again_and_a_run_goes_on(
    bench: Bench, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = Net("r3d", (4, 8))
    rows = (
        Row("Fig. 1a-b", "scratch", None, ("near action",), net),
        Row("Fig. 1a-b", "noisy, 3200", Source("actions", posts=20, net=net), TARGETS[:2], net),
    )
    first = cell(bench, rows[1], 3)
    assert (first["posts"], first["labels"]) == (20, 4)
    assert set(first["figures"]) == set(TARGETS[:2])
    again = cell(bench, rows[1], 3)
    assert again["figures"] == first["figures"]
    assert 0 <= first["figures"]["near action"]["fc"]["top1"] <= 1
    monkeypatch.setattr(pretraining, "ROWS", rows)
    monkeypatch.setattr(pretraining, "SIZES", {"small": (TINY, QUICK)})
    words = ["--work", str(folder), "--seeds", "3"]
    pretraining.main([*words, "--minutes", "0"])
    assert not list(folder.glob("cells/*.json"))
    pretraining.main([*words, "--out", str(tmp_path)])
    written = {path: path.stat().st_mtime_ns for path in folder.glob("cells/*.json")}
    assert len(written) == 2
    pretraining.main([*words, "--out", str(tmp_path)])
    assert {path: path.stat().st_mtime_ns for path in folder.glob("cells/*.json")} == written
    page = (tmp_path / "pretraining.md").read_text()
    assert "| scratch |" in page
    assert "too few seeds" in page
    assert "Fig. 1a-b: all of it" in page
    assert "Not measured yet: " in page
    assert len(json.loads((tmp_path / "pretraining.json").read_text())["cells"]) == 2


def test_a_verdict_needs_three_seeds_that_agree() -> None:
    claim = Claim("a", "b", lambda at: 0.0)
    assert Verdict(claim, (3.0, 2.0, 1.5)).told == "holds here"
    assert Verdict(claim, (-3.0, -2.0, -1.5)).told == "does not hold here"
    assert Verdict(claim, (9.0, 9.0, -0.1)).told == "can't be shown here"
    assert Verdict(claim, (1.0, 1.0, 1.0)).told == "can't be shown here"
    assert "too few" in Verdict(claim, (9.0, 9.0)).told


def test_every_claim_asks_for_rows_that_there_are() -> None:
    cells = [
        {
            "table": row.table, "row": row.name, "seed": seed,
            "figures": {t: {"all": {"top1": 0.5}, "fc": {"top1": 0.25}} for t in row.targets},
        }
        for row in ROWS for seed in (0, 1, 2)
    ]  # fmt: skip
    found = judged(cells)
    assert len(found) == len(CLAIMS) > 30
    assert all(len(verdict.differences) == 3 for verdict in found)
    assert len({row.key for row in ROWS}) == len(ROWS)
