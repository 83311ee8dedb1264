"""What is sung of a text, and what only names its parts."""

from __future__ import annotations

import pytest

from lyrics.clean import is_heading, stanzas_of


def test_it_works() -> None:
    assert stanzas_of("[Verse 1]\na cat\na hat\n\nChorus:\na dog") == [["a cat", "a hat"], ["a dog"]]


@pytest.mark.parametrize(
    "line", ["[Chorus]", "  [Chorus] : ", "{x}:", "<Hook>", "# a note", "Verse 2:", "PRE-CHORUS :", "verse \t12  :"]
)
def test_headings(line: str) -> None:
    assert is_heading(line)


@pytest.mark.parametrize("line", ["", "[Chorus] again", "Verse 2", "Verse 2: the moon", "(I know)", "universe:"])
def test_sung_lines(line: str) -> None:
    assert not is_heading(line)


@pytest.mark.parametrize(
    "line",
    [
        "[]" + " " * 200_000 + "x",
        "[" + "] " * 200_000 + "x",
        "verse" + " " * 200_000 + "1" * 200_000 + " " * 200_000 + "x",
        " " * 200_000 + "x",
    ],
)
def test_a_hostile_line_is_read_once(line: str) -> None:
    """With a rule that tries each run of spaces in two ways this would take hours."""
    assert not is_heading(line)
