"""Everything that can be said of a pasted text in one go: for the command line and the page that shows it."""

from __future__ import annotations

from typing import NamedTuple

from lyrics.clean import stanzas_of
from lyrics.explicit import find_explicit
from lyrics.hearing import sound_of
from lyrics.meters import RhymeMark, cliches, distinct_n, repetition, rhyme_density, rhyme_factor, rhyme_marks
from lyrics.metre import scan
from lyrics.phones import Lexicon
from lyrics.scheme import schemes_of
from lyrics.syllables import words_of


class LineAnalysis(NamedTuple):
    """One sung line, in the likeliest way to say it.

    `metre` is in words, and says so where the metre asks for another number of syllables. `heat` has the words as they
    are heard, each with the vowels that it rhymes over, 0 for none.
    """

    text: str
    letter: str
    num_syllables: int
    stresses: tuple[int, ...]
    metre: str
    heat: tuple[tuple[str, int], ...]


class Analysis(NamedTuple):
    """A text, stanza by stanza, and its meters."""

    stanzas: tuple[tuple[LineAnalysis, ...], ...]
    num_words: int
    rhyme_factor: float
    rhyme_density: float
    distinct_1: float
    distinct_2: float
    repetition: float
    cliches: tuple[str, ...]
    explicit: tuple[str, ...]

    @property
    def scheme(self) -> str:
        """The letters of all stanzas, with spaces between them."""
        return " ".join("".join(line.letter for line in stanza) for stanza in self.stanzas)

    def meters(self) -> dict[str, float | int | str]:
        """The figures of the whole text by name."""
        return {
            "scheme": self.scheme,
            "words": self.num_words,
            "rhyme factor": self.rhyme_factor,
            "rhyme density": self.rhyme_density,
            "distinct-1": self.distinct_1,
            "distinct-2": self.distinct_2,
            "repeated lines": self.repetition,
            "cliches": ", ".join(self.cliches) or "none",
            "explicit words": ", ".join(self.explicit) or "none",
        }

    def as_json(self) -> dict[str, object]:
        """Plain values for the wire."""
        fields = self._asdict()
        return fields | {"scheme": self.scheme, "stanzas": [[line._asdict() for line in part] for part in self.stanzas]}


def analyse(text: str, lexicon: Lexicon) -> Analysis:
    """Scheme, metre and meters of a text. Headings and blank lines are no lines.

    >>> analysis = analyse("The moon is on the river now\\nand I will never show you how", Lexicon())
    >>> analysis.scheme, [line.metre for line in analysis.stanzas[0]]
    ('AA', ['iambic tetrameter', 'iambic tetrameter'])
    """
    stanzas = stanzas_of(text)
    sung = "\n".join(line for stanza in stanzas for line in stanza)
    marks = list(rhyme_marks(sung, lexicon))
    schemes = schemes_of(stanzas, lexicon)
    return Analysis(
        stanzas=tuple(
            tuple(_line(line, letter, marks, lexicon) for line, letter in zip(stanza, scheme, strict=True))
            for stanza, scheme in zip(stanzas, schemes, strict=True)
        ),
        num_words=len(words_of(sung)),
        rhyme_factor=rhyme_factor(sung, lexicon),
        rhyme_density=rhyme_density(sung, lexicon),
        distinct_1=distinct_n([sung], 1),
        distinct_2=distinct_n([sung], 2),
        repetition=repetition(sung),
        cliches=tuple(" ".join(cliche.words) for cliche in cliches(sung)),
        explicit=tuple(sung[found.start : found.end] for found in find_explicit(sung)),
    )


def _line(text: str, letter: str, marks: list[RhymeMark], lexicon: Lexicon) -> LineAnalysis:
    """Takes the marks of this line's words off the front of `marks`."""
    heat = []
    for word in words_of(text):
        mark = marks.pop(0) if marks and marks[0].word == word else None
        heat.append((word, mark.length if mark else 0))
    sound = sound_of(text, lexicon)
    return LineAnalysis(text, letter, sound.num_syllables, sound.stresses, _metre(text, lexicon), tuple(heat))


def _metre(text: str, lexicon: Lexicon) -> str:
    """The metre that the line keeps in some way to say it.

    >>> _metre("The moon is on the river now", Lexicon())
    'iambic tetrameter'
    """
    scansion = scan(text, lexicon)
    num_syllables = len(scansion.stresses)
    is_likeliest = not scansion.metre or num_syllables == sound_of(text, lexicon).num_syllables
    return scansion.name if is_likeliest else f"{scansion.name}, said in {num_syllables}"
