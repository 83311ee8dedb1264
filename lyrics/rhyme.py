"""Kinds of rhyme between what two words, or two ends of lines, sound like. Knows phones only: no spelling, no lexicon.

Perfect: the same sounds from the last stressed vowel on, after different ones (night, light). Family: the same vowels
and kindred consonants (night, ride). Assonance: the same vowels (night, mind). Multi: the same vowels over two
syllables or more (elevator, hella later). Mosaic: perfect over a word's border (poet, know it). Internal: inside one
line. Identity, with the same sound before the vowel too (leave, believe; two, too), is no rhyme.

Source: Pattison, Writing Better Lyrics (2009), chapters 5-6, for family rhyme; Cuddon, Dictionary of Literary Terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import combinations, islice, takewhile
from typing import NamedTuple

from lyrics.arpabet import VOWELS, Phones, bare, is_vowel, stresses
from lyrics.syllables import syllabify

MAX_SYLLABLES = 6  # longer rhymes than that are not counted further


class RhymeKind(StrEnum):
    """What two sounds are to each other; `IDENTITY` and `NONE` are no rhyme."""

    PERFECT = "perfect"
    FAMILY = "near"
    ASSONANCE = "assonance"
    MULTI = "multi"
    MOSAIC = "mosaic"
    INTERNAL = "internal"
    IDENTITY = "identity"
    NONE = "none"


class Rhyme(NamedTuple):
    """A kind and how many syllables, counted from the end, have the same vowels."""

    kind: RhymeKind
    num_syllables: int


# Consonants of one family are made in one way and told apart by place alone; partners differ in voice alone.
_FAMILIES = [frozenset(family.split()) for family in "B D G|P T K|V DH Z ZH JH|F TH S SH CH|M N NG".split("|")]
_PARTNERS = {frozenset(pair.split()) for pair in "B P|D T|G K|V F|DH TH|Z S|ZH SH|JH CH".split("|")}
_ADDED = frozenset("T D S Z".split())  # what may be heard or not at a cluster's end: fast, class
_WEAK = {"IH0": "AH0", "UH0": "AH0"}  # dictionaries write at will what is one weak vowel: roses, Rosa's


def rhyming_part(phones: Phones) -> Phones:
    """From the last stressed vowel on; from the last vowel where none is stressed. Stress digits are taken off.

    >>> rhyming_part(tuple("M OW1 SH AH0 N".split())), rhyming_part(tuple("M IH1 D N AY2 T".split()))
    (('OW', 'SH', 'AH', 'N'), ('AY', 'T'))
    """
    return tuple(bare(phone) for phone in phones[last_stressed(phones) :])


def last_stressed(phones: Phones) -> int:
    """Where the last stressed vowel stands, main or second; where none is stressed, the last vowel.

    >>> last_stressed(tuple("M IH1 D N AY2 T".split())), last_stressed(("DH", "AH0"))
    (4, 1)

    Raises:
        ValueError: there is no vowel.
    """
    vowels = [index for index, phone in enumerate(phones) if is_vowel(phone)]
    if not vowels:
        raise ValueError(f"{' '.join(phones) or 'nothing'} has no vowel, so nothing can rhyme with it")
    return next((index for index in reversed(vowels) if phones[index][-1] in "12"), vowels[-1])


def rhyme_kind(a: Phones, b: Phones) -> RhymeKind:
    """The closest kind that holds between two words; the order of the two does not matter.

    >>> from lyrics.phones import Lexicon
    >>> pairs = ("motion", "ocean"), ("night", "ride"), ("night", "mind"), ("leave", "believe"), ("love", "move")
    >>> ear = Lexicon()
    >>> [rhyme_kind(*(ear.pronunciations(word)[0].phones for word in pair)).value for pair in pairs]
    ['perfect', 'near', 'assonance', 'identity', 'none']
    """
    return rhyme(a, b).kind


def rhyme(a: Phones, b: Phones) -> Rhyme:
    """The closest kind that holds between two words, and how many of their last syllables have the same vowels.

    >>> rhyme(tuple("IH0 N T EH1 N SH AH0 N".split()), tuple("AH0 T EH1 N SH AH0 N".split()))
    Rhyme(kind=<RhymeKind.IDENTITY: 'identity'>, num_syllables=3)
    >>> rhyme(tuple("L IH1 B ER0 T IY0".split()), tuple("F R IY1".split()))  # the beat lifts liberty's last syllable
    Rhyme(kind=<RhymeKind.FAMILY: 'near'>, num_syllables=1)
    """
    shared = num_shared_vowels(a, b)
    at_a, at_b = last_stressed(a), last_stressed(b)
    if _weakened(a[at_a:]) == _weakened(b[at_b:]):
        return Rhyme(RhymeKind.IDENTITY if onset(a, at_a) == onset(b, at_b) else RhymeKind.PERFECT, shared)
    if _are_kindred(a[at_a:], b[at_b:]) or is_allowed(a, b):
        return Rhyme(RhymeKind.FAMILY, shared)
    if _vowels(a[at_a:]) != _vowels(b[at_b:]):
        return Rhyme(RhymeKind.NONE, shared)
    return Rhyme(RhymeKind.MULTI if shared > 1 else RhymeKind.ASSONANCE, shared)


def is_allowed(a: Phones, b: Phones) -> bool:
    """Whether listeners let two words pass for a perfect rhyme, though a dictionary does not.

    What is one in many mouths (caught, hot; ruin, doing), and last syllables that the beat lifts (liberty, free).

    >>> is_allowed(("K", "AO1", "T"), ("HH", "AA1", "T")), is_allowed(("T", "AY1", "M"), ("F", "AY1", "N"))
    (True, False)
    """
    lifted_a, lifted_b = _lifted(a), _lifted(b)
    if lifted_a != a or lifted_b != b:
        return _heard(lifted_a) == _heard(lifted_b) or _heard(a) == _heard(b)
    return _heard(a) == _heard(b)


def num_shared_vowels(a: Phones, b: Phones) -> int:
    """How many syllables from the end on have the same vowels, up to six.

    >>> num_shared_vowels(tuple("EH1 L AH0 V EY2 T ER0".split()), tuple("HH EH1 L AH0 L EY1 T ER0".split()))
    4
    """
    vowels = ([bare(_WEAK.get(phone, phone)) for phone in reversed(phones) if is_vowel(phone)] for phones in (a, b))
    pairs = islice(zip(*vowels, strict=False), MAX_SYLLABLES)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def rhyme_of_ends(a: Sequence[Phones], b: Sequence[Phones]) -> Rhyme:
    """What two line ends, given word by word, are to each other: the last words alone, or more of them as a mosaic.

    >>> from lyrics.phones import Lexicon
    >>> def hear(end): return [Lexicon().pronunciations(word)[0].phones for word in end.split()]
    >>> rhyme_of_ends(hear("poet"), hear("you know it"))
    Rhyme(kind=<RhymeKind.MOSAIC: 'mosaic'>, num_syllables=2)
    """
    if not a or not b:
        return Rhyme(RhymeKind.NONE, 0)
    last = rhyme(a[-1], b[-1])
    shared = num_shared_vowels(_flat(a), _flat(b))
    if last.kind is RhymeKind.PERFECT:
        return Rhyme(RhymeKind.PERFECT, shared)
    if num_syllables := _mosaic(a, b):
        return Rhyme(RhymeKind.MOSAIC, num_syllables)
    is_long = shared > max(1, last.num_syllables) and last.kind in (RhymeKind.ASSONANCE, RhymeKind.NONE)
    return Rhyme(RhymeKind.MULTI if is_long else last.kind, shared)


def internal_rhymes(words: Sequence[Phones]) -> tuple[tuple[int, int], ...]:
    """The pairs of words, by their places in the line, that rhyme perfectly inside it.

    >>> internal_rhymes([tuple(word.split()) for word in ("DH AH0", "K AE1 T", "IH1 N", "DH AH0", "HH AE1 T")])
    ((1, 4),)
    """
    places = [place for place, phones in enumerate(words) if any(phone[-1] in "12" for phone in phones)]
    return tuple(
        (one, other)
        for one, other in combinations(places, 2)
        if rhyme_kind(words[one], words[other]) is RhymeKind.PERFECT
    )


def onset(phones: Phones, vowel: int) -> Phones:
    """The consonants that begin the syllable of the vowel at that place.

    >>> onset(tuple("M IH0 S T EY1 K".split()), 4)
    ('S', 'T')
    """
    return syllabify(phones)[sum(map(is_vowel, phones[:vowel]))].onset


def _mosaic(a: Sequence[Phones], b: Sequence[Phones]) -> int:
    """Over how many syllables the ends sound the same, from a stressed vowel before the last word of one of them."""
    flat_a, flat_b = _flat(a), _flat(b)
    for length in range(min(len(a[-1]), len(b[-1])) + 1, min(len(flat_a), len(flat_b)) + 1):
        tail_a, tail_b = flat_a[-length:], flat_b[-length:]
        if _unstressed(tail_a) != _unstressed(tail_b):
            return 0
        is_stressed = tail_a[0][-1] in "12" and tail_b[0][-1] in "12"
        if is_stressed and flat_a[-length - 1 : -length] != flat_b[-length - 1 : -length]:
            return sum(map(is_vowel, tail_a))
    return 0


def _unstressed(tail: Phones) -> Phones:
    """The tail said in one breath: what follows its first vowel is weak, whatever a dictionary says of `it`."""
    return _weakened((tail[0], *(bare(phone) + "0" if is_vowel(phone) else phone for phone in tail[1:])))


def _weakened(part: Phones) -> Phones:
    """The part without stress, with one sign for the weak vowels after its first."""
    return (bare(part[0]), *(bare(_WEAK.get(phone, phone)) for phone in part[1:]))


def _heard(phones: Phones) -> Phones:
    """The rhyming part as most mouths have it: no caught apart from cot but before R, no weak -ing apart from -in."""
    part = _weakened(phones[last_stressed(phones) :])
    if part[0] == "AO" and part[1:2] != ("R",):
        part = ("AA", *part[1:])
    return (*part[:-1], "N") if len(part) > 2 and part[-2:] == ("AH", "NG") else part


def _lifted(phones: Phones) -> Phones:
    if stresses(phones)[-2:] != (0, 0):
        return phones
    last = max(index for index, phone in enumerate(phones) if is_vowel(phone))
    return (*phones[:last], bare(phones[last]) + "2", *phones[last + 1 :])


def _are_kindred(a: Phones, b: Phones) -> bool:
    """Whether two rhyming parts, stress and all, have the same vowels and after each of them kindred consonants."""
    if _vowels(a) != _vowels(b):
        return False
    return all(_are_kindred_clusters(*pair) for pair in zip(_clusters(a), _clusters(b), strict=True))


def _are_kindred_clusters(a: Phones, b: Phones) -> bool:
    if len(a) != len(b):
        shorter, longer = sorted((a, b), key=len)
        return len(shorter) > 0 and longer[:-1] == shorter and longer[-1] in _ADDED
    return all(one == other or _are_kin(one, other) for one, other in zip(a, b, strict=True))


def _are_kin(one: str, other: str) -> bool:
    return {one, other} in _PARTNERS or any(one in family and other in family for family in _FAMILIES)


def _clusters(phones: Phones) -> list[Phones]:
    """The consonants after each vowel, up to the next."""
    starts = [index for index, phone in enumerate(phones) if is_vowel(phone)]
    return [phones[start + 1 : end] for start, end in zip(starts, [*starts[1:], len(phones)], strict=True)]


def _vowels(phones: Phones) -> Phones:
    return tuple(phone for phone in _weakened(phones) if phone in VOWELS)


def _flat(words: Sequence[Phones]) -> Phones:
    return tuple(phone for word in words for phone in word)
