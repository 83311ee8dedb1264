"""Whether a listener would say that two words, or two ends of lines, rhyme. Joins lexicon and kinds of rhyme."""

from __future__ import annotations

from itertools import product

from lyrics.arpabet import Phones
from lyrics.phones import Lexicon
from lyrics.rhyme import RhymeKind, is_allowed, rhyme_of_ends
from lyrics.syllables import words_of

MAX_END = 4  # words of a line's end that a mosaic rhyme may reach back over

_PERFECT = frozenset({RhymeKind.PERFECT, RhymeKind.MOSAIC})
_NEAR = _PERFECT | {RhymeKind.FAMILY, RhymeKind.MULTI}


def do_rhyme(a: str, b: str, lexicon: Lexicon, *, near: bool = False) -> bool:
    """Whether two words or line ends rhyme in some plausible pronunciation; with `near`, family and multi rhymes too.

    A word rhymes neither with itself nor with another of the same sound, but does with one that it is the end of.

    >>> ear = Lexicon()
    >>> pairs = ("night", "delight"), ("two", "too"), ("love", "move"), ("leave", "believe"), ("a poet", "you know it")
    >>> [do_rhyme(*pair, ear) for pair in pairs]
    [True, False, False, True, True]
    >>> do_rhyme("time", "mine", ear), do_rhyme("time", "mine", ear, near=True)
    (False, True)
    """
    words_a, words_b = words_of(a)[-MAX_END:], words_of(b)[-MAX_END:]
    if not words_a or not words_b or words_a[-1] == words_b[-1]:
        return False
    ends_a, ends_b = _ways(words_a, lexicon), _ways(words_b, lexicon)
    return any(_rhymes(one, other, near=near) for one, other in product(ends_a, ends_b))


def _ways(words: tuple[str, ...], lexicon: Lexicon) -> list[list[Phones]]:
    """The ways to say an end: all of its last word, the likeliest of those before."""
    before = [ways[0].phones for word in words[:-1] if (ways := lexicon.pronunciations(word))]
    return [[*before, way.phones] for way in lexicon.pronunciations(words[-1])]


def _rhymes(a: list[Phones], b: list[Phones], *, near: bool) -> bool:
    if a[-1] == b[-1]:
        return False
    kind = rhyme_of_ends(a, b).kind
    return kind in (_NEAR if near else _PERFECT) or kind is RhymeKind.IDENTITY or is_allowed(a[-1], b[-1])
