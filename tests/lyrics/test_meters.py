"""Meters of a text, by hand-counted examples."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lyrics.analysis import analyse
from lyrics.meters import cliches, distinct_n, repetition, rhyme_density, rhyme_factor, rhyme_marks, self_bleu
from lyrics.phones import Lexicon

LEXICON = Lexicon()
ROOT = Path(__file__).parents[2]


def test_it_works() -> None:
    analysis = analyse("The moon is on the river now\nAnd I will never show you how", LEXICON)
    assert analysis.scheme == "AA"
    assert [line.num_syllables for line in analysis.stanzas[0]] == [8, 8]
    assert 0 <= analysis.rhyme_density <= 1


def test_the_rhyme_factor_counts_vowels_over_word_borders() -> None:
    marks = rhyme_marks("mellow fellow", LEXICON)
    assert [mark.length for mark in marks] == [0, 2]
    assert rhyme_factor("mellow fellow", LEXICON) == pytest.approx(1.0)


def test_a_word_does_not_rhyme_with_itself() -> None:
    assert rhyme_factor("mellow mellow mellow", LEXICON) == 0


def test_one_vowel_alone_is_no_rhyme() -> None:
    assert rhyme_factor("cat hat", LEXICON) == 0


def test_words_too_far_back_are_forgotten() -> None:
    assert rhyme_factor("mellow" + " a" * 20 + " fellow", LEXICON) == 0


def test_the_rhyme_density_is_a_share_of_syllables() -> None:
    assert rhyme_density("mellow fellow", LEXICON) == pytest.approx(1.0)
    assert rhyme_density("", LEXICON) == 0


def test_variety_is_measured() -> None:
    assert distinct_n(["a b c", "a b d"], 2) == pytest.approx(3 / 4)
    assert self_bleu(["the cat sat on the mat"] * 3) == pytest.approx(1.0)
    assert self_bleu(["the cat sat on the mat", "quite another thing altogether here now"]) < 0.1
    assert repetition("a b\nA, b!\nc") == pytest.approx(1 / 3)


def test_worn_phrases_and_worn_rhymes_are_found() -> None:
    found = cliches("You set my heart on fire\nyou're my one desire")
    assert [" ".join(cliche.words) for cliche in found] == ["heart on fire", "fire desire"]
    assert cliches("") == ()


def test_the_command_prints_a_table_and_json(tmp_path: Path) -> None:
    file = tmp_path / "song.txt"
    file.write_text("[Verse]\nmellow fellow\nyellow cello\n\na star\na car\n", encoding="utf-8")
    for option in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "ghost", "lyrics", "analyse", str(file), *option],
            capture_output=True, text=True, check=True, cwd=ROOT,
        )  # fmt: skip
        if option:
            assert json.loads(done.stdout)["scheme"] == "AA AA"
        else:
            assert "rhyme factor" in done.stdout
            assert "mellow" in done.stdout


def test_the_command_indexes_a_text(tmp_path: Path) -> None:
    (tmp_path / "song.txt").write_text("one two three four five six\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "ghost",
        "lyrics",
        "index",
        str(tmp_path / "song.txt"),
        "--out",
        str(tmp_path / "i"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert "1 lines, 6 words" in done.stdout
    assert (tmp_path / "i" / "manifest.json").exists()
