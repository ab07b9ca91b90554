"""Words by their beginnings, columns of moments, and the match with truth: worked by hand."""

import numpy as np

from whenabouts.page.server.judging import matches
from whenabouts.page.server.table import Table
from whenabouts.page.server.words import WordIndex, folded, words_of


def test_words_are_found_by_their_beginning_without_case_and_accents() -> None:
    index = WordIndex(["Über den Fluß", "uber_taxi 24", "", "Ｆｕｌｌ width ﬁne", "日本 語"])
    assert index.beginning("ub").tolist() == [True, True, False, False, False]
    assert index.beginning("fluss").tolist() == [True, False, False, False, False]
    assert index.beginning("taxi").tolist() == [False, True, False, False, False]
    assert index.beginning("full").tolist() == [False, False, False, True, False]
    assert index.beginning("fine").tolist() == [False, False, False, True, False]
    assert index.beginning("日").tolist() == [False, False, False, False, True]
    assert index.beginning("zzz").tolist() == [False] * 5
    assert index.beginning("").tolist() == [True, True, False, True, True]
    assert WordIndex([]).beginning("a").tolist() == []


def test_folding_and_cutting_of_words() -> None:
    assert words_of("Crème-brûlée, 3x! #tag_two") == ["creme", "brulee", "3x", "tag", "two"]
    assert folded("ŞİŞLİ") == folded("şi̇şli̇")
    assert words_of("?!_-") == []


def test_rows_of_a_video_come_in_order_of_time() -> None:
    table = Table.of([(1, 0, 5.0, 6.0, 0.1, True), (0, 0, 1.0, 2.0, 0.2, True), (1, 1, 3.0, 4.0, 0.3, True)], "found")
    assert table.of_video(1).tolist() == [2, 0]
    assert table.of_video(0).tolist() == [1]
    assert table.of_video(7).tolist() == []
    assert len(Table.joined([table, Table.empty(), table])) == 6


def test_the_best_found_moment_takes_the_true_one_and_the_rest_are_false() -> None:
    truth = Table.of(
        [(0, 0, 0.0, 10.0, 1.0, True), (0, 0, 20.0, 30.0, 1.0, True), (0, 1, 0.0, 10.0, 1.0, True)], "truth"
    )
    found = Table.of(
        [(0, 0, 0.0, 9.0, 0.5, True), (0, 0, 1.0, 10.0, 0.9, True), (0, 0, 28.0, 40.0, 0.8, True),
         (0, 2, 0.0, 10.0, 0.7, True), (1, 0, 0.0, 10.0, 0.7, True)], "found",
    )  # fmt: skip
    table = Table.joined([truth, found])
    # Row 4 takes row 0 before row 3 can; row 5 overlaps row 1 too little; nothing finds row 2; concept 2 has no truth.
    assert matches(table, table.of_video(0)) == {0: "hit", 1: "missed", 2: "missed", 3: "false", 4: "hit", 5: "false"}
    assert matches(table, table.of_video(1)) == {}
    assert matches(Table.empty(), np.zeros(0, np.int64)) == {}
