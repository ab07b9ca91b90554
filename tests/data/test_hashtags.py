"""Hashtags of seed labels: members and non-members of 30 seeds by hand, guards, matching, products, relabelling."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whenabouts.core.errors import InvalidData
from whenabouts.core.video import Video
from whenabouts.data.hashtags import (
    HashtagSettings,
    ProductIndex,
    SeedIndex,
    hashtag_form,
    read_seeds,
    relabelled_entries,
    seed_labels,
    seed_tags,
)
from whenabouts.data.manifest import Entry, WeakLabel

# Seed -> hashtags that it has, and such that it has not.
SEEDS = {
    "catching a fish": ("catchingafish catchfish fishcatching acatchfish", "catchinga fish catching catchingfishes"),
    "abseiling": ("abseiling abseil", "abseils seiling"),
    "air drumming": ("airdrumming drummingair airdrum drumair", "air drum airdrummer"),
    "answering questions": ("answeringquestions answerquestion questionanswering answerquestions", "answer question"),
    "applauding": ("applauding applaud", "applause app"),
    "archery": ("archery archeri", "archer arch"),
    "arm wrestling": ("armwrestling wrestlingarm armwrestl", "arm wrestling wrestlearm"),
    "baking cookies": ("bakingcookies bakecookies cookiesbaking cookibake bakecooki", "cookies bakingcookie"),
    "balloon blowing": ("balloonblowing blowballoon blowingballoon", "blow balloon balloons"),
    "bartending": ("bartending bartend", "bartender bar"),
    "beatboxing": ("beatboxing beatbox", "beat boxing"),
    "bench pressing": ("benchpressing benchpress pressbench", "bench press"),
    "biking through snow": ("bikingthroughsnow bikesnow snowbike snowbiking throughsnowbiking", "biking snow through"),
    "blowing out candles": ("blowingoutcandles blowcandl candlesblowing blowoutcandl", "blowout outcandles"),
    "brushing teeth": ("brushingteeth teethbrushing brushteeth", "brushtooth teeth"),
    "bungee jumping": ("bungeejumping jumpbungee bungejump", "bungee jumping"),
    "changing oil": ("changingoil oilchanging changoil oilchang", "oil change oilchanges"),
    "cleaning toilet": ("cleaningtoilet toiletcleaning cleantoilet", "toilet clean"),
    "climbing a rope": ("climbingarope ropeclimbing climbrope", "climbinga arope rope"),
    "dancing ballet": ("dancingballet balletdancing dancballet balletdanc", "ballet dance dancingballets"),
    "drinking beer": ("drinkingbeer beerdrinking drinkbeer", "beer drinking drank"),
    "feeding birds": ("feedingbirds birdfeeding feedbird birdsfeed", "birdfeeder feed birds"),
    "hitting a baseball": ("hittingabaseball baseballhitting hitbaseball hitabaseball", "hit baseball ahit"),
    "ice skating": ("iceskating skateice iceskate skatingice", "ice skating skater"),
    "playing guitar": ("playingguitar guitarplaying playguitar", "guitar play guitarplayer"),
    "riding or walking with horse": (
        "ridingorwalkingwithhorse ridewalkhorse horsewalkingriding horseridingwalking",
        "horseriding walkhorse riding",
    ),
    "ski jumping": ("skijumping jumpski skijump", "skiing ski jump"),
    "washing hands": ("washinghands handwashing washhands handwash", "hands wash handswashed"),
    "massaging person's head": (
        "massagingpersonshead headmassagingpersons massagpersonhead",
        "headmassage massaginghead",
    ),
    "doing": ("doing", "do"),
}  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_members_and_non_members(seed: str) -> None:
    tags = seed_tags(seed).tags
    members, strangers = (set(words.split()) for words in SEEDS[seed])
    assert members <= tags, f"missing: {sorted(members - tags)} of {sorted(tags)[:40]}"
    assert not strangers & tags, f"wrong: {sorted(strangers & tags)}"


def test_there_are_thirty_seeds() -> None:
    assert len(SEEDS) == 30


def test_the_papers_seed_has_sixteen() -> None:
    tags = seed_tags("catching a fish").tags
    assert len(tags) == 16
    assert "catchinga" not in tags


def test_any_order_is_given_up_where_it_is_too_much() -> None:
    long = seed_tags("one two three four five six")
    assert long.in_order
    assert "onetwothreefourfivesix" in long.tags
    assert "sixfivefourthreetwoone" not in long.tags
    few = seed_tags("catching a fish", HashtagSettings(max_tags=10))
    assert few.in_order
    assert few.tags == {"catchingafish", "catchingfish", "catchafish", "catchfish"}
    assert len(seed_tags("riding one two three four five six seven", HashtagSettings(max_tags=1)).tags) == 1


def test_the_bounds_of_any_order_are_inclusive() -> None:
    five = seed_tags("one two three four five")
    assert not five.in_order
    assert "fivefourthreetwoone" in five.tags
    # Two forms of "catching", with "a" or without, 3! orders: 24. "fish" is its own stem, and counts once.
    assert not seed_tags("catching a fish", HashtagSettings(max_tags=24)).in_order
    assert seed_tags("catching a fish", HashtagSettings(max_tags=23)).in_order


def test_a_label_of_function_words_alone_keeps_them() -> None:
    assert seed_tags("up down").tags == {"updown", "downup"}


def test_beside_one_content_word_only_articles_go() -> None:
    assert seed_tags("popping up").tags == {"poppingup", "uppopping", "popup", "uppop"}
    assert seed_tags("the robot").tags == {"therobot", "robotthe", "robot"}


def test_short_tags_are_left_out() -> None:
    assert seed_tags("a b").tags == frozenset()
    assert seed_tags("a b", HashtagSettings(shortest_tag=1)).tags == {"b", "ab", "ba"}


@pytest.mark.parametrize("seed", ["", "!!!", "-- _ --"])
def test_a_seed_without_letters_is_refused(seed: str) -> None:
    with pytest.raises(InvalidData, match="no letter or digit"):
        seed_tags(seed)


def test_without_a_stemmer_words_stay() -> None:
    assert seed_tags("air drumming", HashtagSettings(stemmer="none")).tags == {"airdrumming", "drummingair"}


@pytest.mark.parametrize(
    ("text", "form"),
    [("#Catch_Fish", "catchfish"), ("Catch Fish", "catchfish"), ("catch-fish", "catchfish"), ("ＣＡＴＣＨ", "catch"),
     ("#straße", "strasse"), ("  #a  b ", "ab")],
)  # fmt: skip
def test_one_form(text: str, form: str) -> None:
    assert hashtag_form(text) == form


def test_seeds_that_share_a_tag_are_both_meant() -> None:
    index = SeedIndex(["jumping dog", "dog jumping", "jumping dog "])
    assert index.seeds == ("jumping dog", "dog jumping")
    assert index.of("#DogJump") == ("jumping dog", "dog jumping")
    assert index.of("cat") == ()


@given(st.lists(st.sampled_from(["catching", "fish", "big", "riding", "dogs"]), min_size=1, max_size=3, unique=True))
def test_words_of_a_seed_in_any_order_are_its_hashtag(words: list[str]) -> None:
    index = SeedIndex([" ".join(words)])
    assert index.of("".join(reversed(words))) == (" ".join(words),)


def test_products_are_those_of_all_pairs() -> None:
    verbs, nouns = ["riding", "catching", "car"], ["fish", "big horse", "wash"]
    products, whole = ProductIndex(verbs, nouns), SeedIndex([f"{verb} {noun}" for verb in verbs for noun in nouns])
    assert products.of("#FishCatch") == ("catching fish",)
    assert products.of("horsebigride") == ("riding big horse",)
    assert products.of("fish") == ()
    for tag in ("carwash", "washcar", "ridebighorse", "ridingfish", "bighorsecar", "nothing", ""):
        assert set(products.of(tag)) == set(whole.of(tag)), tag


def test_products_of_the_shortest_words() -> None:
    products = ProductIndex(["go"], ["x"], HashtagSettings(shortest_tag=1))
    assert products.of("xgo") == products.of("gox") == ("go x",)


def entry(video_id: str, *labels: WeakLabel) -> Entry:
    return Entry(Video(video_id, Path(f"{video_id}.mp4"), 10.0, Fraction(25), 250, 90, 120), labels)


def test_tags_become_seed_labels() -> None:
    index = SeedIndex(["catching a fish", "fishing", "sailing"])
    labels = (WeakLabel("Catch Fish", 0.5, "tags:a"), WeakLabel("fishcatching", 0.75, "tags:b"), WeakLabel("sunset"))
    done = relabelled_entries([entry("one", *labels), entry("two", WeakLabel("sunset"))], index)
    assert done.counts == {"seeds": 3, "seed_hashtags": len(index), "videos_with_a_seed": 1,
                           "videos_with_several_seeds": 0}  # fmt: skip
    assert done.entries[0].labels == (WeakLabel("catching a fish", 0.75, "tags:a", "#catchfish #fishcatching"),)
    assert done.entries[1].labels == ()
    assert done.facts == {"seeds_without_a_video": ("fishing", "sailing")}
    assert seed_labels(["fish", "Fishing"], index) == {"fishing": ("fish", "Fishing")}


def test_tags_become_products_of_verbs_and_nouns() -> None:
    index = ProductIndex(["riding", "catching"], ["horse", "fish"])
    labels = (WeakLabel("#RideHorse", 0.5, "tags:a"), WeakLabel("fishcatching"), WeakLabel("riding"))
    done = relabelled_entries([entry("one", *labels), entry("two", WeakLabel("fish"))], index)
    assert [label.name for label in done.entries[0].labels] == ["riding horse", "catching fish"]
    assert done.entries[0].labels[0] == WeakLabel("riding horse", 0.5, "tags:a", "#ridehorse")
    assert done.entries[1].labels == ()
    assert done.counts == {"verbs": 2, "nouns": 2, "products_seen": 2, "videos_with_a_seed": 1,
                           "videos_with_several_seeds": 1}  # fmt: skip
    assert done.facts == {}


def test_seeds_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "seeds.txt"
    path.write_text("# comment\n\ncatching a fish\n sailing \nsailing\n", "utf-8")
    assert read_seeds(path) == ("catching a fish", "sailing")
    path.write_text("!!!\n")
    with pytest.raises(InvalidData, match="no letter or digit"):
        read_seeds(path)
    with pytest.raises(InvalidData, match="can't be read"):
        read_seeds(tmp_path / "missing.txt")
