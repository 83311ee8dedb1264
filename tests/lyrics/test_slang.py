"""Hip-hop's own words: the hand-checked list, and 300 words that people know by ear."""

from __future__ import annotations

import re
from pathlib import Path

from lyrics.arpabet import PHONES, num_syllables, parse
from lyrics.phones import DICTIONARY, Lexicon
from lyrics.rhyme import rhyming_part

HIP_HOP = Path(__file__).with_name("hip_hop.txt")


def test_it_works() -> None:
    assert Lexicon().pronunciations("shawties")[0].phones == parse("SH AO1 T IY0 Z")


def test_most_of_three_hundred_words_sound_right() -> None:
    lines = [line.split() for line in HIP_HOP.read_text().splitlines() if not line.startswith("#")]
    ear = Lexicon()
    wrong = []
    for word, count, *part in lines:
        heard = ear.pronunciations(word)[0].phones
        if (num_syllables(heard), list(rhyming_part(heard))) != (int(count), part):
            wrong.append(f"{word}: {' '.join(heard)}, not {count} syllables ending in {' '.join(part)}")
    assert len({word for word, *_ in lines}) == len(lines) >= 300
    assert 1 - len(wrong) / len(lines) >= 0.95, wrong


def test_the_list_is_long_and_each_entry_can_be_sung() -> None:
    entries = [
        entry
        for line in (DICTIONARY / "slang.txt").read_text().splitlines()
        if (entry := line.partition("#")[0].strip())
    ]
    words = [entry.partition(":")[0] for entry in entries]
    assert len(set(words)) == len(words) >= 600
    for entry in entries:
        word, _, ways = entry.partition(": ")
        assert re.fullmatch("[a-z']+", word), entry
        for way in ways.split(" | "):
            assert set(parse(way)) <= PHONES
            assert num_syllables(parse(way)) > 0
