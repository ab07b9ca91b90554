"""Planted shards: the real counts, the same whoever writes them, read by the import, and what is said is there."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from whenabouts.core.errors import InvalidData
from whenabouts.core.progress import Silent
from whenabouts.data.importers.protocol import ImportSettings, YouTube8mSettings
from whenabouts.data.importing import import_into
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings
from whenabouts.data.worlds.youtube8m_plan import ClassPlan, RatingCount, ShardWorldSettings, read_rating_counts
from whenabouts.data.worlds.youtube8m_shards import ShardWorld, rated_segments
from whenabouts.data.youtube8m.reader import FrameRecord
from whenabouts.data.youtube8m.shards import read_shards
from whenabouts.data.youtube8m.vocabulary import ClassRow, ClassTable, read_class_table

TABLE = ClassTable(
    tuple(
        ClassRow(index, f"class of {index}", verticals=(("Games",), ("Food",), ())[index % 3], train_videos=100 - index)
        for index in range(12)
    )
)
COUNTS = {3: RatingCount(7, 12), 4: RatingCount(5, 5), 8: RatingCount(0, 6)}
PLAN = ClassPlan(TABLE, COUNTS)


def world(**changes: object) -> ShardWorld:
    given_values = {"videos": PLAN.whole, "videos_per_shard": 3, "least_seconds": 25, "most_seconds": 60, **changes}
    return ShardWorld(PLAN, ShardWorldSettings(**given_values))  # type: ignore[arg-type]


def same(one: FrameRecord, other: FrameRecord) -> bool:
    return one.to_bytes() == other.to_bytes()


def test_a_whole_world_has_the_real_counts() -> None:
    assert PLAN.whole == 3 + 1 + 2
    rows = []
    for shard in range(2):
        for video in world().videos(shard):
            rows += list(zip(video.ratings.labels.tolist(), video.ratings.scores.tolist(), strict=True))
            assert set(video.ratings.labels.tolist()) <= set(video.labels.tolist())
            assert len(set(video.ratings.starts.tolist())) == len(video.ratings) <= 5
            assert (video.ratings.starts + 5 <= len(video)).all()
    for index, count in COUNTS.items():
        mine = [score for label, score in rows if label == index]
        assert (len(mine), sum(mine)) == (count.rated, count.yes)
    assert {label for label, _ in rows} == set(COUNTS)


@pytest.mark.golden
def test_the_real_tables_give_the_real_counts(shared: Path) -> None:
    folder = shared / "data/y8m"
    plan = ClassPlan(read_class_table(folder / "vocabulary.csv"), read_rating_counts(folder / "segment_vocabulary.csv"))
    assert len(plan.table) == 3862
    assert len(plan.counts) == 1000
    ratings = plan.ratings(ShardWorldSettings(videos=plan.whole))
    rated = np.bincount(ratings.classes, weights=ratings.rated, minlength=3862)
    yes = np.bincount(ratings.classes, weights=ratings.yes, minlength=3862)
    assert (rated.sum(), yes.sum()) == (237_788, 132_442)
    assert all((rated[k], yes[k]) == (count.rated, count.yes) for k, count in plan.counts.items())
    assert len(np.unique(plan.verticals)) == 25  # 24, and classes without
    video = next(iter(ShardWorld(plan, ShardWorldSettings(videos=300, videos_per_shard=300)).videos(0)))
    assert (video.rgb.shape[1], video.audio.shape[1]) == (1024, 128)
    assert 120 <= len(video) <= 300


def test_a_shard_is_the_same_whoever_writes_it(tmp_path: Path) -> None:
    all_at_once = world().write(tmp_path / "a")
    world().write(tmp_path / "b", shards=[1])
    world().write(tmp_path / "b", shards=[0])
    for path in all_at_once:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    assert [path.name for path in all_at_once] == ["validate0000.tfrecord", "validate0001.tfrecord"]
    assert world(seed=1).video(0).to_bytes() != world().video(0).to_bytes()


def test_rated_segments_look_like_what_is_said_of_them() -> None:
    """Along its own look, a class stands out where it was rated yes, and not where no."""
    made = world(videos=60, signal=12.0)
    yes, no = [], []
    for shard in range(made.settings.shards):
        for video in made.videos(shard):
            look = made._looks[int(video.ratings.labels[0])]
            frames = (
                np.concatenate([video.rgb, video.audio], axis=1).astype(np.float32) @ look / (look @ look) * 4 / 255
            )
            for start, score in zip(video.ratings.starts.tolist(), video.ratings.scores.tolist(), strict=True):
                (yes if score else no).append(float(frames[start : start + 5].mean() - frames.mean()))
    assert np.mean(yes) - np.mean(no) > 0.5


def test_labels_lack_and_err() -> None:
    exact = world(videos=80, rated=False, dropped=0.0, spurious=0.0)
    noisy = world(videos=80, rated=False, dropped=0.5, spurious=0.0)
    wrong = world(videos=80, rated=False, dropped=1.0, spurious=2.0)
    counts = [sum(len(one.video(number).labels) for number in range(80)) for one in (exact, noisy, wrong)]
    assert 0.35 < counts[1] / counts[0] < 0.65
    assert 80 < counts[2] <= 160 * 1.3
    assert all(len(one.video(number).ratings) == 0 for one in (exact, noisy) for number in range(5))


def test_more_and_fewer_videos_than_the_ratings_need() -> None:
    more = PLAN.ratings(ShardWorldSettings(videos=20))
    assert len(more.classes) == 20
    assert (np.bincount(more.classes[:6], weights=more.rated[:6])[[3, 4, 8]] == [12, 5, 6]).all()
    assert len(PLAN.ratings(ShardWorldSettings(videos=2)).classes) == 2


@given(st.lists(st.booleans(), min_size=5, max_size=9), st.integers(1, 5), st.integers(0, 5), st.integers(0, 99))
@hypothesis_settings(deadline=None)
def test_answers_are_the_truth_afterwards(present: list[bool], asked: int, yes: int, seed: int) -> None:
    yes = min(yes, asked)
    there = np.asarray(present)
    before = there.copy()
    starts, answers = rated_segments(there, asked, yes, np.random.default_rng(seed))
    assert (len(set(starts.tolist())), int(answers.sum())) == (asked, yes)
    assert (np.diff(starts) > 0).all()
    assert (there[starts // 5] == answers).all()
    enough = yes <= before.sum() and asked - yes <= (~before).sum()
    assert not enough or (before == there).all()


def test_shards_pass_through_the_import(tmp_path: Path) -> None:
    made = world(videos=7)
    paths = made.write(tmp_path / "shards")
    project = Project.create(tmp_path / "project")
    exact = ImportSettings(youtube8m=YouTube8mSettings(storage="float32"))
    import_into(project, "youtube8m", tmp_path / "shards", exact, VocabularySettings(), now_ns=1, progress=Silent())
    manifest, store = project.manifest(), project.features()
    videos = {video.id: video for video in read_shards(paths) if isinstance(video, FrameRecord)}
    assert sorted(videos) == sorted(entry.id for entry in manifest)
    assert all(same(made.video(int(name, 16)), video) for name, video in videos.items())
    for entry in manifest:
        video = videos[entry.id]
        assert entry.split == "validation"
        assert store.read(entry.id, "rgb").values.shape == video.rgb.shape
        assert store.read(entry.id, "audio").grid.hop_seconds == 1
        names = {TABLE.names[index] for index in video.labels.tolist()}
        assert {label.name for label in entry.labels} == names
        told = {(part.name, part.start_seconds, part.present) for part in entry.segments}
        assert told == {(TABLE.names[index], float(start), bool(score)) for index, start, score in
                        zip(video.ratings.labels.tolist(), video.ratings.starts.tolist(), video.ratings.scores.tolist(),
                            strict=True)}  # fmt: skip


def test_what_can_not_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="no shard 2"):
        next(world().videos(2))
    with pytest.raises(InvalidData, match="without gaps"):
        ClassPlan(ClassTable(TABLE.rows[1:]), {})
    with pytest.raises(InvalidData, match="which the table lacks"):
        ClassPlan(TABLE, {99: RatingCount(1, 2)})
    with pytest.raises(InvalidData, match="can't be yes"):
        RatingCount(3, 2)
    with pytest.raises(InvalidData, match="holds no counts"):
        read_rating_counts(tmp_path / "absent.csv")
    with pytest.raises(InvalidData, match="longer than the longest"):
        world(least_seconds=90)
