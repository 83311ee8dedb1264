"""Metre: grids of strong and weak syllables, and how a line stands on them. Knows sound only through the lexicon.

A grid is written `x` (weak) and `/` (strong), one mark a syllable: "x/x/x/x/" is iambic tetrameter. A reading keeps a
grid when every strong place carries a stressed vowel (primary or secondary) and no weak place carries the main stress
of a word of several syllables. Words of one syllable may stand anywhere, but one that is only said weakly ("the") is
never strong. Source: the stress maximum principle of Halle & Keyser, English Stress (1971), without its licences.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import repeat
from typing import NamedTuple

from lyrics.arpabet import Phones, stresses
from lyrics.phones import Lexicon
from lyrics.syllables import Reading, readings, words_of

Stresses = tuple[int, ...]

STRONG, WEAK = "/", "x"
FEET = {"iambic": "x/", "trochaic": "/x", "anapaestic": "xx/", "dactylic": "/xx", "amphibrachic": "x/x"}
_FROM_THE_END = frozenset({"anapaestic"})
_MAX_DISTANCE = 0.2  # beyond this a line is free
_AGAINST, _POOR_BEAT, _LOST_BEAT = 10, 4, 5  # tenths of a syllable
_MAX_WORDS = 32
_LIGHT_WORDS = frozenset(
    """a am an and are as at be been but by can could did do does for from had has have he he's her him his i i'd
    i'll i'm i've if in into is it it's its like may me might must my nor not of on or our shall she should so
    some than that that's the their them then there they they're this though through till to too up us was we
    we're were what when where which while who whom whose will with would yet you you're your thy thou thee ye
    upon 'twas 'tis 'cause 'em""".split()
)
_LENGTHS = ("", "monometer", "dimeter", "trimeter", "tetrameter", "pentameter", "hexameter", "heptameter", "octameter")


class Scansion(NamedTuple):
    """A line on the grid that suits it best.

    `stresses` has one digit a syllable, in the reading that was chosen. `distance` is what a syllable costs on the
    mean, by how it stands on the grid, 0.0 to 1.0. `metre` is the name of the foot, or "" when the line is too far off.
    """

    stresses: Stresses
    metre: str
    grid: str
    distance: float

    @property
    def name(self) -> str:
        """The metre with its length, as in "iambic tetrameter"."""
        beats = self.grid.count(STRONG)
        length = _LENGTHS[beats] if beats < len(_LENGTHS) else f"with {beats} beats"
        return f"{self.metre} {length}" if self.metre and beats else "free"


def grid_of(metre: str, num_syllables: int) -> str:
    """The grid of a line of `num_syllables` in a metre; a metre written as a grid is its own answer.

    A named foot is repeated from the start and may break off at the end of the line, which gives feminine iambs and
    trochees that end strong. Anapaests break off at the start, as in "There was an old man with a beard".

    Raises:
        ValueError: the metre is unknown, or it is a grid of another length.

    >>> grid_of("iambic", 8), grid_of("trochaic", 7), grid_of("anapaestic", 8), grid_of("x/xx/", 5)
    ('x/x/x/x/', '/x/x/x/', 'x/xx/xx/', 'x/xx/')
    >>> grid_of("x/x/", 5)
    Traceback (most recent call last):
    ValueError: the metre 'x/x/' has 4 syllables, not 5
    """
    foot = FEET.get(metre)
    if foot is None:
        if not metre or set(metre) - {STRONG, WEAK}:
            raise ValueError(
                f"no metre is called {metre!r}: take one of {', '.join(FEET)}, or a grid such as 'x/x/x/x/'"
            )
        if len(metre) != num_syllables:
            raise ValueError(f"the metre {metre!r} has {len(metre)} syllables, not {num_syllables}")
        return metre
    repeated = foot * (num_syllables // len(foot) + 1)
    if metre in _FROM_THE_END:
        return repeated[len(repeated) - num_syllables :]
    return repeated[:num_syllables]


def against(words: tuple[Phones, ...], grid: str) -> int:
    """How many syllables of a reading stand against a grid of the same length.

    >>> moonlight, the = ("M", "UW1", "N", "L", "AY2", "T"), ("DH", "AH0")
    >>> against((the, moonlight), "x/x"), against((moonlight, the), "x/x"), against((moonlight, the), "/x/")
    (0, 1, 1)
    """
    wrong = at = 0
    for phones in words:
        marks = stresses(phones)
        places = grid[at : at + len(marks)]
        wrong += sum(_is_against(mark, place, len(marks)) for mark, place in zip(marks, places, strict=True))
        at += len(marks)
    return wrong


def fits(line: str, metre: str, lexicon: Lexicon) -> bool:
    """Whether some plausible way to say the line keeps the metre everywhere.

    >>> fits("The moon is on the river now", "iambic", Lexicon())
    True
    >>> fits("Midnight on the river now", "iambic", Lexicon())
    False
    """
    return any(not against(reading.words, grid) for reading, grid in _on_grid(readings(line, lexicon), metre))


def scan(line: str, lexicon: Lexicon) -> Scansion:
    """The named metre that a line keeps best, however it is said; of equal ones the first in the order of `FEET`.

    Unlike `against` it minds how heavy words of one syllable are: "of" seldom is a beat, "moon" seldom is none. Of
    equally good ways to say the line it takes the likeliest. A line of more words than anybody sings is free.

    >>> scan("The moon is on the river now", Lexicon()).name
    'iambic tetrameter'
    """
    words = [(ways, word in _LIGHT_WORDS) for word in words_of(line) if (ways := _ways(word, lexicon))]
    best = Scansion(tuple(mark for ways, _ in words for mark in ways[0][1]), "", "", 1.0)
    if len(words) > _MAX_WORDS:
        return best
    for metre in FEET:
        for said in _best_ways(words, metre):
            num_syllables = sum(map(len, said.stresses))
            distance = said.cost / _AGAINST / max(1, num_syllables)
            if distance < best.distance:
                marks = tuple(mark for word in said.stresses for mark in word)
                best = Scansion(marks, metre, grid_of(metre, num_syllables), distance)
    return best if best.distance <= _MAX_DISTANCE else best._replace(metre="")


class _Said(NamedTuple):
    """The first words of a line on a grid. The least of several costs least; of equal ones it is the likeliest."""

    cost: int
    unlikelihood: int
    ranks: tuple[int, ...]
    stresses: tuple[Stresses, ...]


_Ways = tuple[tuple[int, Stresses], ...]
_Word = tuple[_Ways, bool]  # whether it is light


def _ways(word: str, lexicon: Lexicon) -> _Ways:
    """The ways to stress a word, each with the rank of the likeliest pronunciation that has it."""
    ranks: dict[Stresses, int] = {}
    for rank, phones in enumerate(dict.fromkeys(way.phones for way in lexicon.pronunciations(word))):
        ranks.setdefault(stresses(phones), rank)
    return tuple((rank, marks) for marks, rank in ranks.items())


def _best_ways(words: list[_Word], metre: str) -> list[_Said]:
    """The best way to say the line in each number of syllables that it can have, the likeliest first.

    Word by word, keeping the best way to each syllable of the grid, so the work does not grow with the number of
    readings.
    """
    foot = FEET[metre]
    found: list[_Said] = []
    for offset in range(len(foot)) if metre in _FROM_THE_END else (0,):
        reached = {offset: _Said(0, 0, (), ())}
        for ways, is_light in words:
            before, reached = reached, {}
            for at, said in before.items():
                for rank, marks in ways:
                    cost = said.cost + _cost(marks, is_light, foot, at % len(foot))
                    way = _Said(cost, said.unlikelihood + rank, (*said.ranks, rank), (*said.stresses, marks))
                    end = at + len(marks)
                    if end not in reached or way < reached[end]:
                        reached[end] = way
        found += [said for at, said in reached.items() if metre not in _FROM_THE_END or at % len(foot) == 0]
    return sorted(found, key=lambda said: (said.unlikelihood, said.ranks))


@lru_cache(maxsize=4_096)
def _cost(marks: Stresses, is_light: bool, foot: str, at: int) -> int:
    """What a word costs from place `at` of a foot on: 10 where a syllable stands against the grid, less where a word
    of one syllable is a poor fit."""
    grid = [foot[(at + index) % len(foot)] for index in range(len(marks))]
    cost = _AGAINST * sum(map(_is_against, marks, grid, repeat(len(marks))))
    if len(marks) == 1 and marks[0] and is_light == (grid[0] == STRONG):
        cost += _POOR_BEAT if is_light else _LOST_BEAT
    return cost


def _is_against(mark: int, place: str, num_syllables: int) -> bool:
    return mark == 0 if place == STRONG else (mark == 1 and num_syllables > 1)


def _on_grid(ways: tuple[Reading, ...], metre: str) -> Iterator[tuple[Reading, str]]:
    for reading in ways:
        if metre in FEET or len(metre) == reading.num_syllables:
            yield reading, grid_of(metre, reading.num_syllables)
