"""A form on its way from the wire to the engine, and the judge's word on what came back.

Text crosses into `lyrics` here: the form is read, the writer's own pronunciations join the lexicon, the line that the
writer has begun is parted from the prompt, and what cannot be kept is refused with forms near to it that can.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from contracts.manifest import checked_name
from contracts.wire import CompletionRequest, Failure, LineEvidence, NearestLine, Offer, Partner, SpokenWord
from inference.constrained import FormState
from inference.speller import Speller
from inference.trie import AFTER_SPACE, AT_LINE_START, Ints
from lyrics import verify
from lyrics.arpabet import parse
from lyrics.clean import normalised_words
from lyrics.constraint import Stanza
from lyrics.ends import Impossible, Written
from lyrics.form import Form, Originality, SyllableRange
from lyrics.originality import IndexUnreadable, OriginalityIndex
from lyrics.phones import Lexicon, normal
from lyrics.syllables import words_of

MAX_OFFERS = 3
LEARNED, LEARNED_RUN = "the songs of this voice", 6
"""What a voice may not recite, in words, and how many words in a row of it."""
CONTEXT_WORDS = 16  # before the stanza: more than any run that originality follows


class BadForm(ValueError):
    """Something in a form or in a pronunciation is not as it must be; `field` names it."""

    def __init__(self, message: str, field: str = "form") -> None:
        super().__init__(message)
        self.field = field


class ImpossibleForm(ValueError):
    """No text can keep the form; `offers` are near ones that can be kept."""

    def __init__(self, reason: str, offers: Sequence[Offer]) -> None:
        super().__init__(reason)
        self.offers = list(offers)


@dataclass
class Prepared:
    """A form, ready to be written after `prompt`, of which the writer has typed `typed` already."""

    form: Form
    stanza: Stanza
    lexicon: Lexicon
    index: OriginalityIndex | None
    prompt: str
    begun: str
    """The first line as far as it is written."""
    before: str
    """What stands before the stanza."""
    restrict: Ints | None
    typed: str
    """How the text will begin that the writer has typed already."""
    speller: Speller = field(repr=False)

    @property
    def max_tokens(self) -> int:
        """More tokens than the text will have."""
        lines = self.form.line_forms()
        each = max(3.0, 2 * self.speller.tokens_per_syllable)  # "no, no, no" has two a syllable
        return sum(math.ceil(each * line.max_syllables) + 4 for line in lines)

    @property
    def num_takes(self) -> int | None:
        """How many texts come, where the form says it."""
        return self.form.alternatives if self.form.mode == "crafted" else None

    def begin(
        self,
        seed: int,
        *,
        number: int = 0,
        until: int | None = None,
        written: Sequence[Written] = (),
        so_far: Sequence[str] = (),
    ) -> FormState:
        """The state of a take from line `number` on, after the lines that are written."""
        return FormState(
            self.speller,
            self.stanza,
            seed=seed,
            number=number,
            until=until,
            written=written,
            so_far=so_far,
            before=normalised_words(self.before)[-CONTEXT_WORDS:],
            restrict=self.restrict if number == 0 else None,
            is_capital=_is_capital(self.before),
        )

    def judge(self, text: str, *, is_whole: bool = False) -> list[LineEvidence]:
        """What the verifier says of the lines so far, the begun part of the first included."""
        verdict = verify.verify(
            self.begun + text, self.form, self.lexicon, self.index, before=self.before, is_partial=not is_whole
        )
        lines = [self._evidence(number, line) for number, line in enumerate(verdict.lines, start=1)]
        if verdict.failures and lines:
            lines[-1].failures += [Failure(rule=failure.rule, reason=failure.reason) for failure in verdict.failures]
        return lines

    def _evidence(self, number: int, line: verify.LineEvidence) -> LineEvidence:
        nearest = line.nearest
        return LineEvidence(
            number=number,
            text=line.text,
            num_syllables=line.num_syllables,
            stresses=list(line.stresses),
            words=[
                SpokenWord(word=word, phones=list(phones), is_guessed=word in line.guessed)
                for word, phones in zip(words_of(line.text), line.words, strict=False)
            ],
            grid=line.grid,
            partner=line.partner and Partner(line=line.partner.line, word=line.partner.word, kind=line.partner.kind),
            nearest=(nearest and self.index and NearestLine(index=self.index.name, **nearest._asdict())) or None,
            failures=[Failure(rule=failure.rule, reason=failure.reason) for failure in line.failures],
        )


def prepare(
    wanted: CompletionRequest, speller: Speller, indexes: Path, learned: OriginalityIndex | None = None
) -> Prepared:
    """Make the request's form ready; `indexes` is the folder of originality indexes. A form that names none is kept
    from six words in a row of `learned`, the songs that the voice was trained on.

    Raises:
        BadForm: the form or a pronunciation cannot be read, or there is no such index.
        ImpossibleForm: no text can keep it.
    """
    form = _form(wanted.form or {})
    own = _pronunciations(wanted.pronunciations)
    lexicon = Lexicon(own) if own else Lexicon()
    index = _index(form, indexes)
    if index is None and learned is not None and LEARNED_RUN in learned.sizes:
        index, form = learned, form.model_copy(update={"originality": Originality(dataset=LEARNED, n=LEARNED_RUN)})
    begun = f"{wanted.prompt}|".splitlines()[-1][:-1]
    try:
        stanza = _stanza(form, speller, lexicon, own, index, begun)
    except Impossible as error:
        raise ImpossibleForm(f"{error}.", list(_offers(form, speller, lexicon, own, index, begun))) from None
    before = wanted.prompt[: len(wanted.prompt) - len(begun)]
    fragment = stanza.opening.fragment
    head = begun[: len(begun) - len(fragment)]
    is_within = bool(stanza.opening.words)
    typed = " " * (is_within and head.endswith(" ")) + fragment
    restrict = _continuations(stanza, speller, typed) if fragment else None
    return Prepared(form, stanza, lexicon, index, before + head.rstrip(" "), begun, before, restrict, typed, speller)


def _form(values: dict[str, Any]) -> Form:
    try:
        return Form.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(["form", *map(str, first["loc"])])
        raise BadForm(f"{field}: {first['msg'].removeprefix('Value error, ')}", field) from None


def _pronunciations(given: dict[str, str]) -> dict[str, tuple[str, ...]]:
    try:
        return {normal(word): parse(phones) for word, phones in given.items() if normal(word)}
    except ValueError as error:
        raise BadForm(f"pronunciations: {error}", "pronunciations") from None


def _index(form: Form, folder: Path) -> OriginalityIndex | None:
    if form.originality is None:
        return None
    name = form.originality.dataset
    try:
        index = OriginalityIndex.load(folder / checked_name(name))
        if form.originality.n in index.sizes:
            return index
        raise BadForm(
            f"the index {name!r} knows runs of {', '.join(map(str, index.sizes))} words: choose one of these for n",
            "form.originality.n",
        )
    except BadForm:
        raise
    except (IndexUnreadable, ValueError):
        raise BadForm(
            f"there is no index called {name[:80]!r}: `ghost lyrics index` builds one, or leave originality away",
            "form.originality.dataset",
        ) from None


def _stanza(
    form: Form,
    speller: Speller,
    lexicon: Lexicon,
    own: dict[str, tuple[str, ...]],
    index: OriginalityIndex | None,
    begun: str,
) -> Stanza:
    return Stanza(form, speller.book, lexicon, personal=own, index=index, begun=begun)


def _continuations(stanza: Stanza, speller: Speller, typed: str) -> Ints:
    """The spellings that go on with the half-typed word."""
    root = AFTER_SPACE if stanza.opening.words else AT_LINE_START
    trie = speller.trie
    numbers = [word for word in stanza.opening.starts if isinstance(word, int)]
    below = slice(int(trie.low[root]), int(trie.high[root]))
    spelled = np.flatnonzero(np.isin(trie.words[below], numbers)) + below.start
    return np.array([s for s in spelled if _text(speller, int(trie.nodes[s])).startswith(typed.encode())], np.int32)


def _is_capital(before: str) -> bool:
    """Whether lines begin with a capital: as at least half of those before do."""
    firsts = [letters[0] for line in before.split("\n") if (letters := [*filter(str.isalpha, line)])]
    return 2 * sum(map(str.isupper, firsts)) >= len(firsts)


def _text(speller: Speller, node: int) -> bytes:
    return b"".join(speller.tokenizer.bytes_of[token] for token in speller.trie.path(node))


# -- offers -----------------------------------------------------------------------------------------------------------


def _offers(
    form: Form,
    speller: Speller,
    lexicon: Lexicon,
    own: dict[str, tuple[str, ...]],
    index: OriginalityIndex | None,
    begun: str,
) -> Iterator[Offer]:
    """Forms near to one that cannot be kept that can be."""
    num = 0
    for words, changes in _changes(form):
        try:
            near = Form.model_validate(form.model_dump() | changes)
            _stanza(near, speller, lexicon, own, index, begun)
        except ValueError:
            continue
        # The hold of a voice on its own songs is no part of what was asked, nor can it be asked for by name.
        is_asked = not near.originality or near.originality.dataset != LEARNED
        unasked = None if is_asked else {"originality"}
        yield Offer(words=words, form=near.model_dump(mode="json", exclude_defaults=True, exclude=unasked))
        num += 1
        if num == MAX_OFFERS:
            return


def _changes(form: Form) -> Iterator[tuple[str, dict[str, Any]]]:
    order = ["perfect", "near", "assonance"]
    names = {"near": "near rhymes", "assonance": "rhymes of vowels alone", "perfect": "rhymes of one syllable"}
    if form.strictness.startswith("multi"):
        yield names["perfect"], {"strictness": "perfect"}
        yield names["assonance"], {"strictness": "assonance"}
    else:
        for weaker in order[order.index(form.strictness) + 1 :]:
            yield names[weaker], {"strictness": weaker}
    if form.internal_rhyme:
        yield "no rhyme inside the lines", {"internal_rhyme": False}
    if form.metre:
        yield "the same without a metre", {"metre": None, "syllables": form.syllables or len(form.metre)}
    if form.syllables is not None:
        lines = form.line_forms()
        low, high = min(line.min_syllables for line in lines), max(line.max_syllables for line in lines)
        wider = SyllableRange(min=max(1, low - 2), max=min(24, high + 2))
        metre = form.metre if form.metre and len(set(form.metre)) > 2 else None
        yield f"{wider.min} to {wider.max} syllables", {"syllables": wider, "metre": metre}
    if not form.explicit:
        yield "explicit words allowed", {"explicit": True}
    for word in form.include:
        yield f"the same without {word!r}", {"include": tuple(other for other in form.include if other != word)}
    if form.include:
        yield "the same without the words that must be in it", {"include": ()}
    if form.exclude:
        yield "the same without the words that must not be in it", {"exclude": ()}
    if form.strictness != "assonance" and form.metre:
        yield "vowels alone and no metre", {"strictness": "assonance", "metre": None}
    yield "the same without rhyme", {"scheme": "X" * form.num_lines, "rhymes": {}}
    if form.metre or form.syllables:
        without = ", without a metre" if form.metre else ""
        yield f"the same of any length{without}", {"syllables": None, "metre": None}
    free: dict[str, Any] = {"scheme": "X" * form.num_lines, "rhymes": {}, "syllables": None, "metre": None}
    yield "free lines", free
    yield "free lines of any words", free | {"include": (), "exclude": (), "internal_rhyme": False}
