"""How words sound: which source answers, what a writer may say otherwise, and what a second opinion thinks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.referee import Referee
from lyrics.arpabet import PHONES, num_syllables, parse
from lyrics.phones import Lexicon

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ear() -> Lexicon:
    return Lexicon()


def first(ear: Lexicon, word: str) -> str:
    return " ".join(ear.pronunciations(word)[0].phones)


def test_it_works(ear: Lexicon) -> None:
    way = ear.pronunciations("Midnight")[0]
    assert way.phones == ("M", "IH1", "D", "N", "AY2", "T")
    assert way.source == "cmudict"


@pytest.mark.parametrize(
    ("word", "source", "phones"),
    [
        ("finna", "slang", "F IH1 N AH0"),
        ("curlews", "misaki", "K ER1 L UW2 Z"),
        ("mumblin'", "rule", "M AH1 M B AH0 L IH0 N"),
        ("zorbly", "g2p", "Z AO1 R B L IY0"),
    ],
)
def test_the_first_source_that_knows_answers(ear: Lexicon, word: str, source: str, phones: str) -> None:
    assert ear.pronunciations(word)[0].source == source
    assert first(ear, word) == phones


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("bein'", "B IY1 IH0 N"),
        ("takin", "T EY1 K IH0 N"),  # not the animal, though a dictionary knows that one
        ("boosta", "B UW1 S T AH0"),
        ("gangstaz", "G AE1 NG S T AH0 Z"),
        ("girlz", "G ER1 L Z"),
        ("sooooo", "S OW1"),
        ("nobody'll", "N OW1 B AA2 D IY2 L"),
        ("lov'd", "L AH1 V D"),
        ("wish'd", "W IH1 SH T"),
        ("heav'n", "HH EH1 V AH0 N"),
        ("dogs'", "D AO1 G Z"),
        ("trapstar", "T R AE1 P S T AA2 R"),
        ("ratchetness", "R AE1 CH AH0 T N AH0 S"),
        ("bmx", "B IY2 EH2 M EH1 K S"),
    ],
)
def test_endings_and_compounds_are_said_by_rule(ear: Lexicon, word: str, phones: str) -> None:
    assert first(ear, word) == phones


def test_a_writers_own_way_wins_and_may_rhyme(ear: Lexicon) -> None:
    mine = ear.with_personal({"Orange": parse("AO1 R IH0 N JH"), "blorple": parse("B L AO1 R P AH0 L")})
    assert [way.source for way in mine.pronunciations("orange")] == ["personal"]
    assert mine.consensus()["blorple"] == parse("B L AO1 R P AH0 L")
    assert "blorple" not in ear.consensus()
    assert mine.pronunciations("oranges")[0].phones == ear.pronunciations("oranges")[0].phones


def test_a_writers_own_word_takes_endings(ear: Lexicon) -> None:
    mine = ear.with_personal({"skibidi": parse("S K IH1 B IH0 D IY0")})
    assert first(mine, "skibidi's") == "S K IH1 B IH0 D IY0 Z"


@pytest.mark.parametrize("word", ["", "---", "'", "42", "…"])
def test_what_has_no_letters_has_no_sound(ear: Lexicon, word: str) -> None:
    assert ear.pronunciations(word) == ()


@given(st.text(max_size=30))
def test_any_text_gets_phones_or_nothing(word: str) -> None:
    for way in Lexicon().pronunciations(word):
        assert set(way.phones) <= PHONES
        assert num_syllables(way.phones) > 0


@pytest.mark.parametrize("word", ["live", "wind", "tear", "lead", "celebrate", "father", "million", "finna"])
def test_doubtful_words_stay_out_of_rhyme_position(ear: Lexicon, word: str) -> None:
    assert word not in ear.consensus()


@pytest.mark.parametrize("word", ["fire", "hour", "family", "every", "million", "memory", "lion"])
def test_words_that_singers_stretch_stay_out_of_counted_lines(ear: Lexicon, word: str) -> None:
    assert word not in ear.steady()


def test_words_for_rhymes_are_many_and_steady(ear: Lexicon) -> None:
    assert len(ear.consensus()) > 19_000
    assert ear.consensus().keys() <= ear.steady().keys()
    for word in ("love", "night", "money", "heart", "time", "day", "mine", "street", "fight", "dream"):
        assert word in ear.consensus()


def test_the_referee_counts_the_same_syllables(ear: Lexicon) -> None:
    words = ear.consensus()
    heard = Referee().hear(list(words))
    same = sum(one.num_syllables == num_syllables(words[word]) for word, one in zip(words, heard, strict=True))
    assert same / len(words) >= 0.98


def test_the_dictionary_is_read_in_half_a_second_and_without_torch() -> None:
    script = (
        "import sys, time; from lyrics.phones import Lexicon; began = time.process_time();"
        "Lexicon().pronunciations('midnight'); Lexicon().consensus();"
        "print(time.process_time() - began, 'torch' in sys.modules, 'flask' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, torch, flask = ran.stdout.split()
    assert float(seconds) < 0.5
    assert (torch, flask) == ("False", "False")
