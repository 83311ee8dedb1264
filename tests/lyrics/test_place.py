"""Where the next words go and what they must keep."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyrics.form import Form, SyllableRange
from lyrics.place import Kind, Misplaced, Placed, as_stanza, place

FORM = Form(scheme="ABAB", syllables=(8, 6, 8, 6), strictness="near")
LOW, NIGHT, SHOW, LIGHT = "all is low", "in the night", "they will show", "by the light"


def text(*lines: str) -> str:
    return "\n".join(lines)


def where(placed: Placed) -> tuple[int, bool, bool, str]:
    return placed.line, placed.replaces, placed.starts_stanza, placed.prompt


def test_it_works() -> None:
    placed = place(text(LOW, NIGHT), FORM, "next_line", 2)
    assert where(placed) == (3, False, False, text(LOW, NIGHT, ""))
    assert placed.words == "A, near rhymes; 8 syllables; A rhymes with low"
    assert placed.form == Form(scheme="A", strictness="near", syllables=8, rhymes={"A": ("low",)}, exclude=("night",))


@pytest.mark.parametrize(
    ("lines", "at", "expected", "letter", "rhymes"),
    [
        # lines                                 line  replaces  starts  letter and what it rhymes with
        (("",), 1, (1, True, True), "A", ()),
        ((LOW, ""), 2, (2, True, False), "B", ()),
        ((LOW, "", ""), 3, (3, True, True), "A", ()),
        ((LOW, NIGHT, SHOW), 3, (4, False, False), "B", ("night",)),
        ((LOW, NIGHT, SHOW), 1, (2, False, False), "B", ("show",)),
        ((LOW, NIGHT, SHOW, ""), 4, (4, True, False), "B", ("night",)),
        ((LOW, NIGHT, SHOW, "", "apart"), 4, (4, False, False), "B", ("night",)),
        ((LOW, NIGHT, SHOW, LIGHT), 4, (6, False, True), "A", ()),
        ((LOW, NIGHT, SHOW, LIGHT), 2, (6, False, True), "A", ()),
        ((LOW, NIGHT, SHOW, LIGHT, ""), 4, (6, False, True), "A", ()),
        ((LOW, NIGHT, SHOW, LIGHT, "", ""), 5, (6, True, True), "A", ()),
        ((LOW, NIGHT, SHOW, LIGHT, "", "apart"), 4, (6, False, True), "A", ()),
        ((LOW, NIGHT, SHOW, LIGHT, "[Chorus]"), 4, (5, False, True), "A", ()),
        ((LOW, NIGHT, SHOW, LIGHT, LOW), 5, (6, False, False), "B", ()),
        ((LOW, NIGHT, SHOW, LIGHT, LOW, NIGHT), 6, (7, False, False), "A", ("low",)),
        ((LOW, NIGHT, SHOW, LIGHT, LOW, NIGHT), 2, (5, False, False), "A", ("night",)),
        (("[Verse]",), 1, (2, False, False), "A", ()),
        (("[Verse]", LOW), 2, (3, False, False), "B", ()),
        (("[Verse]", "", LOW), 1, (2, False, False), "A", ()),
        (("[Verse]", LOW), 1, (2, False, False), "A", ()),
        (("[Verse]", LOW, NIGHT, SHOW, LIGHT), 1, (2, False, True), "A", ()),
        (("", LOW, NIGHT), 1, (1, True, False), "A", ("night",)),
    ],
)
def test_the_next_line_goes_on_with_its_stanza_or_opens_one(
    lines: tuple[str, ...], at: int, expected: Any, letter: str, rhymes: tuple[str, ...]
) -> None:
    placed = place(text(*lines), FORM, "next_line", at)
    assert where(placed)[:3] == expected
    assert (placed.form.scheme, placed.form.rhymes.get(letter, ())) == (letter, rhymes)
    assert placed.num_lines == placed.form.num_lines == 1


def test_a_new_stanza_is_written_after_a_blank_line() -> None:
    stanza = (LOW, NIGHT, SHOW, LIGHT)
    for lines in (stanza, (*stanza, ""), (*stanza, "", "", "apart"), (*stanza, "[Chorus]")):
        assert place(text(*lines), FORM, "next_line", 4).prompt == text(*stanza, "", "")


def test_filling_rhymes_with_what_stands_above_and_below() -> None:
    couplets = Form(scheme="AAAA", syllables=4)
    placed = place(text(LOW, SHOW, "to and fro"), couplets, "fill", 1)
    assert where(placed) == (2, False, False, text(LOW, ""))
    assert placed.form.rhymes == {"A": ("low", "show", "fro")}
    gap = place(text(LOW, "", "to and fro"), couplets, "fill", 2)
    assert where(gap) == (2, True, False, text(LOW, ""))
    assert gap.form.rhymes == {"A": ("low", "fro")}


def test_rewriting_sees_the_other_lines_and_prompts_with_those_before() -> None:
    placed = place(text("[Verse]", LOW, NIGHT, SHOW, LIGHT, "", "apart"), FORM, "rewrite", 3)
    assert where(placed) == (3, True, False, text("[Verse]", LOW, ""))
    assert (placed.form.scheme, placed.form.rhymes) == ("B", {"B": ("light",)})
    assert placed.form.exclude == ("low", "show")
    assert place(text(LOW, NIGHT), FORM, "rewrite", 1).prompt == ""


@pytest.mark.parametrize(
    ("lines", "at", "expected"),
    [
        (("",), 1, (1, True, True, "")),
        ((LOW,), 1, (3, False, True, text(LOW, "", ""))),
        ((LOW, NIGHT, SHOW), 1, (5, False, True, text(LOW, NIGHT, SHOW, "", ""))),
        ((LOW, "", "", "apart"), 1, (3, True, True, text(LOW, "", ""))),
        ((LOW, "", "apart"), 2, (3, False, True, text(LOW, "", ""))),
        (("[Verse]", "", LOW), 1, (2, False, False, text("[Verse]", ""))),
        (("[Verse]", LOW), 1, (2, False, True, text("[Verse]", ""))),
    ],
)
def test_a_verse_is_a_stanza_of_its_own(lines: tuple[str, ...], at: int, expected: Any) -> None:
    placed = place(text(*lines), FORM, "verse", at)
    assert where(placed) == expected
    assert (placed.form, placed.num_lines, placed.words) == (FORM, 4, FORM.in_words())


def test_words_that_stand_already_need_not_come_again() -> None:
    form = Form(scheme="ABAB", include=("moon", "neon river"))
    assert place("", form, "next_line", 1).form.include == ("moon",)
    assert place("the Moon, all low", form, "next_line", 1).form.include == ("neon river",)
    assert place(text("a neon", "river moon", SHOW), form, "next_line", 3).form.include == ()
    assert place(text(LOW, NIGHT, SHOW), form, "next_line", 3).form.include == ("moon", "neon river")
    assert place(text("the moon is low", NIGHT, SHOW, LIGHT), form, "rewrite", 1).form.include == ("moon", "neon river")


def test_a_word_that_must_stand_is_never_forbidden() -> None:
    form = Form(scheme="ABAB", include=("night sky",))
    placed = place(text("so night", "it is low", "it will show"), form, "rewrite", 2)
    assert (placed.form.include, placed.form.exclude) == (("night sky",), ("show",))


def test_a_line_keeps_all_else_that_the_stanza_asks_for() -> None:
    asked = {"strictness": "assonance", "exclude": ("sky",), "mode": "crafted", "alternatives": 3, "explicit": True}
    form = Form(scheme="AXA", metre="x/x/x/", rhymes={"A": ("go",)}, **asked)
    line = place(LOW, form, "next_line", 1).form
    assert (line.scheme, line.syllables, line.metre, line.rhymes) == ("X", 6, "x/x/x/", {})
    assert line.model_dump(include=set(asked)) == asked | {"exclude": ("sky", "low")}
    assert place(text(LOW, "aha"), form, "next_line", 2).form.rhymes == {"A": ("go", "low")}
    assert place(LOW, Form(scheme="AA", metre="iambic"), "next_line", 1).form.syllables is None


def test_an_offer_for_a_line_becomes_one_for_its_stanza() -> None:
    stanza = Form(
        scheme="AABB", syllables=(8, 6, 8, 6), include=("moon", "sun"), exclude=("sky",), rhymes={"A": ("go",)}
    )
    placed = place(text("the sun is low", SHOW, NIGHT), stanza, "next_line", 3)
    asked = placed.form.model_dump()

    def offered(**changes: Any) -> Form:
        return as_stanza(stanza, placed, Form(**(asked | changes)))

    assert offered() == stanza
    assert offered(strictness="near", metre="iambic") == Form(
        **(stanza.model_dump() | {"strictness": "near", "metre": "iambic"})
    )
    assert offered(include=()).include == ("sun",)
    assert offered(syllables={"min": 4, "max": 9}).syllables == SyllableRange(min=4, max=9)
    assert offered(syllables={"min": 5, "max": 7}).syllables == SyllableRange(min=5, max=8)
    free = offered(scheme="X", rhymes={})
    assert (free.scheme, free.rhymes, free.exclude) == ("AABX", {"A": ("go",)}, ("sky",))
    verse = place("", stanza, "verse", 1)
    assert as_stanza(stanza, verse, FORM) == FORM


@pytest.mark.parametrize(("kind", "at"), [("next_line", 0), ("fill", 9), ("rewrite", 2), ("rewrite", 3), ("verse", -1)])
def test_what_cannot_be_says_what_to_do(kind: Kind, at: int) -> None:
    with pytest.raises(Misplaced, match="put the cursor"):
        place(text(LOW, "", "[Chorus]"), FORM, kind, at)


@given(
    st.lists(st.sampled_from([LOW, NIGHT, SHOW, LIGHT, "", " ", "[Chorus]", "!!!", "x" * 80]), min_size=1, max_size=14),
    st.sampled_from(["AABB", "ABAB", "XAXA", "AAAA", "limerick", "A", "X"]),
    st.sampled_from(["next_line", "fill", "rewrite", "verse"]),
    st.data(),
)
def test_wherever_the_cursor_stands_no_line_is_lost(lines: list[str], scheme: str, kind: Kind, data: Any) -> None:
    at = data.draw(st.integers(1, len(lines)))
    try:
        placed = place(text(*lines), Form(scheme=scheme), kind, at)
    except Misplaced:
        assert kind == "rewrite"
        return
    assert 1 <= placed.line <= len(lines) + 2
    if placed.replaces:
        assert kind == "rewrite" or not lines[placed.line - 1].strip()
    assert placed.prompt.strip() == text(*lines[: placed.line - 1]).strip()
    assert placed.prompt == "" or placed.prompt.endswith("\n")
