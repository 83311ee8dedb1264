"""The form a writer asks for: scheme, strictness, syllables, metre, words, originality. The `form` JSON of the API.

A `Form` is about the lines of one stanza; a `SongForm` is sections of forms. Both say only what is wanted: how a
decoder keeps it stands in `lyrics.constraint`, how a text is judged by it in `lyrics.verify`.
"""

from __future__ import annotations

import re
from string import ascii_uppercase
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lyrics.clean import normalised_words
from lyrics.metre import FEET, grid_of

MAX_LINES = 64
MAX_SYLLABLES = 24
MAX_WORDS = 32
MAX_RHYMES = 64  # words for each letter
FREE_LINE = "X"  # in a scheme: a line that need not rhyme

NAMED_SCHEMES = {
    "couplets": "AABB",
    "alternate": "ABAB",
    "enclosed": "ABBA",
    "ballad": "XAXA",
    "monorhyme": "AAAA",
    "limerick": "AABBA",
    "sonnet": "ABABCDCDEFEFGG",
    "rhyme royal": "ABABBCC",
    "ottava rima": "ABABABCC",
    "rubaiyat": "AAXA",
}

SyllableCount = Annotated[int, Field(ge=1, le=MAX_SYLLABLES)]
Word = Annotated[str, Field(min_length=1, max_length=48)]


class SyllableRange(BaseModel):
    """Any number of syllables from `min` to `max`, both allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min: SyllableCount
    max: SyllableCount

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min is {self.min} and max is {self.max}: swap them")
        return self


class Originality(BaseModel):
    """No `n` words in a row of the dataset, whatever their case, marks and line breaks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str = Field(min_length=1, max_length=128)
    n: int = Field(default=6, ge=4, le=8)


class LineForm(NamedTuple):
    """What one line must keep. `rhyme` is the letter of its group, or None when it need not rhyme."""

    min_syllables: int
    max_syllables: int
    rhyme: str | None
    metre: str | None

    def grid(self, num_syllables: int) -> str | None:
        """The line's strong and weak places when it has `num_syllables`, or None when they are free."""
        return grid_of(self.metre, num_syllables) if self.metre else None


class Form(BaseModel):
    """The form of one stanza; its scheme says how many lines it has.

    >>> form = Form(scheme="aabb", syllables={"min": 11, "max": 13})
    >>> form.in_words()
    'AABB, strict; 11-13 syllables'
    >>> form.line_forms()[2]
    LineForm(min_syllables=11, max_syllables=13, rhyme='B', metre=None)
    >>> Form(scheme="limerick", syllables=[8, 8, 5, 5, 8], metre="anapaestic").in_words()
    'AABBA, strict; 8-8-5-5-8 syllables; anapaestic'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scheme: str = Field(default="AABB", description="a letter a line; X need not rhyme; or a name such as 'limerick'")
    strictness: str = Field(default="perfect", description="perfect, near, assonance, or multi:2 to multi:4")
    syllables: SyllableCount | tuple[SyllableCount, ...] | SyllableRange | None = Field(
        default=None, description="of every line, of each line, from min to max, or free"
    )
    metre: str | None = Field(default=None, description=f"{', '.join(FEET)}, or a grid such as x/x/x/x/")
    internal_rhyme: bool = Field(default=False, description="a word within each line rhymes with its end")
    include: tuple[Word, ...] = Field(
        default=(), max_length=MAX_WORDS, description="words that must stand in the stanza"
    )
    exclude: tuple[Word, ...] = Field(default=(), max_length=MAX_WORDS, description="words that must not be")
    rhymes: dict[str, tuple[Word, ...]] = Field(
        default={}, description="by letter, words that stand elsewhere and that its lines must rhyme with"
    )
    explicit: bool = Field(default=False, description="whether explicit words are allowed")
    originality: Originality | None = Field(default=None, description="what the text may not repeat")
    mode: Literal["fast", "crafted"] = Field(
        default="fast", description="as it comes; or several drafts of each line, of which the best are kept"
    )
    alternatives: int = Field(default=5, ge=1, le=10, description="ranked alternatives, in crafted mode")

    @field_validator("scheme")
    @classmethod
    def _letters(cls, scheme: str) -> str:
        letters = NAMED_SCHEMES.get(scheme.strip().lower()) or re.sub(r"[\s,|/]", "", scheme).upper().replace(
            "-", FREE_LINE
        )
        if not re.fullmatch(f"[A-Z]{{1,{MAX_LINES}}}", letters):
            names = ", ".join(NAMED_SCHEMES)
            raise ValueError(
                f"{scheme[:80]!r} is no scheme: write one letter a line, at most {MAX_LINES}, or one of {names}"
            )
        return letters

    @field_validator("strictness")
    @classmethod
    def _known(cls, strictness: str) -> str:
        if not re.fullmatch(r"perfect|near|assonance|multi:[234]", strictness):
            raise ValueError(f"{strictness!r} is no strictness: take perfect, near, assonance, or multi:2 to multi:4")
        return strictness

    @field_validator("metre")
    @classmethod
    def _keeps_beat(cls, metre: str | None) -> str | None:
        if metre is None or metre in FEET:
            return metre
        if not re.fullmatch(rf"[x/]{{1,{MAX_SYLLABLES}}}", metre):
            raise ValueError(
                f"no metre is called {metre!r}: take one of {', '.join(FEET)}, or a grid such as 'x/x/x/x/'"
            )
        return metre

    @field_validator("rhymes")
    @classmethod
    def _bounded(cls, rhymes: dict[str, tuple[Word, ...]]) -> dict[str, tuple[Word, ...]]:
        if len(rhymes) > len(ascii_uppercase):
            raise ValueError(f"rhymes names {len(rhymes)} letters and there are {len(ascii_uppercase)}: name fewer")
        for letter, words in rhymes.items():
            if len(words) > MAX_RHYMES:
                raise ValueError(f"rhymes has {len(words)} words for {letter[:8]!r}: name {MAX_RHYMES} at most")
        return rhymes

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if isinstance(self.syllables, tuple) and len(self.syllables) != self.num_lines:
            raise ValueError(
                f"syllables names {len(self.syllables)} lines and the scheme {self.scheme} has {self.num_lines}: "
                "give one number a line, or one for all"
            )
        if self.metre and self.metre not in FEET:
            for index in range(self.num_lines):
                low, high = self._syllables_of(index)
                if not low <= len(self.metre) <= high:
                    raise ValueError(
                        f"the metre {self.metre} has {len(self.metre)} syllables, which line {index + 1} may not have: "
                        "leave syllables away, or name a foot such as 'iambic'"
                    )
        unknown = set(self.rhymes) - set(self.scheme) | set(self.rhymes) & {FREE_LINE}
        if unknown:
            raise ValueError(f"rhymes names {min(unknown)[:8]!r}, which is no letter that rhymes in {self.scheme}")
        for name, words in (("include", self.include), ("exclude", self.exclude)):
            for word in words:
                if not normalised_words(word):
                    raise ValueError(f"{name} has {word!r}, in which there is no word: take it off the list")
        twice = set(map(normalised_words, self.include)) & set(map(normalised_words, self.exclude))
        if twice:
            raise ValueError(f"{' '.join(min(twice))!r} is both included and excluded: take it off one list")
        return self

    @property
    def num_lines(self) -> int:
        """How many lines the stanza has."""
        return len(self.scheme)

    @property
    def num_rhyming_syllables(self) -> int:
        """How many syllables must agree at the end of rhyming lines: 1, or the number of `multi:`."""
        return int(self.strictness.partition(":")[2] or 1)

    def line_forms(self) -> tuple[LineForm, ...]:
        """What each line must keep. A letter that stands alone in the scheme need not rhyme, like `X`."""
        return tuple(self._line_form(index, letter) for index, letter in enumerate(self.scheme))

    def _line_form(self, index: int, letter: str) -> LineForm:
        low, high = self._syllables_of(index)
        if self.metre and self.metre not in FEET:
            low = high = len(self.metre)
        rhymes = letter != FREE_LINE and (self.scheme.count(letter) > 1 or bool(self.rhymes.get(letter)))
        return LineForm(low, high, letter if rhymes else None, self.metre)

    def _syllables_of(self, index: int) -> tuple[int, int]:
        match self.syllables:
            case None:
                return 1, MAX_SYLLABLES
            case SyllableRange(min=low, max=high):
                return low, high
            case int(same):
                return same, same
            case each:
                return each[index], each[index]

    def in_words(self) -> str:
        """The form as a writer reads it."""
        kinds = {"perfect": "strict", "near": "near rhymes", "assonance": "assonance"}
        parts = [f"{self.scheme}, {kinds.get(self.strictness, f'last {self.num_rhyming_syllables} syllables rhyme')}"]
        match self.syllables:
            case SyllableRange(min=low, max=high):
                parts.append(f"{low}-{high} syllables")
            case int(same):
                parts.append(f"{same} syllables")
            case tuple(each):
                parts.append("-".join(map(str, each)) + " syllables")
        if self.metre:
            parts.append(self.metre)
        if self.internal_rhyme:
            parts.append("internal rhyme")
        parts += [f"{letter} rhymes with {', '.join(words)}" for letter, words in self.rhymes.items()]
        if self.include:
            parts.append("with " + ", ".join(self.include))
        if self.exclude:
            parts.append("without " + ", ".join(self.exclude))
        if self.originality:
            parts.append(f"no {self.originality.n} words in a row of {self.originality.dataset}")
        return "; ".join(parts)


class Section(BaseModel):
    """A part of a song: its heading, its form and how many times the form is written with new words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64)
    form: Form
    stanzas: int = Field(default=1, ge=1, le=16)


class SongForm(BaseModel):
    """Sections in the order in which they are sung.

    >>> PRESETS["Ballad stanza"].in_words()
    'Stanza: XAXA, strict; 8-6-8-6 syllables; iambic'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sections: tuple[Section, ...] = Field(min_length=1, max_length=32)

    def in_words(self) -> str:
        """One line a section."""
        lines = []
        for section in self.sections:
            times = f" (x{section.stanzas})" if section.stanzas > 1 else ""
            lines.append(f"{section.name}{times}: {section.form.in_words()}")
        return "\n".join(lines)


def _song(*sections: tuple[str, Form]) -> SongForm:
    return SongForm(sections=tuple(Section(name=name, form=form) for name, form in sections))


_LINE = SyllableRange(min=7, max=12)
_VERSE = Form(scheme="ABAB", strictness="near", syllables=SyllableRange(min=7, max=9))
_CHORUS = Form(scheme="AABB", strictness="near", syllables=SyllableRange(min=6, max=8))
_BRIDGE = Form(scheme="AABB", strictness="assonance", syllables=SyllableRange(min=5, max=9))

PRESETS = {
    "Couplets (AABB)": _song(("Stanza", Form(scheme="AABB", syllables=_LINE))),
    "Alternating rhyme (ABAB)": _song(("Stanza", Form(scheme="ABAB", syllables=_LINE))),
    "16-bar rap verse": _song(
        ("Verse", Form(scheme="AABBCCDDEEFFGGHH", strictness="near", syllables=SyllableRange(min=10, max=14)))
    ),
    "Ballad stanza": _song(("Stanza", Form(scheme="ballad", syllables=(8, 6, 8, 6), metre="iambic"))),
    "Limerick": _song(("Limerick", Form(scheme="limerick", syllables=(8, 8, 5, 5, 8), metre="anapaestic"))),
    "Sonnet": _song(("Sonnet", Form(scheme="sonnet", syllables=10, metre="iambic"))),
    "Haiku": _song(("Haiku", Form(scheme="XXX", syllables=(5, 7, 5)))),
    "Hymn, common metre": _song(("Stanza", Form(scheme="ABAB", syllables=(8, 6, 8, 6), metre="iambic"))),
    "Hymn, long metre": _song(("Stanza", Form(scheme="AABB", syllables=8, metre="iambic"))),
    "Hymn, short metre": _song(("Stanza", Form(scheme="XAXA", syllables=(6, 6, 8, 6), metre="iambic"))),
    "Sea shanty": _song(
        ("Verse", Form(scheme="AA", syllables=SyllableRange(min=8, max=12))),
        ("Chorus", Form(scheme="AABB", syllables=SyllableRange(min=6, max=10))),
    ),
    "Verse, chorus, bridge": _song(
        ("Verse", _VERSE), ("Chorus", _CHORUS), ("Verse", _VERSE), ("Bridge", _BRIDGE), ("Chorus", _CHORUS)
    ),
}
