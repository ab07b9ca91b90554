"""What the server tells: the collection, videos, curves, reasons, look-alikes."""

import json
from typing import Any

import numpy as np
import pytest

from whenabouts.core.files import write_json
from whenabouts.data.project import Project
from whenabouts.localizers import load_localizer
from whenabouts.page.server.rooms import Rooms


def key_of(client: Any, video_id: str) -> str:
    listed = client.get("/api/videos", limit=500).json["videos"]
    return next(each["key"] for each in listed if each["id"] == video_id)


def test_the_project_is_told(client: Any, project: Project) -> None:
    told = client.get("/api/project").json
    moments = json.loads((project.moments_folder / "moments.json").read_bytes())["results"]
    assert told["videos"] == 24
    assert told["moments"] == sum(map(len, moments.values()))
    assert [each["name"] for each in told["concepts"]] == ["concept 0", "concept 1", "concept 2"]
    rows = [row for listed in moments.values() for row in listed if row["label"] == "concept 1"]
    assert told["concepts"][1]["moments"] == len(rows)
    assert told["concepts"][1]["best"] == max(row["score"] for row in rows)
    assert told["streams"] == ["rgb"]
    assert (told["localizer"], told["truth"], told["learning"]) == ("winners-out", True, "idle")
    assert told["held_out"] == {"videos": 5, "drawn": True}
    assert told["notes"] == []


def test_moments_come_by_score_page_by_page_without_overlap(client: Any) -> None:
    whole = client.get("/api/moments", limit=500).json
    assert whole["total"] == len(whole["moments"]) > 100
    scores = [each["score"] for each in whole["moments"]]
    assert scores == sorted(scores, reverse=True)
    assert len({each["id"] for each in whole["moments"]}) == whole["total"]
    pages = [
        client.get("/api/moments", offset=offset, limit=70).json["moments"] for offset in range(0, whole["total"], 70)
    ]
    assert [each for page in pages for each in page] == whole["moments"]
    assert client.get("/api/moments", offset=10_000).json["moments"] == []


def test_moments_are_narrowed_by_concept_score_text_split_and_kind(client: Any) -> None:
    whole = client.get("/api/moments", limit=500).json["moments"]

    def ids(**query: Any) -> list[str]:
        return [each["id"] for each in client.get("/api/moments", limit=500, **query).json["moments"]]

    assert ids(concept="concept 1") == [each["id"] for each in whole if each["concept"] == "concept 1"]
    assert ids(concept=["concept 1", "concept 2"]) == [each["id"] for each in whole if each["concept"] != "concept 0"]
    assert ids(concept="nothing of the kind") == []
    assert ids(min_score=0.3) == [each["id"] for each in whole if each["score"] >= 0.3]
    assert ids(text="TITLE 07") == [each["id"] for each in whole if each["title"] == "Title 07"]
    assert ids(text="cafe") == [each["id"] for each in whole if each["video_id"].startswith("café")]
    assert ids(text="zoe conc 07 titl") == ids(text="TITLE 07")
    assert ids(text="nothing zoe") == []
    assert ids(text="!!!") == [each["id"] for each in whole]
    assert ids(split="train") == [each["id"] for each in whole]
    assert ids(split="test") == []
    imported = client.get("/api/moments", kind="imported").json["moments"]
    assert [(each["start"], each["end"], each["present"]) for each in imported] == [(1.0, 2.0, True)]
    assert client.get("/api/moments", kind="truth").json["total"] > 20


def test_moments_sort_by_date_and_usefulness(client: Any) -> None:
    dates = [each["title"] for each in client.get("/api/moments", sort="date", limit=500).json["moments"]]
    assert dates == sorted(dates, reverse=True)
    useful = [each["usefulness"] for each in client.get("/api/moments", sort="usefulness", limit=500).json["moments"]]
    assert useful == sorted(useful, reverse=True)
    assert 0 < useful[0] <= 1


def test_videos_are_found_by_text_and_concept_in_each_order(client: Any) -> None:
    told = client.get("/api/videos", limit=500).json
    assert told["total"] == 24
    assert [each["title"] for each in told["videos"]] == [f"Title {number:02d}" for number in range(24)]
    assert client.get("/api/videos", text="title 03").json["videos"][0]["id"] == "with space"
    for sort in ("date", "moments", "score"):
        assert client.get("/api/videos", sort=sort, limit=500).json["total"] == 24
    dates = [each["date"] for each in client.get("/api/videos", sort="date", limit=500).json["videos"]]
    assert dates == sorted(dates, reverse=True)
    counts = [each["moments"] for each in client.get("/api/videos", sort="moments", limit=500).json["videos"]]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("video_id", ["a/../b", "..", "café #1?&%2e%2e", "/etc/passwd", "name\udc80", "x" * 300])
def test_a_video_with_an_odd_id_is_told_by_its_key(client: Any, video_id: str) -> None:
    key = key_of(client, video_id)
    told = client.get(f"/api/videos/{key}").json
    assert told["id"] == video_id
    assert told["key"] == key
    assert len(key) == 16
    found = client.get("/api/moments", limit=500).json["moments"]
    assert {each["id"] for each in told["lanes"]["found"]} == {each["id"] for each in found if each["video"] == key}


def test_lanes_say_what_agrees_with_the_truth(client: Any) -> None:
    lanes = client.get(f"/api/videos/{key_of(client, 'video-10')}").json["lanes"]
    assert lanes["truth"]
    assert {each["match"] for each in lanes["truth"]} <= {"hit", "missed"}
    hits = [each for each in lanes["found"] if each["match"] == "hit"]
    assert len(hits) == sum(each["match"] == "hit" for each in lanes["truth"])
    for each in hits:
        assert any(
            min(each["end"], true["end"]) - max(each["start"], true["start"]) > 0 and true["concept"] == each["concept"]
            for true in lanes["truth"]
        )


def test_curves_are_the_localizers_own_thinned_to_what_is_asked(client: Any, project: Project) -> None:
    key = key_of(client, "video-09")
    scores = load_localizer(project.localizer_folder).score({"rgb": project.features().read("video-09", "rgb")})
    told = client.get(f"/api/videos/{key}/scores", concept="concept 1").json
    assert told["edges"] == scores.grid.edges().tolist()
    assert told["curves"][0]["stream"] == "all"
    assert told["curves"][0]["low"] == told["curves"][0]["high"] == pytest.approx(scores.scores[:, 1].tolist())
    assert len(told["attention"]) == len(scores.attention)  # type: ignore[arg-type]
    thin = client.get(f"/api/videos/{key}/scores", concept="concept 1", points=4).json
    assert len(thin["edges"]) == 5
    assert max(thin["curves"][0]["high"]) == pytest.approx(scores.scores[:, 1].max())
    assert min(thin["curves"][0]["low"]) == pytest.approx(scores.scores[:, 1].min())
    assert client.get(f"/api/videos/{key}/scores", concept="unheard of").status == 409
    assert client.get(f"/api/videos/{key}/scores").status == 400


def test_why_compares_inside_with_outside(client: Any, project: Project) -> None:
    key = key_of(client, "video-09")
    best = client.get("/api/moments", limit=500, concept="concept 0").json["moments"]
    moment = next(each for each in best if each["video"] == key)
    told = client.get("/api/why", video=key, concept="concept 0", start=moment["start"], end=moment["end"]).json
    scores = load_localizer(project.localizer_folder).score({"rgb": project.features().read("video-09", "rgb")})
    first, stop = scores.grid.runs([[moment["start"], moment["end"]]])[0]
    assert told["score_inside"] == pytest.approx(float(scores.scores[first:stop, 0].mean()))
    assert told["score_inside"] > told["score_outside"]
    assert told["rank_in_video"] == 1
    assert len(told["rivals"]) == 2
    assert client.get("/api/why", video=key, concept="concept 0", start=3, end=2).status == 400
    assert client.get("/api/why", video=key, concept="concept 0", start=3).status == 400


def test_the_like_of_a_moment_are_found_without_training(client: Any, rooms: Rooms) -> None:
    truth = client.get("/api/moments", kind="truth", limit=500).json["moments"]
    example = next(each for each in truth if each["concept"] == "concept 2")
    told = client.get("/api/similar", video=example["video"], start=example["start"], end=example["end"], limit=12).json
    assert len(told["moments"]) == 12
    values = [each["similarity"] for each in told["moments"]]
    assert values == sorted(values, reverse=True)
    assert all(each["video"] != example["video"] for each in told["moments"])
    right = [
        any(true["video"] == each["video"] and true["concept"] == "concept 2"
            and true["start"] < each["end"] and each["start"] < true["end"] for true in truth)
        for each in told["moments"]
    ]  # fmt: skip
    assert np.mean(right[:6]) >= 5 / 6  # Planted looks: another direction for each concept.
    own = client.get(
        "/api/similar", video=example["video"], start=example["start"], end=example["end"], exclude_self="no"
    ).json
    assert own["moments"][0]["video"] == example["video"]


def test_likeness_block_by_block_is_that_of_all_mean_features_at_once(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whenabouts.page.review.likeness import span_means, unit_rows
    from whenabouts.page.server import lookalikes

    monkeypatch.setattr(lookalikes, "BLOCK", 5)  # 24 videos: four whole blocks and a part of one.
    snapshot = rooms.desk.current()
    spans, found = rooms.lookalikes.like(snapshot, [(3, 1.0, 4.0), (9, 2.0, 3.0)], without={4, 23})
    assert [len(block.numbers) for block in spans.vectors] == [
        int(np.isin(spans.videos, range(first, first + 5)).sum()) for first in range(0, 24, 5)
    ]
    assert (np.diff(spans.videos) >= 0).all()
    assert set(spans.videos.tolist()) == set(range(24))
    streams = [rooms.model.features(entry, ["rgb"])["rgb"] for entry in snapshot.library.entries]
    means = np.concatenate([span_means(stream, spans.spans[spans.videos == n]) for n, stream in enumerate(streams)])
    asked = np.concatenate([span_means(streams[3], np.array([[1.0, 4]])), span_means(streams[9], np.array([[2.0, 3]]))])
    aim = unit_rows(unit_rows(asked - means.mean(axis=0)).mean(axis=0, keepdims=True))[0]
    left_out = np.isin(spans.videos, [4, 23])
    assert (found[left_out] == -1).all()
    assert found[~left_out] == pytest.approx((unit_rows(means - means.mean(axis=0)) @ aim)[~left_out], abs=1e-2)


def test_videos_with_broken_features_are_not_compared_and_break_nothing(rooms: Rooms) -> None:
    store = rooms.model.store()
    broken = next(iter(store.folder.glob("*.safetensors")))
    broken.write_bytes(broken.read_bytes()[:-64])
    snapshot = rooms.desk.current()
    spans = rooms.lookalikes._all(snapshot.library)
    assert 0 < len(set(spans.videos.tolist())) < 24


def test_a_project_without_model_moments_or_features_is_still_shown(project: Project, client_of: Any) -> None:
    import shutil

    from whenabouts.page.server.safety import Access

    for folder in (project.moments_folder, project.models_folder, project.features_folder):
        shutil.rmtree(folder)
    bare = Rooms(project)
    client = client_of(bare, Access.of("127.0.0.1"))
    told = client.get("/api/project").json
    assert (told["moments"], told["localizer"], told["streams"]) == (0, None, [])
    assert "No moments were found yet" in told["notes"][0]
    key = key_of(client, "video-09")
    assert client.get(f"/api/videos/{key}").status == 200
    assert client.get(f"/api/videos/{key}/scores", concept="concept 0").status == 409
    assert client.get("/api/similar", video=key, start=0, end=1).status == 409
    assert client.get("/api/queue").json["moments"] == []
    assert client.get("/api/moments").json["total"] == 0
    bare.close()


def test_new_moments_are_seen_without_a_restart(client: Any, project: Project) -> None:
    before = client.get("/api/project").json
    path = project.moments_folder / "moments.json"
    values = json.loads(path.read_bytes())
    values["results"] = {"video-10": [{"label": "concept 1", "score": 9.0, "segment": [1.0, 2.0], "kind": "found"}]}
    path.unlink()
    path.write_text(json.dumps(values))
    after = client.get("/api/project").json
    assert after["moments"] == 1
    assert after["version"] != before["version"]
    assert client.get("/api/moments").json["moments"][0]["score"] == 9.0


def test_moments_that_can_not_be_read_are_told_and_so_is_a_vocabulary_that_has_changed(
    client: Any, project: Project
) -> None:
    path = project.moments_folder / "moments.json"
    values = json.loads(path.read_bytes())
    next(iter(values["results"].values()))[0]["score"] = "much"
    write_json(path, values)
    told = client.get("/api/project")
    assert (told.status, told.json["moments"]) == (200, 0)
    assert "moments.json can't be read: A row of the results" in told.json["notes"][0]
    path.unlink()
    path.mkdir()  # As good as one that nobody may read.
    told = client.get("/api/project")
    assert told.status == 200
    assert "moments.json can't be read: " in told.json["notes"][0]
    path.rmdir()
    next(iter(values["results"].values()))[0]["score"] = 1.0
    write_json(path, values)
    assert client.get("/api/project").json["notes"] == []
    known = json.loads(project.vocabulary_path.read_bytes())
    write_json(project.vocabulary_path, {**known, "names": [*known["names"], "new"]})
    assert "The vocabulary has changed since moments were found" in client.get("/api/project").json["notes"][0]
