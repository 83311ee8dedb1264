"""Phoneme tasks: four kinds out of the songs' own lines, true ones only, and the same ones every time."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from lyrics.judge import do_rhyme
from lyrics.phones import Lexicon
from training.phonemes import KINDS, g2p_prompt, said, spelled_phones, tasks


class Verse(NamedTuple):
    text: str


VERSES = [
    Verse("[Verse 1]\nThe harbour lights are low\nand nobody will know\nThe river runs alone\nacross the yellow stone"),
    Verse("I walk the line at night\nI walk the line at night\nI carry zorbly bread\nand follow where you led"),
]


def test_it_works() -> None:
    kinds = Counter(task.kind for task in tasks(VERSES, seed=0))
    assert kinds == {"next": 2, "p2p": 2, "g2p": 6, "p2g": 6}, "four lines, a repeated one once, the last one"


def test_every_couplet_truly_rhymes_and_none_repeats_its_word() -> None:
    ear = Lexicon()
    couplets = [task for task in tasks(VERSES, seed=0) if task.kind == "next"]
    for task in couplets:
        line = task.prompt.removeprefix("[line] ").removesuffix("\n[next]")
        assert do_rhyme(line, task.answer, ear)
    assert not any("night" in task.prompt for task in couplets)


def test_lines_do_not_rhyme_across_stanzas() -> None:
    parted = [Verse("The harbour lights are low\n\nand nobody will know")]
    assert {task.kind for task in tasks(parted, seed=0)} == {"g2p", "p2g"}


def test_a_word_that_is_only_guessed_teaches_nothing() -> None:
    assert not any("zorbly" in task.prompt + task.answer for task in tasks(VERSES, seed=0))


def test_the_same_seed_gives_the_same_tasks_whatever_order_the_songs_come_in() -> None:
    assert tasks(VERSES, seed=3) == tasks(VERSES[::-1], seed=3)
    assert tasks(VERSES, seed=3) != tasks(VERSES, seed=4)
    assert sorted(tasks(VERSES, seed=3)) == sorted(tasks(VERSES, seed=4))


def test_any_beginning_has_as_many_of_each_kind() -> None:
    assert Counter(task.kind for task in tasks(VERSES, seed=1)[:8]) == dict.fromkeys(KINDS, 2)


def test_what_asks_for_phones_is_what_was_trained_on() -> None:
    ear = Lexicon()
    task = next(task for task in tasks(VERSES, seed=0) if task.kind == "g2p")
    line = task.prompt.removeprefix("[line] ").removesuffix("\n[phones]")
    assert task.prompt == g2p_prompt(line)
    assert task.answer == f" {spelled_phones(said(line, ear))}\n"


def test_songs_without_words_have_no_tasks() -> None:
    assert tasks([], seed=0) == tasks([Verse("")], seed=0) == tasks([Verse("[Chorus]\n\n...")], seed=0) == []
