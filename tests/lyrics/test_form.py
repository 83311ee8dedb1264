"""The form that a writer asks for."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lyrics.form import MAX_SYLLABLES, PRESETS, Form
from lyrics.metre import FEET


def test_it_works() -> None:
    form = Form.model_validate_json('{"scheme": "abab", "syllables": [8, 6, 8, 6], "metre": "iambic"}')
    assert form.in_words() == "ABAB, strict; 8-6-8-6 syllables; iambic"
    assert [line.rhyme for line in form.line_forms()] == ["A", "B", "A", "B"]
    assert form.line_forms()[1].grid(6) == "x/x/x/"


def test_a_name_stands_for_its_scheme() -> None:
    assert Form(scheme="Limerick").scheme == "AABBA"
    assert Form(scheme="ab ab").scheme == "ABAB"
    assert Form(scheme="a-a-").scheme == "AXAX"


def test_x_and_letters_that_stand_alone_need_not_rhyme() -> None:
    assert [line.rhyme for line in Form(scheme="XAXAB").line_forms()] == [None, "A", None, "A", None]


def test_a_grid_fixes_the_syllables() -> None:
    line = Form(scheme="AA", metre="x/x/x/x/").line_forms()[0]
    assert (line.min_syllables, line.max_syllables) == (8, 8)


def test_a_form_survives_its_own_json() -> None:
    for song in PRESETS.values():
        for section in song.sections:
            assert Form.model_validate_json(section.form.model_dump_json()) == section.form


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"scheme": "A1"}, "is no scheme"),
        ({"scheme": ""}, "is no scheme"),
        ({"strictness": "multi:9"}, "is no strictness"),
        ({"metre": "hexametric"}, "no metre is called"),
        ({"syllables": [8, 8]}, "syllables names 2 lines and the scheme AABB has 4"),
        ({"syllables": {"min": 9, "max": 8}}, "swap them"),
        ({"syllables": MAX_SYLLABLES + 1}, "less than or equal to 24"),
        ({"metre": "x/x/", "syllables": 8}, "has 4 syllables, which line 1 may not have"),
        ({"include": ["Moon"], "exclude": ["moon!"]}, "'moon' is both included and excluded"),
        ({"originality": {"dataset": "d", "n": 9}}, "less than or equal to 8"),
        ({"rhymes": {"C": ["night"]}}, "is no letter that rhymes in AABB"),
        ({"rhymes": {"A": ["night"] * 65}}, "rhymes has 65 words for 'A': name 64 at most"),
        ({"rhymes": {str(number): ["night"] for number in range(27)}}, "rhymes names 27 letters and there are 26"),
        ({"rhyme": "AABB"}, "Extra inputs are not permitted"),
    ],
)
def test_what_no_text_can_keep_is_refused_with_its_reason(wrong: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Form.model_validate(wrong)


@pytest.mark.parametrize("metre", FEET)
def test_every_foot_has_a_grid_of_every_length(metre: str) -> None:
    for num_syllables in range(1, MAX_SYLLABLES + 1):
        grid = Form(scheme="A", metre=metre).line_forms()[0].grid(num_syllables)
        assert grid is not None
        assert len(grid) == num_syllables
