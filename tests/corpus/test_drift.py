"""Drift is found where it was planted, in the measure that it was planted in, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from corpus import drift as module
from corpus.drift import DriftCard, Sung, TooFew, clusters, divergence, drift, passages_of, sample
from tests.corpus.planted import CROSSED, DIMENSIONS, RANCH, SEA, song

OLD = [song(number) for number in range(24)]


def moved(card: DriftCard) -> set[str]:
    return {measure.name for measure in card.measures if measure.has_moved}


def test_it_works() -> None:
    card = drift(OLD, [song(100 + number, nouns=RANCH) for number in range(8)])
    assert moved(card) == {"vocabulary", "topic"}
    assert (card.num_old, card.num_new, card.is_worth_it) == (24, 8, True)
    assert card.words == "Retraining is worth it: vocabulary and topics have moved by more than chance."
    words = card.measures[0].shifts
    assert all(shift.what in SEA + RANCH for shift in words)
    assert all((shift.after > shift.before) == (shift.what in RANCH) for shift in words)
    for measure in card.measures:
        assert 0 <= measure.low <= measure.divergence <= measure.high <= 1
        assert measure.has_moved == (measure.low > measure.baseline)


def test_longer_lines_are_told() -> None:
    card = drift(OLD, [song(200 + number, length=11) for number in range(8)])
    assert moved(card) == {"line_length"}
    assert card.words.startswith("Retraining is worth it: line length has moved")
    (measure,) = (measure for measure in card.measures if measure.has_moved)
    gone, come = (
        {s.what for s in measure.shifts if s.after < s.before},
        {s.what for s in measure.shifts if s.after > s.before},
    )
    assert "8 or 9 syllables" in gone
    assert "10 or 11 syllables" in come


def test_another_scheme_is_told() -> None:
    card = drift(OLD, [song(300 + number, scheme=CROSSED) for number in range(8)])
    assert moved(card) == {"rhyme"}
    shifts = {shift.what: shift for shift in card.measures[2].shifts}
    assert shifts["neighbouring lines, perfect"].after < 0.5 < shifts["neighbouring lines, perfect"].before
    assert shifts["every other line, perfect"].after > 0.5 > shifts["every other line, perfect"].before


@pytest.mark.parametrize("num_new", [5, 15])
def test_more_of_the_same_is_no_drift(num_new: int) -> None:
    for first in (1000, 2000):
        card = drift(OLD, [song(first + number) for number in range(num_new)])
        assert moved(card) == set(), card
        assert not card.is_worth_it
        assert card.words == "Retraining is not worth it yet: the new songs do what the old ones do."


def test_as_many_new_songs_as_old_ones_are_worth_a_try() -> None:
    card = drift(OLD[:10], [song(4000 + number) for number in range(10)])
    assert (moved(card), card.is_worth_it) == (set(), True)
    assert "retraining is worth a try" in card.words


def test_the_same_songs_give_the_same_card() -> None:
    new = [song(500 + number, nouns=RANCH) for number in range(6)]
    assert drift(OLD, new) == drift(OLD, new)


def test_without_vectors_topics_are_left_out() -> None:
    new = [song(600 + number)._replace(vectors=None) for number in range(6)]
    assert [measure.name for measure in drift(OLD, new).measures] == ["vocabulary", "line_length", "rhyme"]


def test_of_too_few_songs_nothing_is_told() -> None:
    with pytest.raises(TooFew, match="24 old songs and 4 new ones"):
        drift(OLD, OLD[:4])


def test_songs_without_a_line_do_no_harm() -> None:
    texts = ("[Solo]", "", "♪ ♪ ♪")
    silent = [Sung(text, np.zeros((len(passages_of(text)), DIMENSIONS))) for text in texts]
    new = [song(700 + number) for number in range(8)]
    for card in drift(OLD, [*silent, *new]), drift([*silent, *OLD], new), drift(OLD, silent * 2):
        assert len(card.measures) == 4
        assert all(np.isfinite([m.divergence, m.low, m.high, m.baseline]).all() for m in card.measures)
    assert [measure.divergence for measure in drift(silent * 2, silent * 2).measures] == [0, 0, 0, 0]


def test_a_sample_hangs_on_the_songs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SONGS", 7)
    texts = [one.text for one in OLD]
    assert sample(texts) == sample(reversed([*texts, *texts]))
    assert len(sample(texts)) == 7


def test_divergence_is_symmetric_and_between_0_and_1() -> None:
    random = np.random.default_rng(5)
    p, q = random.random((2, 50, 9)) * (random.random((2, 50, 9)) > 0.4)
    found = divergence(p, q)
    assert np.allclose(found, divergence(q, 3 * p))
    assert ((found >= 0) & (found <= 1)).all()
    # Source: the definition, by Kullback-Leibler divergences from the mean of the two.
    a, b = np.array([0.5, 0.5]), np.array([0.9, 0.1])
    middle = (a + b) / 2
    by_definition = (a * np.log2(a / middle)).sum() / 2 + (b * np.log2(b / middle)).sum() / 2
    assert divergence(a, b) == pytest.approx(by_definition)


def test_clusters_are_those_that_there_are() -> None:
    random = np.random.default_rng(3)
    true = random.integers(0, 4, 200)
    vectors = np.eye(16)[true] + random.normal(0, 0.05, (200, 16))
    found = clusters(vectors, 4, seed=1)
    assert len({(one, other) for one, other in zip(true, found, strict=True)}) == 4
    assert (found == clusters(vectors * 7, 4, seed=1)).all()
