"""The independent judge."""

from __future__ import annotations

import ast
from pathlib import Path

import lyrics
from lyrics.form import Form, Originality, SyllableRange
from lyrics.originality import OriginalityIndex
from lyrics.phones import Lexicon
from lyrics.verify import Verdict, verify

LEXICON = Lexicon()


def rules(verdict: Verdict) -> list[list[str]]:
    return [[failure.rule for failure in line.failures] for line in verdict.lines]


def imported_by(*modules: str) -> set[str]:
    """The modules of `lyrics` that these need, and those that those need."""
    found: set[str] = set()
    left = list(modules)
    while left:
        module = left.pop()
        if module in found:
            continue
        found.add(module)
        tree = ast.parse((Path(lyrics.__path__[0]) / f"{module}.py").read_text(encoding="utf-8"))
        names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        left += [name.removeprefix("lyrics.") for name in names if name.startswith("lyrics.")]
    return found


def test_it_works() -> None:
    form = Form(scheme="ABAB", syllables=(8, 6, 8, 6), metre="iambic")
    text = "The moon is on the river now\nAnd all the stars are bright\n"
    text += "And I will never show you how\nTo hide away the night"
    verdict = verify(text, form, LEXICON)
    assert verdict.is_kept, verdict
    assert [line.partner and line.partner.line for line in verdict.lines] == [3, 4, 1, 2]
    assert [line.num_syllables for line in verdict.lines] == [8, 6, 8, 6]
    assert verdict.lines[0].grid == "x/x/x/x/"


def test_each_broken_rule_is_named() -> None:
    form = Form(scheme="AA", syllables=6, metre="iambic", exclude=("stars",), include=("moon",))
    verdict = verify("The stars above the sea\nGuitars again, fuck", form, LEXICON)
    assert rules(verdict) == [["exclude"], ["syllables", "rhyme", "explicit"]]
    assert [failure.rule for failure in verdict.failures] == ["include"]


def test_the_metre_is_judged() -> None:
    assert rules(verify("Midnight again in town", Form(scheme="X", syllables=6, metre="iambic"), LEXICON)) == [
        ["metre"]
    ]


def test_the_same_word_and_the_same_sound_are_no_rhyme() -> None:
    form = Form(scheme="AA")
    assert rules(verify("I see the night\nyou see the night", form, LEXICON))[1] == ["rhyme"]
    assert rules(verify("I want two\nyou want too", form, LEXICON))[1] == ["rhyme"]
    assert rules(verify("I believe\nyou leave", form, LEXICON))[1] == ["rhyme"]


def test_strictness_decides() -> None:
    for end, allowed in (("light", "perfect near assonance"), ("ride", "near assonance"), ("mind", "assonance")):
        for strictness in ("perfect", "near", "assonance"):
            verdict = verify(f"in the night\nin the {end}", Form(scheme="AA", strictness=strictness), LEXICON)
            assert verdict.is_kept == (strictness in allowed.split()), (end, strictness)
    multi = Form(scheme="AA", strictness="multi:3")
    assert verify("my elevator\nsee you hella later", multi, LEXICON).is_kept
    assert not verify("in the night\nin the light", Form(scheme="AA", strictness="multi:4"), LEXICON).is_kept


def test_a_mosaic_is_a_perfect_rhyme() -> None:
    assert verify("I am a poet\nand you know it", Form(scheme="AA"), LEXICON).is_kept


def test_letters_that_differ_may_not_rhyme() -> None:
    assert rules(verify("the night\nthe light\nthe bright\nthe sight", Form(scheme="AABB"), LEXICON))[2] == [
        "scheme",
        "scheme",
    ]


def test_words_of_the_form_must_be_rhymed_with() -> None:
    form = Form(scheme="A", rhymes={"A": ("night",)})
    kept = verify("you are my light", form, LEXICON)
    assert kept.is_kept
    assert kept.lines[0].partner is not None
    assert (kept.lines[0].partner.line, kept.lines[0].partner.word) == (0, "night")
    assert rules(verify("you are my love", form, LEXICON)) == [["rhyme"]]


def test_an_inner_rhyme_is_heard() -> None:
    form = Form(scheme="X", internal_rhyme=True)
    assert verify("the cat is in the hat", form, LEXICON).is_kept
    assert rules(verify("the cat is in the house", form, LEXICON)) == [["internal rhyme"]]


def test_the_number_of_lines_is_judged_but_not_of_a_part() -> None:
    form = Form(scheme="AABB", include=("moon",))
    assert [failure.rule for failure in verify("a night\na light", form, LEXICON).failures] == ["lines", "include"]
    assert verify("a night\na light", form, LEXICON, is_partial=True).is_kept


def test_headings_and_blank_lines_are_not_sung() -> None:
    assert verify("[Verse]\na night\n\na light\n", Form(scheme="AA"), LEXICON).is_kept


def test_known_runs_are_found_across_lines_and_before_them() -> None:
    index = OriginalityIndex.build(["one two three four five six seven"], "counting")
    form = Form(scheme="XX", originality=Originality(dataset="counting", n=4))
    verdict = verify("and three four\nfive\n six again", form, LEXICON, index)
    assert "originality" in rules(verdict)[1] or "lines" in [failure.rule for failure in verdict.failures]
    border = verify("four is a lot\nbut so is more", form, LEXICON, index, before="He said: one, two, three")
    assert rules(border) == [["originality"], []]
    assert verify("four is a lot\nbut so is more", form, LEXICON, index, before="one two").is_kept


def test_a_near_copy_is_told_with_its_line() -> None:
    index = OriginalityIndex.build(["", "Running through the fire with a knife in my hand"], "old")
    line = verify("Runnin thru the fire with the knife in my hands", Form(scheme="X"), LEXICON, index).lines[0]
    assert [failure.rule for failure in line.failures] == ["near-duplicate"]
    assert line.nearest is not None
    assert line.nearest.number == 2


def test_explicit_words_pass_only_when_they_are_allowed() -> None:
    text = "give me fu\nck"
    assert not verify(text, Form(scheme="XX"), LEXICON).is_kept
    assert verify("what the fuck", Form(scheme="X", explicit=True), LEXICON).is_kept


def test_a_word_may_be_said_in_any_plausible_way() -> None:
    for num_syllables in (5, 6):
        assert verify("set the night on fire", Form(scheme="X", syllables=num_syllables), LEXICON).is_kept


def test_guessed_words_are_named() -> None:
    assert verify("the zorbly moon", Form(scheme="X", syllables=SyllableRange(min=3, max=5)), LEXICON).lines[
        0
    ].guessed == ("zorbly",)


def test_the_judge_shares_no_code_with_the_decoder() -> None:
    """Both read the dictionaries and mean the same by a form; how a form is kept and how it is judged are two ways."""
    judge, decoder = imported_by("verify"), imported_by("constraint", "slots", "vocabulary")
    assert {"phones", "form", "rhyme"} <= judge
    assert not judge & {"vocabulary", "slots", "constraint"}
    assert not decoder & {"verify", "rhyme", "judge"}
