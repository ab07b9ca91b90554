"""Hashtags of every script, and what is no tag."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whenabouts.data.importers.protocol import TagSettings
from whenabouts.data.importers.tags import Tag, bracket_tags, clean, hashtags_in, labels_from, tag_name


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("#dive and #Cliff_Diving!", ["dive", "Cliff_Diving"]),
        ("#one#two##three", ["one", "two", "three"]),
        ("a#b#c", []),
        ("C# a#b &#39; http://x.org/#part #", []),
        ("#été #تزلج #スキー #हिन्दी #Straße", ["été", "تزلج", "スキー", "हिन्दी", "Straße"]),
        ("＃全角", ["全角"]),
        ("(#in) #a-b #1 #dive #dive", ["in", "a", "1", "dive"]),
        ("#\u200d", []),
        ("", []),
    ],
)
def test_hashtags(text: str, wanted: list[str]) -> None:
    assert hashtags_in(text) == wanted


@pytest.mark.parametrize(
    ("stem", "wanted"),
    [
        ("holiday [beach dive]", ["beach", "dive"]),
        ("Title [dQw4w9WgXcQ]", []),
        ("Title [gymnastics0]", []),
        ("Title [snowboarder]", ["snowboarder"]),
        ("Title [Photography]", ["Photography"]),
        ("a [b] c [d e", ["b"]),
        ("[]", []),
    ],
)
def test_words_in_brackets(stem: str, wanted: list[str]) -> None:
    assert bracket_tags(stem) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("CliffDiving", "cliffdiving"),
        ("  Cliff \n Diving ", "cliff diving"),
        ("#dive", "dive"),
        ("2019", None),
        ("12:30", None),
        ("FYP", None),
        ("for you", None),
        ("https://x.org/a?sig=1", None),
        ("www.x.org", None),
        ("shop.com", None),
        ("a@b", None),
        ("😀", None),
        ("x" * 101, None),
        ("ＤＩＶＥ", "dive"),
        ("3d printing", "3d printing"),
        ("\ud83d", None),
    ],
)
def test_names_of_tags(text: str, wanted: str | None) -> None:
    assert tag_name(text, TagSettings()) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("CliffDiving", "cliff diving"),
        ("HTMLPage", "html page"),
        ("DIY", "diy"),
        ("iPhone", "i phone"),
        ("Élan", "élan"),
        ("Trick2Flip", "trick2 flip"),
        ("already two", "already two"),
    ],
)
def test_words_in_camel_case(text: str, wanted: str) -> None:
    assert tag_name(text, TagSettings(split_camel_case=True)) == wanted


def test_the_spam_list_can_be_changed() -> None:
    assert tag_name("fyp", TagSettings(spam=())) == "fyp"
    assert tag_name("dive", TagSettings(spam=("dive",))) is None


def tags(count: int) -> list[Tag]:
    return [Tag(f"tag {chr(97 + number % 26)}{number}", "test", "") for number in range(count)]


@pytest.mark.parametrize(("count", "most", "weight"), [(15, 15, 1.0), (16, 15, 15 / 16), (60, 15, 0.25), (16, 0, 1.0)])
def test_of_many_tags_each_weighs_less(count: int, most: int, weight: float) -> None:
    labels = labels_from(tags(count), TagSettings(many_tags=most))
    assert [label.weight for label in labels] == [weight] * count


def test_the_first_tag_of_a_name_counts_and_spam_is_no_number() -> None:
    found = [Tag("Dive", "a", "x"), Tag("dive", "b", "y"), Tag("viral", "a", ""), Tag("2020", "a", "")]
    labels = labels_from(found, TagSettings(many_tags=1))
    assert [(label.name, label.source, label.evidence, label.weight) for label in labels] == [("dive", "a", "x", 1.0)]


@given(st.text(max_size=60))
def test_no_text_breaks_anything(text: str) -> None:
    assert clean(text) == clean(clean(text))
    assert all(sign not in clean(text) for sign in "\n\r\t\0")
    clean(text).encode()
    for tag in (*hashtags_in(text), *bracket_tags(text)):
        name = tag_name(tag, TagSettings(split_camel_case=True))
        assert name is None or (name == name.strip() and name)
