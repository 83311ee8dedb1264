"""Copies and near copies are found, each kept by the first like it, and nothing else is."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.near import NEAR, RUN, duplicates, likeness, signature
from lyrics.clean import normalised_words

BEGINNINGS = ("lam", "tid", "sal", "har", "pie", "noc", "gul", "mar", "ven", "dor")
WORDS = [a + b for a in BEGINNINGS for b in ("e", "ou", "ing", "er", "est", "ow", "ay", "ile", "ock", "une")]


def song(seed: int, num_lines: int = 24) -> list[str]:
    chance = random.Random(seed)  # noqa: S311
    return [" ".join(chance.choices(WORDS, k=7)) for _ in range(num_lines)]


def test_it_works() -> None:
    one, other = song(1), song(2)
    changed = [*one[:5], "a line that nobody sang before", *one[6:]]
    found = duplicates(
        [
            ("one", "\n".join(one)),
            ("other", "\n".join(other)),
            ("same", "\n\n".join(one).upper()),
            ("near", "\n".join(changed)),
        ]
    )
    assert found == {"same": "one", "near": "one"}


def test_names_of_sections_marks_and_spacing_make_no_difference() -> None:
    lines = song(3)
    written = "[Verse 1]\n" + ",\n\n".join(line.replace(" ", "  ") + "!" for line in lines) + "\n[Outro]"
    assert duplicates([("a", "\n".join(lines)), ("b", written)]) == {"b": "a"}


def test_a_refrain_in_common_makes_no_copy() -> None:
    refrain = song(4, 4)
    songs = [(str(n), "\n".join([*song(10 + n, 12), *refrain])) for n in range(30)]
    assert duplicates(songs) == {}


def test_songs_without_words_are_copies_of_nothing() -> None:
    assert duplicates([("a", ""), ("b", "[Instrumental]"), ("c", "...")]) == {}
    assert duplicates([]) == {}


def test_short_songs_are_compared_whole() -> None:
    assert duplicates([("a", "low tide"), ("b", "Low tide!"), ("c", "high tide")]) == {"b": "a"}


def test_a_copy_of_a_near_copy_is_kept_by_what_that_is_kept_by() -> None:
    lines = song(5)
    near = "\n".join([*lines[:-1], "another ending altogether"])
    found = duplicates([("first", "\n".join(lines)), ("near", near), ("again", near.title())])
    assert found == {"near": "first", "again": "first"}


def test_non_latin_songs_are_told_apart() -> None:
    songs = [
        ("a", "ночь над рекой и тихий свет в окне"),
        ("b", "夜の 海に 灯り が 見える"),
        ("c", "Ночь над рекой, и тихий свет в окне!"),
    ]
    assert duplicates(songs) == {"c": "a"}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 24), st.integers(0, 10_000))
def test_likeness_is_the_share_of_runs_in_common(num_changed: int, seed: int) -> None:
    lines = song(seed)
    changed = song(seed + 50_000, num_changed) + lines[num_changed:]
    runs = []
    for text in (lines, changed):
        words = normalised_words("\n".join(text))
        runs.append({words[at : at + RUN] for at in range(len(words) - RUN + 1)})
    exact = len(runs[0] & runs[1]) / len(runs[0] | runs[1])
    one, other = (signature(normalised_words("\n".join(text))) for text in (lines, changed))
    assert abs(likeness(one, other) - exact) < 0.2


def test_bands_find_what_comparing_every_pair_finds() -> None:
    """The slow twin: every pair by its signatures."""
    chance = random.Random(8)  # noqa: S311
    songs: list[tuple[str, str]] = []
    for n in range(120):
        lines = song(chance.randrange(30))
        for _ in range(chance.randrange(9)):
            lines[chance.randrange(len(lines))] = song(90_000 + n, 1)[0]
        songs.append((str(n), "\n".join(lines)))
    found = duplicates(songs)
    signatures = {name: signature(normalised_words(text)) for name, text in songs}
    kept = [name for name, _ in songs if name not in found]
    close = [(a, b) for a in kept for b in kept if a < b and likeness(signatures[a], signatures[b]) >= NEAR + 0.06]
    assert close == []
    texts = dict(songs)
    for copy, original in found.items():
        assert original in kept
        assert likeness(signatures[copy], signatures[original]) >= NEAR or texts[copy] == texts[original]
    assert 20 < len(found) < 110
