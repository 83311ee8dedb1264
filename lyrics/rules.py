"""Words that are said by rule out of words that are known: endings, clipped -in', -a for -er, contractions, compounds.

Knows no dictionary: it is handed `known`, which answers with all the ways to say a word, or with ().
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lyrics.arpabet import Phones, is_vowel

Known = Callable[[str], tuple[Phones, ...]]

_SIBILANTS = frozenset("S Z SH ZH CH JH".split())
_VOICELESS = frozenset("P T K F TH S SH CH".split())
_ENDINGS = {
    "": "", "ing": "IH0 NG", "in": "IH0 N", "er": "ER0", "est": "AH0 S T", "ly": "L IY0", "ness": "N AH0 S",
    "less": "L AH0 S", "ful": "F AH0 L", "y": "IY0", "ish": "IH0 SH", "able": "AH0 B AH0 L", "eth": "IH0 TH",
    "ment": "M AH0 N T", "a": "AH0", "ll": "AH0 L", "re": "ER0", "nt": "AH0 N T", "m": "M", "ship": "SH IH2 P",
    "like": "L AY2 K", "hood": "HH UH2 D",
}  # fmt: skip
_PREFIXES = {
    "un": "AH0 N", "re": "R IY0", "over": "OW2 V ER0", "under": "AH2 N D ER0", "out": "AW2 T", "mis": "M IH0 S",
    "non": "N AA2 N", "anti": "AE2 N T IY0", "super": "S UW2 P ER0", "dis": "D IH0 S", "mega": "M EH2 G AH0",
    "ultra": "AH2 L T R AH0", "a": "AH0",
}  # fmt: skip
_CONTRACTED = ("ll", "ve", "re", "d", "m", "s", "st", "da")
_LETTERS = dict(
    zip(
        "bcdfghjklmnpqrstvwxz",
        "B IY1,S IY1,D IY1,EH1 F,JH IY1,EY1 CH,JH EY1,K EY1,EH1 L,EH1 M,EH1 N,P IY1,K Y UW1,AA1 R,EH1 S,T IY1,V IY1,"
        "D AH1 B AH0 L Y UW0,EH1 K S,Z IY1".split(","),
        strict=True,
    )
)


def inflect(phones: Phones, ending: str) -> Phones:
    """The word with a regular ending: `s`, `ed`, `ing`, `in` and so on. What follows a sound is decided by that sound.

    >>> cat, bus = ("K", "AE1", "T"), ("B", "AH1", "S")
    >>> inflect(cat, "s"), inflect(bus, "s"), inflect(bus, "ed")
    (('K', 'AE1', 'T', 'S'), ('B', 'AH1', 'S', 'IH0', 'Z'), ('B', 'AH1', 'S', 'T'))
    """
    last = phones[-1]
    if ending == "s":
        return (*phones, *(("IH0", "Z") if last in _SIBILANTS else ("S",) if last in _VOICELESS else ("Z",)))
    if ending == "ed":
        return (*phones, *(("IH0", "D") if last in ("T", "D") else ("T",) if last in _VOICELESS else ("D",)))
    if ending in ("d", "ve"):
        return (*phones, *(() if is_vowel(last) else ("AH0",)), "D" if ending == "d" else "V")
    if ending == "st":
        return (*phones, "S", "T")
    if ending == "ll" and is_vowel(last):
        return (*phones, "L")
    added = _ENDINGS[ending].split()
    return (*phones, *(added[1:] if added[:1] == [last] else added))


def stems(word: str) -> Iterator[tuple[str, str]]:
    """What the word may be a plural, past, -ing form or so of, as `(stem, ending)`; the likeliest first.

    >>> list(stems("stopped"))
    [('stop', 'ed'), ('stopp', 'ed'), ('stoppe', 'ed'), ('stop', 'ed')]
    >>> list(stems("homies'")), list(stems("dime's"))
    ([('homies', '')], [('dime', 's')])
    """
    if word.endswith("'s"):
        yield word[:-2], "s"
    elif word.endswith("'"):
        yield word[:-1], ""
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        yield word[:-1], "s"
        if word.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):
            yield word[:-2], "s"
        elif word.endswith("ies"):
            yield word[:-3] + "y", "s"
    for ending in ("ed", "ing", "er", "est"):
        if word.endswith(ending):
            yield from _before_vowel(word[: -len(ending)], ending)


def _before_vowel(stem: str, ending: str) -> Iterator[tuple[str, str]]:
    """Stems before an ending that begins with a vowel: stop-p-ing, tri-ed, mak-ing, pack-ing."""
    if len(stem) < 2:
        return
    is_double = stem[-1] == stem[-2] and stem[-1] not in "aeiou"
    if is_double and stem[-1] not in "flsz":
        yield stem[:-1], ending
    if stem[-1] == "i":
        yield stem[:-1] + "y", ending
    is_short = stem[-1] not in "aeiou" and stem[-2] in "aeiou" and stem[-3:-2] not in tuple("aeiou")
    yield from ((stem + silent, ending) for silent in (("e", "") if is_short else ("", "e")))
    if is_double:
        yield stem[:-1], ending


def by_rule(word: str, known: Known, is_common: Callable[[str], bool]) -> tuple[Phones, ...]:
    """All ways to say the word by the first rule that knows; () when none does. `is_common` picks compounds' parts.

    >>> from lyrics.phones import Lexicon
    >>> ear = Lexicon()
    >>> [" ".join(ear.pronunciations(word)[0].phones) for word in ("mumblin'", "boosta", "boyz", "noooo")]
    ['M AH1 M B AH0 L IH0 N', 'B UW1 S T AH0', 'B OY1 Z', 'N OW1']
    """
    for rule in (_bare, clipped_ing, _contraction, _inflection, _er_as_a, _elongation, _affixes):
        if ways := rule(word, known):
            return ways
    return _compound(word, known, is_common) or _initials(word)


def _derive(known: Known, candidates: Iterator[tuple[str, str]]) -> tuple[Phones, ...]:
    """The first candidate whose stem is known, with its ending."""
    for stem, ending in candidates:
        if ways := known(stem):
            return tuple(inflect(way, ending) for way in ways)
    return ()


def _bare(word: str, known: Known) -> tuple[Phones, ...]:
    plain = word.strip("'")
    return known(plain) if plain != word and not word.endswith("in'") else ()


def clipped_ing(word: str, known: Known) -> tuple[Phones, ...]:
    """trappin', trappin: as trapping, with another nose at the end.

    >>> clipped_ing("bein'", {"being": (("B", "IY1", "IH0", "NG"),)}.get)
    (('B', 'IY1', 'IH0', 'N'),)
    """
    plain, possessive, _ = word.partition("'s")
    plain = plain.rstrip("'")
    if not plain.endswith("in") or len(plain) < 4:
        return ()
    ways = tuple((*way[:-1], "N") for way in known(plain + "g") or () if way[-1] == "NG")
    ways = ways or _derive(known, _before_vowel(plain[:-2], "in"))
    return tuple((*way, "Z") for way in ways) if possessive else ways


def _contraction(word: str, known: Known) -> tuple[Phones, ...]:
    """they'd've, nobody'll, mustn't; also the poets' lov'd, heav'n and think'st."""
    stem, mark, ending = word.rpartition("'")
    if not mark or not stem:
        return ()
    if ending == "t" and stem.endswith("n"):
        return _derive(known, iter([(stem[:-1], "nt")]))
    if ending == "d":
        past = tuple(inflect(way, "ed") for way in known(stem) + known(stem + "e") if way[-1] not in ("T", "D"))
        return past or _derive(known, iter([(stem, "d")]))
    if ending == "n":
        return known(stem + "en") or known(stem + "in")
    if ending == "a" or ending == "da":
        return _derive(known, iter([(stem, "a")]))
    return _derive(known, iter([(stem, ending)])) if ending in _CONTRACTED else ()


def _inflection(word: str, known: Known) -> tuple[Phones, ...]:
    return _derive(known, stems(word))


def _er_as_a(word: str, known: Known) -> tuple[Phones, ...]:
    """playa, gangstas, hustlah, thugz: how a word ends on the street."""
    if word.endswith("z") and not word.endswith("zz"):
        return _derive(known, iter([(word[:-1], "s"), (word[:-1] + "e", "s")])) or tuple(
            (*way, "Z") for way in _er_as_a(word[:-1], known)
        )
    if word.endswith("as") and (ways := _er_as_a(word[:-1], known)):
        return tuple((*way, "Z") for way in ways)
    stem = re.fullmatch(r"([a-z]{3,})(?:ah?|uh)", word)
    if stem is None:
        return ()
    ways = known(stem[1] + "er") or known(stem[1] + "or") or known(stem[1] + "r")
    return tuple((*way[:-1], "AH0") for way in ways if way[-1] == "ER0")


def _elongation(word: str, known: Known) -> tuple[Phones, ...]:
    """sooooo, yeahhh: a letter three times or more is one or two of it."""
    if not re.search(r"(.)\1\1", word):
        return ()
    return known(re.sub(r"(.)\1\1+", r"\1", word)) or known(re.sub(r"(.)\1\1+", r"\1\1", word))


def _compound(word: str, known: Known, is_common: Callable[[str], bool]) -> tuple[Phones, ...]:
    """bankroll, trapstar: two common words of at least three letters; the second keeps half its stress."""
    splits = [(word[:at], word[at:]) for at in range(3, len(word) - 2) if is_common(word[:at]) and is_common(word[at:])]
    for first, second in sorted(splits, key=lambda split: abs(len(split[0]) - len(split[1]))):
        head, tail = known(first), known(second)
        if head and tail:
            return ((*head[0], *(phone.replace("1", "2") for phone in tail[0])),)
    return ()


def _affixes(word: str, known: Known) -> tuple[Phones, ...]:
    """unbothered, ratchetness, doobie: a prefix or an ending that changes nothing else."""
    if word.endswith("ie") and (ways := known(word[:-2] + "y")):
        return ways
    for ending in ("y", "ish", "able", "eth"):
        if word.endswith(ending) and (ways := _derive(known, _before_vowel(word[: -len(ending)], ending))):
            return ways
    for ending in ("ly", "ness", "less", "ful", "ment", "ship", "like", "hood"):
        stem = word.removesuffix(ending)
        if (
            stem != word
            and len(stem) >= 3
            and (ways := _derive(known, iter([(stem, ending), (stem[:-1] + "y", ending)])))
        ):
            return ways
    for prefix, phones in _PREFIXES.items():
        stem = word.removeprefix(prefix)
        if stem != word and len(stem) >= 4 and (ways := known(stem)):
            return tuple((*phones.split(), *way) for way in ways)
    return ()


def _initials(word: str) -> tuple[Phones, ...]:
    """rnb, bmx: letters without a vowel among them are said one by one."""
    if not 2 <= len(word) <= 4 or not set(word) <= _LETTERS.keys():
        return ()
    spelled = [_LETTERS[letter].split() for letter in word]
    return (tuple(phone.replace("1", "2") for letter in spelled[:-1] for phone in letter) + tuple(spelled[-1]),)
