"""What is no part of a song goes, what is part of it stays, and every rule can be off."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.cleaning import RULES, clean, diff

NOISY = """\
37 ContributorsTranslationsEspañolDeutschNine Lamps Lyrics“Nine Lamps” is the third song of an album that was never\
… Read More[Verse 1: Ada Quill & The Brass Larks]
Nine lamps are burning along the quay
I donâ€™t know which of them burns for me
See The Brass Larks LiveGet tickets as low as $49You might also like[Chorus: Both]
“Oh keep a  light on”, the tide replied…
Keep a light on the landward side

(Bridge x2)
You might also like the salt and the rain
[00:41.20]But you won’t like leaving again4.2KEmbed
"""

CLEAN = """\
[Verse 1]
Nine lamps are burning along the quay
I don't know which of them burns for me

[Chorus]
"Oh keep a light on", the tide replied...
Keep a light on the landward side

[Bridge]
You might also like the salt and the rain
But you won't like leaving again"""


def test_it_works() -> None:
    assert clean(NOISY).text == CLEAN


def test_what_was_changed_is_told_by_rule() -> None:
    assert set(clean(NOISY).changes) == {rule.name for rule in RULES}
    assert clean(CLEAN).changes == {}


@pytest.mark.parametrize("name", [rule.name for rule in RULES])
def test_every_rule_can_be_off(name: str) -> None:
    without = clean(NOISY, off=frozenset({name}))
    assert without.text != CLEAN
    assert name not in without.changes


def test_a_rule_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no cleaning rule named tikets: the rules are encoding, contributors"):
        clean("", off=frozenset({"tikets"}))


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("[VERSE ONE]", "[Verse 1]"),
        ("Verse 2:", "[Verse 2]"),
        ("{Hook}", "[Hook]"),
        ("## Pre-Chorus", "[Pre-Chorus]"),
        ("[Pre Chorus: Ada]", "[Pre-Chorus]"),
        ("REFRAIN.", "[Refrain]"),
        ("_Chorus._", "[Chorus]"),
        ("[Verse II - Ada Quill]", "[Verse 2]"),
        ("[Couplet 1]", "[Verse 1]"),
        ("[Estribillo]", "[Chorus]"),
        ("(Outro)", "[Outro]"),
        ("[Chorus x2]", "[Chorus]"),
    ],
)
def test_sections_have_one_way_to_be_named(header: str, named: str) -> None:
    assert clean(f"{header}\nLow tide").text == f"{named}\nLow tide"


@pytest.mark.parametrize(
    "line",
    [
        "Solo",
        "Verse by verse I sing it",
        "(I know, I know)",
        "[laughing] come on in",
        "The bridge is down",
        "Chorus of the birds",
        "You might also like it here",
        "We'll see the lamps alive",
        "and 24 contributors sang",
        "All that I embed",
        "At 10:30 we go",
    ],
)
def test_sung_lines_stay(line: str) -> None:
    assert clean(f"Low tide\n{line}\nHigh tide").text == f"Low tide\n{line}\nHigh tide"


def test_lines_sung_twice_stand_where_they_are_sung() -> None:
    lrc = "[ar:Ada Quill]\n[00:05.00][00:15.00]Keep a light on\n[00:01.00]Nine lamps\n[00:10.00]Nine ships"
    assert clean(lrc).text == "Nine lamps\nKeep a light on\nNine ships\nKeep a light on"


@pytest.mark.parametrize("tail", ["Embed", "7Embed", "1.2KEmbed", "12EmbedShareURLCopyEmbedCopy"])
def test_the_tail_of_a_page_goes(tail: str) -> None:
    assert clean(f"Low tide\nLeaving again{tail}").text == "Low tide\nLeaving again"


def test_a_ticket_line_of_its_own_leaves_no_hole() -> None:
    text = "Low tide\nSee Ada Quill Live\nGet tickets as low as $49\nHigh tide"
    assert clean(text).text == "Low tide\nHigh tide"


def test_markup_is_kept_as_text() -> None:
    assert clean("<script>alert(1)</script>\n<b>Low</b> tide").text == "<script>alert(1)</script>\n<b>Low</b> tide"


PIECES = """Low tide;[Chorus];Chorus:;Verse 2: low;You might also like;3Embed;2 ContributorsTide Lyrics;[Verse;
[00:01.00]low;[00:02.00][00:09.00]tide;“hi”;\u200b;â€™;See A LiveGet tickets as low as $4"""


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(re.split("[;\n]", PIECES)) | st.text(max_size=20), max_size=12))
def test_any_text_is_cleaned_without_an_error(lines: list[str]) -> None:
    cleaned = clean("\n".join(lines)).text
    assert "\n\n\n" not in cleaned
    assert cleaned == cleaned.strip("\n")


@pytest.mark.parametrize(
    "piece", ["[", "See ", "Lyrics ", "[00:", "1", "You might also like", "[Chorus ", "(", " \t", "0.", "\n"]
)
def test_a_hostile_text_takes_no_longer_than_its_length_asks(piece: str) -> None:
    def took(size: int) -> float:
        began = time.process_time()
        clean(piece * (size // len(piece)))
        return time.process_time() - began

    took(1_000)
    assert took(80_000) < 40 * max(took(8_000), 0.01)  # ten times is linear, a hundred quadratic


def test_a_difference_names_each_line_once() -> None:
    lines = diff("one\ntwo\nthree", "one\n2\nthree\nfour")
    assert "".join(line.kind for line in lines) == " -+ +"
    assert [line.text for line in lines if line.kind != "+"] == ["one", "two", "three"]
    assert [line.text for line in lines if line.kind != "-"] == ["one", "2", "three", "four"]
