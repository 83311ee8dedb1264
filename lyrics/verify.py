"""Whether a text keeps a form: an independent judge, who reads plain text and says of each line what it heard.

It shares no code with the decoder. Both know the same words and mean the same by a form; how the decoder keeps it is
unknown here. A line is judged by the first way of saying it that keeps its syllables and metre, of all plausible ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from lyrics.arpabet import Phones, bare, is_vowel
from lyrics.clean import normalised_words, stanzas_of
from lyrics.explicit import find_explicit
from lyrics.form import Form, SyllableRange
from lyrics.metre import FEET, against, grid_of
from lyrics.originality import Nearest, OriginalityIndex
from lyrics.phones import Lexicon
from lyrics.rhyme import RhymeKind, internal_rhymes, num_shared_vowels, rhyme_of_ends
from lyrics.syllables import Reading, readings, words_of

_WORDS_HEARD = 6  # of a line's end, for mosaic rhymes
_KINDS = {
    "perfect": {RhymeKind.PERFECT, RhymeKind.MOSAIC},
    "near": {RhymeKind.PERFECT, RhymeKind.MOSAIC, RhymeKind.FAMILY},
    "assonance": {RhymeKind.PERFECT, RhymeKind.MOSAIC, RhymeKind.FAMILY, RhymeKind.ASSONANCE, RhymeKind.MULTI},
}


class Failure(NamedTuple):
    """A rule that a line breaks, by a name to count by, and the reason as a writer reads it."""

    rule: str
    reason: str


class Partner(NamedTuple):
    """What a line rhymes with: a line's number from 1, or 0 for a word that the form gives; the word; the kind."""

    line: int
    word: str
    kind: RhymeKind


class LineEvidence(NamedTuple):
    """What was heard of a line; `words` has its phones word by word. `grid` is "" when the form has no metre; `guessed`
    are words that no dictionary has."""

    text: str
    num_syllables: int
    stresses: tuple[int, ...]
    phones: Phones
    words: tuple[Phones, ...]
    grid: str
    guessed: tuple[str, ...]
    partner: Partner | None
    nearest: Nearest | None
    failures: tuple[Failure, ...]

    @property
    def is_kept(self) -> bool:
        """Whether the line keeps every rule."""
        return not self.failures


class Verdict(NamedTuple):
    """The lines, and what is wrong with the text as a whole."""

    lines: tuple[LineEvidence, ...]
    failures: tuple[Failure, ...]

    @property
    def is_kept(self) -> bool:
        """Whether the text keeps its form, in every line and as a whole."""
        return not self.failures and all(line.is_kept for line in self.lines)


class _Line:
    """A line while it is judged."""

    def __init__(self, text: str, heard: Reading, grid: str, lexicon: Lexicon) -> None:
        self.text = text
        self.words = words_of(text)
        self.heard = heard
        self.grid = grid
        self.guessed = tuple(word for word in self.words if _is_guessed(word, lexicon))
        self.partner: Partner | None = None
        self.nearest: Nearest | None = None
        self.failures: list[Failure] = []

    @property
    def end(self) -> str:
        return self.words[-1] if self.words else ""

    def fail(self, rule: str, reason: str) -> None:
        self.failures.append(Failure(rule, reason))

    def evidence(self) -> LineEvidence:
        heard = self.heard
        facts = (self.text, heard.num_syllables, heard.stresses, heard.phones, heard.words, self.grid, self.guessed)
        return LineEvidence(*facts, self.partner, self.nearest, tuple(self.failures))


def verify(
    text: str,
    form: Form,
    lexicon: Lexicon,
    index: OriginalityIndex | None = None,
    *,
    before: str = "",
    is_partial: bool = False,
) -> Verdict:
    """Judge a stanza by a form.

    `before` is what stands before it: runs of known words are followed across the border. With `is_partial` the text
    may have fewer lines than the form, as while it is being written. Without an index nothing is said of originality.

    >>> form = Form(scheme="AA", syllables=8, metre="iambic")
    >>> verdict = verify("The moon is on the river now\\nAnd I will never show you how", form, Lexicon())
    >>> verdict.is_kept, verdict.lines[1].partner
    (True, Partner(line=1, word='now', kind=<RhymeKind.PERFECT: 'perfect'>))
    >>> [failure.reason for failure in verify("So cold\\nSo old and grey", form, Lexicon()).lines[1].failures]
    ['4 syllables, not 8', "'grey' does not rhyme with 'cold' (perfect is asked for, none is heard)"]
    """
    texts = [line for stanza in stanzas_of(text) for line in stanza]
    lines = [_heard(line, number, form, lexicon) for number, line in enumerate(texts[: form.num_lines])]
    _judge_rhymes(lines, form, lexicon)
    for line in lines:
        _judge_words(line, form)
    if not form.explicit:
        _judge_explicit(lines)
    whole: list[Failure] = []
    if len(texts) > form.num_lines or (len(texts) < form.num_lines and not is_partial):
        whole.append(Failure("lines", f"{len(texts)} lines, not {form.num_lines}"))
    if not is_partial:
        missing = [word for word in form.include if not _has(texts, word)]
        whole += [Failure("include", f"{word!r} is not in it") for word in missing]
    if index is not None:
        _judge_originality(lines, form.originality.n if form.originality else 6, index, before)
    return Verdict(tuple(line.evidence() for line in lines), tuple(whole))


def _heard(text: str, number: int, form: Form, lexicon: Lexicon) -> _Line:
    """The line in the way of saying it that fits best, with what is wrong about its syllables and metre."""
    low, high = _asked_syllables(form, number)
    ways = readings(text, lexicon)
    right = [way for way in ways if low <= way.num_syllables <= high]
    if not right:
        line = _Line(text, ways[0], "", lexicon)
        asked = f"{low}" if low == high else f"{low} to {high}"
        line.fail("syllables", f"{ways[0].num_syllables} syllables, not {asked}")
        return line
    if form.metre is None:
        return _Line(text, right[0], "", lexicon)
    gridded = [(way, grid_of(form.metre, way.num_syllables)) for way in right]
    best, grid = min(gridded, key=lambda pair: against(pair[0].words, pair[1]))
    line = _Line(text, best, grid, lexicon)
    if wrong := against(best.words, grid):
        line.fail("metre", f"{wrong} syllables stand against {grid}: {''.join(map(str, best.stresses))}")
    return line


def _asked_syllables(form: Form, number: int) -> tuple[int, int]:
    asked = form.syllables
    if isinstance(asked, SyllableRange):
        low, high = asked.min, asked.max
    elif isinstance(asked, tuple):
        low = high = asked[number]
    elif asked is not None:
        low = high = asked
    else:
        low, high = 1, 10**6
    if form.metre and form.metre not in FEET:
        low, high = max(low, len(form.metre)), min(high, len(form.metre))
    return low, high


def _judge_rhymes(lines: Sequence[_Line], form: Form, lexicon: Lexicon) -> None:
    letters = form.scheme[: len(lines)]
    for number, (line, letter) in enumerate(zip(lines, letters, strict=True)):
        if form.internal_rhyme and not _rhymes_inside(line.heard):
            line.fail("internal rhyme", f"no word in it rhymes with {line.end!r}")
        if letter == "X":
            continue
        for word in form.rhymes.get(letter, ()):
            _judge_pair(line, Partner(0, word, RhymeKind.NONE), [way.words for way in readings(word, lexicon)], form)
        for other in range(number):
            if letters[other] == letter:
                partner = Partner(other + 1, lines[other].end, RhymeKind.NONE)
                kind = _judge_pair(line, partner, [lines[other].heard.words], form)
                if lines[other].partner is None:
                    lines[other].partner = Partner(number + 1, line.end, kind)
            elif letters[other] != "X" and _is_same_rhyme(line, lines[other], form):
                line.fail("scheme", f"rhymes with line {other + 1}, which {form.scheme} parts from it")


def _judge_pair(line: _Line, partner: Partner, others: Sequence[tuple[Phones, ...]], form: Form) -> RhymeKind:
    """Judge one pair, by the way of saying the other that suits best, and note the partner; the nearest one stays."""
    kinds = [_kind(line.heard.words, other) for other in others]
    good = [kind for kind, shared in kinds if _is_enough(kind, shared, form.strictness)]
    same_word = bool(line.words) and normalised_words(line.end) == normalised_words(partner.word)
    kind = RhymeKind.IDENTITY if same_word else (good or [kind for kind, _ in kinds] or [RhymeKind.NONE])[0]
    line.partner = partner._replace(kind=kind)
    if same_word:
        line.fail("rhyme", f"{line.end!r} is repeated: the same word is no rhyme")
    elif not good:
        reason = f"does not rhyme with {partner.word!r} ({form.strictness} is asked for, {kind.value} is heard)"
        line.fail("rhyme", f"{line.end!r} {reason}")
    return kind


def _kind(one: Sequence[Phones], other: Sequence[Phones]) -> tuple[RhymeKind, int]:
    """The kind of two ends and over how many syllables their vowels agree, as written or as weak vowels are heard."""
    one, other = one[-_WORDS_HEARD:], other[-_WORDS_HEARD:]
    flat = [tuple(phone for word in end for phone in word) for end in (one, other)]
    written = [[bare(phone) for phone in reversed(phones) if is_vowel(phone)] for phones in flat]
    num_written = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*written, strict=False)))
    return rhyme_of_ends(one, other).kind, max(num_written, num_shared_vowels(*flat))


def _is_enough(kind: RhymeKind, num_shared: int, strictness: str) -> bool:
    if strictness in _KINDS:
        return kind in _KINDS[strictness]
    return kind is not RhymeKind.IDENTITY and num_shared >= int(strictness.removeprefix("multi:"))


def _is_same_rhyme(line: _Line, other: _Line, form: Form) -> bool:
    """Whether two lines of different letters end in one word or, unless only vowels are asked for, rhyme perfectly."""
    if not line.words or not other.words:
        return False
    if normalised_words(line.end) == normalised_words(other.end):
        return True
    if form.strictness.startswith("multi:"):
        return False
    return rhyme_of_ends(line.heard.words[-1:], other.heard.words[-1:]).kind is RhymeKind.PERFECT


def _rhymes_inside(heard: Reading) -> bool:
    last = len(heard.words) - 1
    return any(later == last for _, later in internal_rhymes(heard.words))


def _judge_words(line: _Line, form: Form) -> None:
    if not line.words:
        line.fail("words", "there is nothing to sing in it")
    for word in form.exclude:
        if _has([line.text], word):
            line.fail("exclude", f"{word!r} is in it")


def _judge_explicit(lines: Sequence[_Line]) -> None:
    """Blame a word on the line in which it begins; it may be split over two."""
    text = "\n".join(line.text for line in lines)
    for found in find_explicit(text):
        line = lines[text.count("\n", 0, found.start)]
        line.fail("explicit", f"{text[found.start : found.end]!r} is an explicit word ({found.word})")


def _has(texts: Sequence[str], phrase: str) -> bool:
    wanted = " ".join(normalised_words(phrase))
    return bool(re.search(rf"(?:^| ){re.escape(wanted)}(?: |$)", " ".join(normalised_words("\n".join(texts)))))


def _judge_originality(lines: Sequence[_Line], n: int, index: OriginalityIndex, before: str) -> None:
    """Blame a known run on the line in which it ends; runs that end before the stanza are not its."""
    context = normalised_words(before)[1 - n :]
    ends: list[int] = []  # of each line, the place after its last word
    for line in lines:
        ends.append((ends[-1] if ends else len(context)) + len(normalised_words(line.text)))
    text = "\n".join([" ".join(context), *(line.text for line in lines)])
    for run in index.runs(text, n):
        place = next(number for number, end in enumerate(ends) if run.start + n <= end)
        lines[place].fail("originality", f"{' '.join(run.words)!r} stands in {index.name}")
    for line in lines:
        line.nearest = index.nearest(line.text)
        if line.nearest and line.nearest.is_near_duplicate:
            line.fail("near-duplicate", f"nearly {line.nearest.line!r}, line {line.nearest.number} of {index.name}")


def _is_guessed(word: str, lexicon: Lexicon) -> bool:
    ways = lexicon.pronunciations(word)
    return not ways or ways[0].source == "g2p"
