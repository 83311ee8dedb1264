"""The alphabet of the ear: ARPAbet, in which CMUdict is written. A vowel ends in its stress: 0 none, 1 main, 2 second.

Source: http://www.speech.cs.cmu.edu/cgi-bin/cmudict and Ladefoged, A Course in Phonetics, for the classes.
"""

from __future__ import annotations

Phones = tuple[str, ...]

VOWELS = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
CONSONANTS = frozenset("B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH".split())
PHONES = CONSONANTS | {vowel + stress for vowel in VOWELS for stress in "012"}


def is_vowel(phone: str) -> bool:
    """Whether the phone is a vowel, and so the middle of a syllable.

    >>> is_vowel("AY1"), is_vowel("N")
    (True, False)
    """
    return phone[-1].isdigit()


def bare(phone: str) -> str:
    """The phone without its stress.

    >>> bare("AY1"), bare("N")
    ('AY', 'N')
    """
    return phone[:-1] if phone[-1].isdigit() else phone


def num_syllables(phones: Phones) -> int:
    """How many syllables are heard: one a vowel.

    >>> num_syllables(parse("M IH1 D N AY2 T"))
    2
    """
    return sum(phone[-1].isdigit() for phone in phones)


def stresses(phones: Phones) -> tuple[int, ...]:
    """The stress of each syllable: 0, 1 (main) or 2 (second).

    >>> stresses(parse("M IH1 D N AY2 T"))
    (1, 2)
    """
    return tuple(int(phone[-1]) for phone in phones if phone[-1].isdigit())


def parse(text: str) -> Phones:
    """Phones written with spaces between them. A vowel without a digit, in a word of one syllable, is stressed.

    Raises:
        ValueError: something in it is no phone of ARPAbet, or there is no vowel.

    >>> parse("B R AH1")
    ('B', 'R', 'AH1')
    >>> parse("B R U")
    Traceback (most recent call last):
    ValueError: 'U' in 'B R U' is no phone of ARPAbet, such as B, TH or AY1
    """
    phones = tuple(text.split())
    if sum(phone in VOWELS or phone in PHONES - CONSONANTS for phone in phones) == 1:
        phones = tuple(phone + "1" if phone in VOWELS else phone for phone in phones)
    for phone in phones:
        if phone not in PHONES:
            raise ValueError(f"{phone!r} in {text!r} is no phone of ARPAbet, such as B, TH or AY1")
    if num_syllables(phones) == 0:
        raise ValueError(f"{text!r} has no vowel, so nobody can sing it")
    return phones
