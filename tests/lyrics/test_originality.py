"""Known runs of words and nearest lines, against plain sets of tuples."""

from __future__ import annotations

import difflib
import random
from itertools import pairwise
from pathlib import Path

import pytest

from lyrics.clean import clean_line, normalised_words
from lyrics.originality import IndexUnreadable, OriginalityIndex, similarity

RHYME = """Twinkle, twinkle, little star,
How I wonder what you are!

Up above the world so high,
Like a diamond in the sky.""".splitlines()


def random_lines(seed: int, num_lines: int, num_words: int = 40) -> list[str]:
    chance = random.Random(seed)  # noqa: S311 - a reproducible text, no secret
    words = [f"w{number}" for number in range(num_words)]
    return [" ".join(chance.choices(words, k=chance.randint(1, 9))) for _ in range(num_lines)]


def test_it_works(tmp_path: Path) -> None:
    OriginalityIndex.build(RHYME, "nursery").save(tmp_path / "index")
    index = OriginalityIndex.load(tmp_path / "index")
    assert [run.words for run in index.runs("you ARE up\nabove", 4)] == [("you", "are", "up", "above")]
    nearest = index.nearest("Like diamonds in the sky")
    assert nearest is not None
    assert (nearest.line, nearest.number, nearest.is_near_duplicate) == ("Like a diamond in the sky.", 5, True)


@pytest.mark.parametrize("n", [4, 5, 6, 7, 8])
def test_runs_agree_with_brute_force(n: int) -> None:
    old, new = random_lines(1, 3000, 8), random_lines(2, 300, 8)
    index = OriginalityIndex.build(old, "old")
    words, known = normalised_words("\n".join(new)), normalised_words("\n".join(old))
    runs = {known[start : start + n] for start in range(len(known) - n + 1)}
    expected = [start for start in range(len(words) - n + 1) if words[start : start + n] in runs]
    assert [run.start for run in index.runs("\n".join(new), n)] == expected
    assert n > 6 or expected


@pytest.mark.parametrize("n", [4, 6, 8])
def test_completions_agree_with_brute_force(n: int) -> None:
    old = random_lines(3, 2000, 6)
    index = OriginalityIndex.build(old, "old")
    known = normalised_words("\n".join(old))
    follow: dict[tuple[str, ...], set[str]] = {}
    for start in range(len(known) - n + 1):
        follow.setdefault(known[start : start + n - 1], set()).add(known[start + n - 1])
    chance = random.Random(4)  # noqa: S311 - as above
    for _ in range(300):
        before = tuple(f"w{chance.randrange(7)}" for _ in range(n + 2))
        assert set(index.completions(before, n)) == follow.get(before[1 - n :], set())


def test_words_that_are_new_belong_to_no_run() -> None:
    index = OriginalityIndex.build(RHYME, "nursery")
    assert index.runs("twinkle twinkle little zebra", 4) == ()
    assert index.completions(("twinkle", "zebra", "little"), 4) == ()
    assert index.completions(("twinkle",), 4) == ()
    assert index.runs("", 4) == ()


def test_a_near_copy_is_found_under_other_case_and_spelling() -> None:
    old = random_lines(5, 5000, 3000)
    index = OriginalityIndex.build([*old, "Running through the fire with a knife in my hand"], "old")
    nearest = index.nearest("RUNNIN' thru the fire, with the knife in my hands")
    assert nearest is not None
    assert nearest.number == 5001
    assert nearest.is_near_duplicate
    assert nearest.overlap == 3


def test_short_lines_are_nobodys() -> None:
    nearest = OriginalityIndex.build(["Oh my love"], "old").nearest("oh my love")
    assert nearest is not None
    assert (nearest.ratio, nearest.is_near_duplicate) == (1.0, False)


def test_a_line_without_known_words_has_no_nearest() -> None:
    index = OriginalityIndex.build(RHYME, "nursery")
    assert index.nearest("zebra crossing") is None
    assert index.nearest("") is None
    assert OriginalityIndex.build([], "empty").nearest("star") is None


def test_similarity_is_never_below_difflib() -> None:
    lines = [clean_line(line) for line in random_lines(6, 60)]
    for one, other in pairwise(lines):
        assert similarity(one, other) >= difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() - 1e-9


def test_only_sizes_that_were_indexed_are_answered_for() -> None:
    with pytest.raises(ValueError, match="knows runs of 6 words, not of 4"):
        OriginalityIndex.build(RHYME, "nursery", sizes=(6,)).runs("a b c d", 4)


def test_a_directory_without_a_manifest_is_no_index(tmp_path: Path) -> None:
    OriginalityIndex.build(RHYME, "nursery").save(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(IndexUnreadable, match="ghost lyrics index"):
        OriginalityIndex.load(tmp_path)
