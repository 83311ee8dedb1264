"""Judging: free texts by the serving engine after unseen first lines, measured by plain definitions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from lyrics.clean import normalised_words
from lyrics.explicit import is_explicit
from lyrics.originality import OriginalityIndex
from lyrics.phones import Lexicon
from lyrics.verify import verify
from tests.services import make_tiny_checkpoint
from training.judging import ORIGINALITY, SAMPLE_FORM, Judge, Memory, Verse, measure, write_originality
from training.songs import TrainSong

NURSERY = (
    """Twinkle, twinkle, little star,
How I wonder what you are!
Up above the world so high,
Like a diamond in the sky.""",
    """When the blazing sun is gone,
When he nothing shines upon,
Then you show your little light,
Twinkle, twinkle, all the night.""",
    """Then the traveller in the dark
Thanks you for your tiny spark;
He could not see which way to go,
If you did not twinkle so.""",
)  # Jane Taylor, The Star (1806)
SONGS = [
    *(TrainSong(f"star {n}", "", f"The Star {n}", text, "public_domain", "train") for n, text in enumerate(NURSERY)),
    TrainSong("held", "", "Held", "The tide is coming in\n\nThe tide is going out", "mine", "validation"),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    make_tiny_checkpoint(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of random weights, large enough to be heard."""
    torch.manual_seed(7)
    config = LoraConfig(r=4, lora_alpha=32, target_modules="all-linear", init_lora_weights=False)
    folder = tmp_path_factory.mktemp("adapter")
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def judge(base: Path) -> Iterator[Judge]:
    with Judge(base, SONGS, device="cpu", dtype="float32", seed=3) as judge:
        yield judge


def test_it_works(judge: Judge, adapter: Path) -> None:
    bare, adapted = judge.measure(None, 2.0, 40), judge.measure(adapter, 1.5, 40)
    assert (bare.bits_per_byte, adapted.bits_per_byte) == (2.0, 1.5)
    assert 0 < bare.num_lines <= 40
    assert bare.model_copy(update={"bits_per_byte": 1.5}) != adapted, "the adapter is heard"


def test_the_same_seed_writes_the_same_texts_and_only_after_unseen_first_lines(judge: Judge, adapter: Path) -> None:
    verses = judge.verses(adapter, 8)
    assert verses == judge.verses(adapter, 8)
    assert {verse.prompt for verse in verses} <= {"The tide is coming in", "The tide is going out"}


def test_samples_come_with_a_form_that_is_kept_and_one_freely(judge: Judge, adapter: Path) -> None:
    formed, free = judge.samples(adapter, 2)
    assert formed["form"] == "AABB, 8 syllables"
    assert verify(formed["text"], SAMPLE_FORM, Lexicon()).is_kept
    assert formed["rhymes"] >= 0.5, "every second line rhymes with the one before"
    assert (free["form"], free["prompt"]) == ("", "The tide is going out")
    assert {"rhymes", "metre", "copied", "longest_copy", "nearest"} <= free.keys()


def test_a_training_keeps_its_number_of_threads(base: Path) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(7)
        with Judge(base, SONGS, device="cpu", dtype="float32"):
            assert torch.get_num_threads() == 7
    finally:
        torch.set_num_threads(before)


def test_judging_draws_nothing_from_the_dice_of_a_training(judge: Judge) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    judge.verses(None, 4)
    assert torch.equal(before, torch.random.get_rng_state())


def test_what_is_copied_is_found_as_plain_search_finds_it() -> None:
    memory, chance = Memory(NURSERY), Random(1)  # noqa: S311 - a test
    known = [normalised_words(text) for text in NURSERY]
    vocabulary = sorted({word for words in known for word in words})
    lines = []
    for _ in range(400):
        song = chance.choice(known)
        start = chance.randrange(len(song) - 3)
        words = list(song[start : start + chance.randint(3, 14)])
        if chance.random() < 0.6:
            words[chance.randrange(len(words))] = chance.choice(vocabulary)
        lines.append(" ".join(words))
    plain = " ".join(word for words in known for word in words)
    for line in lines:
        words = line.split()
        runs = [
            end - start
            for start in range(len(words))
            for end in range(start + 4, len(words) + 1)
            if f" {' '.join(words[start:end])} " in f" {plain} "
        ]
        assert memory.longest(line) == max(runs, default=0), line
        assert memory.has(line) == (len(words) >= 4 and f" {line} " in f" {plain} "), line


def test_a_rhyme_reaches_over_one_line_and_back_to_the_prompt() -> None:
    ear, nothing = Lexicon(), Memory([])
    crossed = Verse("I walk alone at night", "and sing a song\nI carry a light\nand nothing is wrong")
    assert measure([crossed], nothing, ear).rhyme_rate == pytest.approx(2 / 3)
    far = Verse("I walk alone at night", "and sing\nand dance\nI carry a light")
    assert measure([far], nothing, ear).rhyme_rate == 0
    same = Verse("I walk alone at night", "I sing alone at night")
    assert measure([same], nothing, ear).rhyme_rate == 0, "the same word is no rhyme"


def test_metre_asks_for_a_foot_and_for_as_many_beats() -> None:
    ear, nothing = Lexicon(), Memory([])
    ballad = Verse(
        "The moon is on the river now",
        "my love is on the shore\nThe night is all I want to know\nand I will ask no more",
    )
    assert measure([ballad], nothing, ear).metre_rate == pytest.approx(2 / 3), "the second line has none before it"
    ragged = Verse("The moon is on the river now", "and then\nThe night is all I want to know of you and me, my friend")
    assert measure([ragged], nothing, ear).metre_rate == 0


def test_variety_does_not_hang_on_how_much_was_written() -> None:
    chance = Random(2)  # noqa: S311 - a test
    words = [f"w{chance.randrange(60)}" for _ in range(4_000)]
    lines = [" ".join(words[at : at + 8]) for at in range(0, len(words), 8)]
    few, many = (
        measure([Verse("", "\n".join(part))], Memory([]), Lexicon()).distinct_2 for part in (lines[:100], lines)
    )
    assert few == pytest.approx(many, abs=0.05)


def test_explicit_lines_are_counted() -> None:
    lines = ["the boss is mean", "go to shit"]
    assert measure([Verse("", "\n".join(lines))], Memory([]), Lexicon()).explicit_share == 0.5
    assert [is_explicit(line) for line in lines] == [False, True]


def test_nothing_written_is_nothing_measured() -> None:
    assert measure([Verse("one", "")], Memory(NURSERY), Lexicon()) == (0, 0, 0, 0, 0, 0, 0)


def test_the_index_beside_an_adapter_knows_the_songs_it_was_trained_on_and_no_others(tmp_path: Path) -> None:
    write_originality(SONGS, tmp_path, sizes=(6,))
    index = OriginalityIndex.load(tmp_path / ORIGINALITY)
    assert index.runs("up above the world so high", 6)
    assert not index.runs("the tide is coming in the tide", 6)
    assert index.sizes == (6,)
