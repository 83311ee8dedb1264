"""What is said of a whole text agrees with what is said of it elsewhere."""

from __future__ import annotations

from lyrics.analysis import analyse
from lyrics.hearing import hear
from lyrics.phones import Lexicon

LEXICON = Lexicon()
SONG = """[Verse]
This is the way we clap our hands
In every hour, by fire and by flower
24/7 on the low-key corner

Set the night on fire, my desire"""


def test_it_works() -> None:
    analysis = analyse(SONG, LEXICON)
    assert [len(stanza) for stanza in analysis.stanzas] == [3, 1]
    assert analysis.meters()["scheme"] == analysis.scheme


def test_the_margin_and_the_analysis_hear_the_same_syllables() -> None:
    heard = [(line.num_syllables, line.stresses) for line in hear(SONG, LEXICON) if line.words]
    analysed = [(line.num_syllables, line.stresses) for stanza in analyse(SONG, LEXICON).stanzas for line in stanza]
    assert heard == analysed


def test_a_metre_that_wants_another_number_of_syllables_says_so() -> None:
    ((line,),) = analyse("This is the way we clap our hands", LEXICON).stanzas
    assert (line.num_syllables, line.metre) == (9, "iambic tetrameter, said in 8")


def test_a_text_without_words_is_analysed_too() -> None:
    ((line,),) = analyse("...", LEXICON).stanzas
    assert (line.num_syllables, line.stresses, line.metre) == (0, (), "free")
