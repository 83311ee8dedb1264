"""Whatever the masks allow keeps the form: by a scan over all words at each step, and by the judge at the end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from inference.constrained import FEWEST_AFTER_COMMA, FormState
from inference.forms import BadForm, ImpossibleForm
from inference.speller import Speller
from inference.trie import TokenTrie
from lyrics.clean import normalised_words
from lyrics.constraint import Line, Stanza
from lyrics.form import Form
from lyrics.originality import OriginalityIndex
from lyrics.phones import Lexicon
from lyrics.vocabulary import Vocabulary, surfaces
from tests.inference.walks import finish, ready, tokens_of, walk

LEXICON = Lexicon()
LOW = "Midnight on the corner and the neon's running low\n"


# -- slow twins -------------------------------------------------------------------------------------------------------


def small_words() -> Vocabulary:
    """A few dozen words of one syllable, and some longer ones."""
    shipped = Vocabulary.shipped()
    short = [w for w in shipped.words if shipped.sounds[shipped.number[w]].stresses == (1,) and len(w) < 5][::45][:48]
    kept = {*short, "the", "of", "moon", "night", "river", "begin", "nation", "fuck"}
    return Vocabulary({word: LEXICON.pronunciations(word)[0].phones for word in kept}, kept - {"the", "of"})


@pytest.fixture(scope="module")
def small(speller: Speller) -> Speller:
    return Speller(speller.tokenizer, TokenTrie.of(speller.tokenizer, small_words()), speller.vocab_size)


def state_of(speller: Speller, form: Form, seed: int = 0, index: OriginalityIndex | None = None) -> FormState:
    return FormState(speller, Stanza(form, speller.book, LEXICON, index=index), seed=seed)


def all_texts(speller: Speller, state: FormState, written: bytes = b"") -> Iterator[str]:
    """Every text that the masks allow, but for capitals and marks."""
    tokens = tokens_of(state.mask())
    assert tokens, f"a dead end after {written!r}"
    for token in tokens:
        spelled = speller.tokenizer.bytes_of[token]
        if token in speller.marks or spelled != spelled.lower():
            continue
        twin = state.copy()
        twin.advance(token)
        if twin.is_done:
            assert not twin.is_lost
            yield (written + spelled).decode().removesuffix("\n")
        else:
            yield from all_texts(speller, twin, written + spelled)


def brute_force(vocabulary: Vocabulary, form: Form) -> set[str]:
    """The same, by trying every row of words: for one free line of two syllables."""
    found = set()
    for length in (1, 2):
        for row in product(vocabulary.words, repeat=length):
            numbers = [vocabulary.number[word] for word in row]
            text = " ".join(row)
            padded = f" {text} "
            if (
                sum(len(vocabulary.sounds[number].stresses) for number in numbers) == 2
                and vocabulary.may_end[numbers[-1]]
                and "fuck" not in row
                and all(f" {word} " in padded for word in form.include)
                and not any(f" {word} " in padded for word in form.exclude)
                and (form.metre != "iambic" or row[-1] not in ("river", "nation"))
                and (form.metre != "iambic" or length == 1 or row[-1] not in ("the", "of"))
            ):
                found.add(text)
    return found


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"exclude": ("moon", "the night")},
        {"include": ("moon",)},
        {"include": ("begin",)},
        {"metre": "iambic"},
    ],
)
def test_it_works(small: Speller, asked: dict[str, Any]) -> None:
    form = Form(scheme="X", syllables=2, **asked)
    texts = [*all_texts(small, state_of(small, form))]
    assert len(texts) == len(set(texts))
    assert set(texts) == brute_force(small.trie.vocabulary, form)


class Scan:
    """The slow twin of the masks: goes through all words, spells them anew, and shares nothing with the trie."""

    def __init__(self, speller: Speller) -> None:
        self.speller = speller
        self.vocabulary = speller.trie.vocabulary
        self.spelled: dict[str, list[tuple[int, tuple[int, ...]]]] = {" ": [], "": []}
        for opening, spelled in self.spelled.items():
            for number, word in enumerate(self.vocabulary.words):
                small, *large = [tuple(speller.encode(opening + surface)) for surface in surfaces(word)]
                spelled.append((number, small))
                spelled += [(number, tokens) for tokens in large if not opening or len(tokens) < len(small)]

    def words(self, stanza: Stanza, line: Line, at: int, owed: int, before: list[str]) -> set[int]:
        """The words that may come next."""
        barred = {*stanza.forbidden_next(before), *line.banned.tolist()}
        return {
            number
            for number in range(len(self.vocabulary.words))
            if number not in barred
            and self.vocabulary.signature[number] >= 0
            and (self.goes_on(line, number, at, owed) or self.ends(line, number, at, owed))
        }

    def goes_on(self, line: Line, number: int, at: int, owed: int) -> bool:
        pattern = self.vocabulary.sounds[number].stresses
        return bool(self.vocabulary.is_clean[number]) and line.plan.may_go_on_after(
            pattern, at, line.paid(owed, number)
        )

    def ends(self, line: Line, number: int, at: int, owed: int) -> bool:
        pattern = self.vocabulary.sounds[number].stresses
        return not line.paid(owed, number) and line.plan.may_end_with(pattern, at) and line.may_end(number)

    def tokens(self, words: set[int], opening: str, path: tuple[int, ...]) -> set[int]:
        """The tokens that go on from this part of a spelling to one of these words."""
        size = len(path)
        return {
            tokens[size]
            for number, tokens in self.spelled[opening]
            if len(tokens) > size and tokens[:size] == path and number in words
        }

    def whole(self, words: set[int], opening: str, path: tuple[int, ...]) -> int | None:
        """The word that is spelled so, if it is one of these."""
        return next((n for n, tokens in self.spelled[opening] if tokens == path and n in words), None)


@pytest.fixture(scope="module")
def scan(speller: Speller) -> Scan:
    return Scan(speller)


@pytest.mark.parametrize(
    "asked",
    [
        {"scheme": "AA", "syllables": 5},
        {"scheme": "AA", "strictness": "near", "syllables": {"min": 4, "max": 6}, "metre": "trochaic"},
        {"scheme": "X", "syllables": 6, "include": ("moon", "river"), "exclude": ("the", "a river")},
        {"scheme": "A", "rhymes": {"A": ("low",)}, "syllables": 6, "metre": "iambic"},
    ],
)
def test_each_mask_is_what_a_scan_over_all_words_allows(speller: Speller, scan: Scan, asked: dict[str, Any]) -> None:
    form = Form(**asked)
    random = Random(4)  # noqa: S311  (it varies texts)
    trie = speller.trie
    stanza = Stanza(form, speller.book, LEXICON)
    state = FormState(speller, stanza, seed=4)
    before: list[str] = []
    for number in range(form.num_lines):
        line = stanza.begin_line(number, state.written, stanza.missing(before), random)
        at, owed, opening, path = 0, line.plan.all_owed, "", ()
        words = scan.words(stanza, line, at, owed, before)
        after: set[int] | None = None  # words that may come after a mark
        while True:
            expected = scan.tokens(words, opening, path)
            word = scan.whole(words, opening, path) if path else None
            if word is not None:
                said = [*before, *normalised_words(trie.vocabulary.words[word])]
                end, left = at + len(trie.vocabulary.sounds[word].stresses), line.paid(owed, word)
                goes_on, ends = scan.goes_on(line, word, at, owed), scan.ends(line, word, at, owed)
                after = scan.words(stanza, line, end, left, said) if goes_on else set()
                expected |= scan.tokens(after, " ", ())
                if ends:
                    expected |= {speller.newline, *speller.marks}
                elif goes_on and line.plan.high - end >= FEWEST_AFTER_COMMA:
                    expected |= set(speller.commas)
            assert set(tokens_of(state.mask())) == expected
            token = random.choice(sorted(expected - set(speller.marks)))
            state.advance(token)
            if token == speller.newline:
                before = said
                break
            if word is not None and after is not None and token in scan.tokens(after, " ", ()):
                is_inside = token in scan.tokens(words, opening, path)
                assert not is_inside, "a token that begins a word with a space is never inside one"
                at, owed, before, words, opening, path = end, left, said, after, " ", ()
            path = (*path, token)
    assert state.is_done


def test_a_line_begins_with_a_capital_where_lines_do(small: Speller) -> None:
    stanza = Stanza(Form(scheme="XX", syllables=3), small.book, LEXICON)
    large, plain = FormState(small, stanza, seed=1, is_capital=True), FormState(small, stanza, seed=1)
    assert set(tokens_of(large.mask())) < set(tokens_of(plain.mask()))
    for seed in range(20):
        lines = finish(small, FormState(small, stanza, seed=seed, is_capital=True), Random(seed)).decode()  # noqa: S311
        assert [line[0].isupper() for line in lines.splitlines()] == [True, True]


@pytest.mark.parametrize(
    ("before", "is_capital"),
    [("", True), ("Low\n", True), ("low\nand so\n", False), ("'Cause\n\n12\nlow\n", True), ("i\nI\nlow\n", False)],
)
def test_lines_begin_as_most_before_them_do(speller: Speller, before: str, is_capital: bool) -> None:
    prepared = ready(speller, scheme="A", syllables=5, prompt=before)
    firsts = {speller.tokenizer.bytes_of[token][:1].isupper() for token in tokens_of(prepared.begin(1).mask())}
    assert firsts == ({True} if is_capital else {True, False})


def test_after_a_mark_a_word_or_the_end_follows(small: Speller) -> None:
    state = state_of(small, Form(scheme="X", syllables=5))
    for token in small.encode("moon"):
        state.advance(token)
    before = set(tokens_of(state.mask()))
    assert before & set(small.marks) == set(small.commas), "a full stop comes at the end alone"
    state.advance(small.commas[0])
    after = set(tokens_of(state.mask()))
    assert after < before
    assert not after & set(small.marks)
    assert all(small.tokenizer.bytes_of[token].startswith(b" ") for token in after)


def test_no_mark_comes_just_before_the_last_word(small: Speller) -> None:
    state = state_of(small, Form(scheme="X", syllables=2))
    for token in small.encode("moon"):
        state.advance(token)
    assert not set(tokens_of(state.mask())) & set(small.marks)
    for token in small.encode(" night"):
        state.advance(token)
    assert set(small.marks) < set(tokens_of(state.mask()))


def test_a_copy_goes_its_own_way(small: Speller) -> None:
    state = state_of(small, Form(scheme="X", syllables=2))
    twin = state.copy()
    finish(small, twin, Random(1))  # noqa: S311
    assert twin.is_done
    assert (state.is_done, state.written) == (False, [])


def test_a_token_that_is_not_allowed_is_refused(small: Speller) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        state_of(small, Form(scheme="X", syllables=2)).advance(small.newline)


# -- by the judge -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        *({"scheme": scheme, "syllables": num} for scheme in ("AABB", "ABAB", "ABBA") for num in (1, 4, 9, 16, 24)),
        {"scheme": "AAAAAAAA", "syllables": 5},
        {"scheme": "ABCABC", "strictness": "near"},
        *(
            {"scheme": "ABAB", "strictness": strictness, "syllables": {"min": 6, "max": 9}}
            for strictness in ("near", "assonance", "multi:2", "multi:3", "multi:4")
        ),
        *({"scheme": "AABA", "metre": metre} for metre in ("iambic", "trochaic", "anapaestic", "dactylic")),
        *({"scheme": "AA", "metre": metre} for metre in ("amphibrachic", "x/x/x/x/", "/xx/xx/", "//////", "xxxx", "x")),
        {"scheme": "AA", "metre": "xxxx", "syllables": {"min": 1, "max": 6}},
        {"scheme": "limerick", "syllables": [8, 8, 5, 5, 8], "metre": "anapaestic"},
        {"scheme": "ABAB", "syllables": {"min": 7, "max": 10}, "metre": "anapaestic"},
        {"scheme": "sonnet", "syllables": 10, "metre": "iambic"},
        {"scheme": "AABB", "syllables": 9, "internal_rhyme": True},
        {"scheme": "AAX", "syllables": 2, "internal_rhyme": True},
        {"scheme": "ABAB", "strictness": "near", "syllables": 7, "metre": "iambic", "internal_rhyme": True},
        {"scheme": "AABB", "syllables": 8, "include": ["moon", "of the night", "zorbly thing", "New York"]},
        {"scheme": "ABAB", "syllables": [3, 4, 3, 4], "include": ["river", "moon", "love", "time"]},
        {"scheme": "X", "syllables": 6, "include": ["extraordinary"], "strictness": "near"},
        {"scheme": "XXXX", "exclude": ["the", "a", "you", "of love"], "syllables": {"min": 5, "max": 9}},
        {"scheme": "AA", "rhymes": {"A": ["night", "ride"]}, "strictness": "near", "syllables": 12},
        {"scheme": "A", "rhymes": {"A": ["frobnight"]}, "strictness": "near", "syllables": 7},
        {"scheme": "AB" * 32, "strictness": "assonance", "syllables": 4},
        {"scheme": "AABB"},
    ],
    ids=str,
)
def test_the_judge_finds_nothing(speller: Speller, asked: dict[str, Any]) -> None:
    for seed in range(1 if len(asked["scheme"]) > 16 else 4):
        assert walk(speller, seed, **asked).flags == []


@pytest.mark.parametrize(
    "prompt", ["I keep my eyes on the ro", "I keep my eyes on the Ro", "mo", "You can", "I'm call"]
)
def test_a_half_typed_word_goes_on(speller: Speller, prompt: str) -> None:
    fragment = prompt.rpartition(" ")[2]
    words = set()
    for seed in range(12):
        found = walk(speller, seed, prompt=LOW + prompt, scheme="AA", syllables=11)
        assert found.flags == []
        words.add((fragment + found.text).split()[0].strip(",.!?;"))
        assert found.lines[0].text.startswith(prompt)
    assert all(word.lower() in speller.trie.vocabulary.number for word in words)
    assert len(words) > 1


@pytest.mark.parametrize(
    ("prompt", "first"),
    [
        ("I keep my eyes on the ", " "),
        ("I keep my eyes on the,", " "),
        ("I keep my eyes on the zorbly", " "),
        ("Hold on, 24/7", " "),
        ("", ""),
        ("   ", ""),
        ('"', ""),
        ("one line\rand anoth", ""),
        ("one line\u2028another ", " "),
    ],
)
def test_a_begun_line_goes_on_after_its_words(speller: Speller, prompt: str, first: str) -> None:
    for seed in range(6):
        found = walk(speller, seed, prompt=prompt, scheme="AA", syllables=14)
        assert found.flags == []
        prepared = ready(speller, prompt=prompt, scheme="AA", syllables=14)
        assert (prepared.prompt + prepared.typed).rstrip(" ") == prompt.rstrip(" ")
        assert found.lines[0].text == (prepared.begun + found.text).split("\n")[0].strip()
        assert (found.text[:1] == " ") == (first == " " and not prompt.endswith(" "))


def test_a_half_typed_word_may_be_ones_own(speller: Speller) -> None:
    texts = {
        walk(
            speller,
            seed,
            prompt="I saw a zor",
            scheme="X",
            syllables=9,
            pronunciations={"zorbly": "Z AO1 R B L IY0"},
        ).text
        for seed in range(3)
    }
    assert all(text.startswith("bly") for text in texts)


def test_what_was_begun_in_an_ambiguous_metre_keeps_the_metre_it_has(speller: Speller) -> None:
    for seed in range(8):
        asked = {"scheme": "A", "metre": "anapaestic", "syllables": {"min": 6, "max": 12}, "rhymes": {"A": ["night"]}}
        assert walk(speller, seed, prompt="In the middle of ", **asked).flags == []


def test_ones_own_pronunciation_wins(speller: Speller) -> None:
    own = {"chair": "CH IH1 R", "zorbly": "Z AO1 R B L IY0"}
    words = set()
    for seed in range(30):
        found = walk(
            speller, seed, scheme="AA", rhymes={"A": ["near"]}, syllables={"min": 1, "max": 3}, pronunciations=own
        )
        assert found.flags == []
        words |= {line.words[-1].word for line in found.lines}
    assert "chair" in words
    assert not {"hair", "bear"} & words


def test_excluded_words_come_in_no_way(speller: Speller) -> None:
    own = {"a": "EY1", "moon": "M UW1 N"}
    for seed in range(8):
        found = walk(
            speller,
            seed,
            scheme="XX",
            exclude=["a", "moon", "its"],
            syllables={"min": 9, "max": 12},
            pronunciations=own,
        )
        assert found.flags == []
        assert not {"a", "moon", "its"} & set(normalised_words(found.text))


def test_known_runs_are_never_completed(speller: Speller) -> None:
    """A text is followed word by word wherever the mask allows it; six words in a row never come."""
    known = "the moon is on the river now and all the stars are bright"
    index = OriginalityIndex.build([known], "known")
    for n in (4, 5, 6):
        form = Form(scheme="X", syllables=24, originality={"dataset": "known", "n": n})
        state = state_of(speller, form, index=index)
        written, left = b"", f"{known} {known}".split()
        random = Random(n)  # noqa: S311
        while not state.is_done:
            for token in speller.encode((" " if written else "") + left[0]) if left else ():
                if token not in tokens_of(state.mask()):
                    break
                state.advance(token)
                written += speller.tokenizer.bytes_of[token]
            else:
                left = left[1:]
                if left:
                    continue
            while tokens := tokens_of(state.mask()):
                token = speller.newline if speller.newline in tokens else random.choice(tokens)
                state.advance(token)
                written += speller.tokenizer.bytes_of[token]
                if state.is_done or any(
                    speller.tokenizer.bytes_of[t].startswith(b" ") for t in tokens_of(state.mask())
                ):
                    break
        words = normalised_words(written.decode())
        runs = [words[at : at + n] for at in range(len(words) - n + 1)]
        assert not any(f" {' '.join(run)} " in f" {known} " for run in runs), written
        assert any(f" {' '.join(words[at : at + n - 1])} " in f" {known} " for at in range(len(words)))


def test_runs_are_followed_from_what_stands_before(speller: Speller, tmp_path: Path) -> None:
    OriginalityIndex.build(["the moon is on the river now"], "known").save(tmp_path / "known")
    prepared = ready(
        speller,
        indexes=tmp_path,
        prompt="the moon is on\n",
        scheme="XX",
        syllables=4,
        originality={"dataset": "known", "n": 6},
    )
    state = prepared.begin(0)
    for token in [*speller.encode("the"), *speller.encode(" river")]:
        assert speller.newline not in tokens_of(state.mask())
        state.advance(token)
    following = [speller.tokenizer.bytes_of[token] for token in tokens_of(state.mask())]
    assert following
    assert not any(spelled.startswith(b" ") for spelled in following), "rivers may come, and the river may not"


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "asked", "reason"),
    [
        ("", {"scheme": "A", "rhymes": {"A": ["orange"]}}, "no common word rhymes strictly with 'orange'"),
        ("", {"scheme": "AA", "strictness": "multi:4", "rhymes": {"A": ["cat"]}}, "rhymes over 4 syllables with 'cat'"),
        ("", {"scheme": "AAAA", "rhymes": {"A": ["month"]}}, "month"),
        ("", {"scheme": "X", "syllables": 2, "include": ["extraordinary"]}, "extraordinary"),
        ("", {"scheme": "X", "syllables": 3, "include": ["moon", "river", "nation"]}, "no line of this form has room"),
        ("", {"scheme": "AA", "include": ["what the fuck"]}, "explicit"),
        ("", {"scheme": "AA", "include": ["of the night"], "exclude": ["the"]}, "must not be"),
        ("", {"scheme": "AA", "syllables": 1, "internal_rhyme": True}, "internal rhyme"),
        ("", {"scheme": "X", "syllables": 3, "metre": "///", "include": ["the"]}, "the"),
        ("I keep my eyes on the endless road ", {"scheme": "X", "syllables": 6}, "cannot be finished in 6 syllables"),
        ("Midnight again ", {"scheme": "X", "syllables": 8, "metre": "iambic"}, "of iambic metre"),
        ("what the fuck ", {"scheme": "X", "syllables": 8}, "explicit"),
        ("what a fucki", {"scheme": "X", "syllables": 8}, "begins with 'fucki'"),
        ("in the night ", {"scheme": "X", "syllables": 8, "exclude": ["the night"]}, "'the night'"),
        ("# in the night ", {"scheme": "X", "syllables": 8}, "heading"),
    ],
)
def test_what_cannot_be_is_refused_with_offers_that_can(
    speller: Speller, prompt: str, asked: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ImpossibleForm, match=reason) as refused:
        walk(speller, 0, prompt=prompt, **asked)
    for offer in refused.value.offers:
        for seed in range(3):
            assert walk(speller, seed, prompt=prompt, **offer.form).flags == [], offer.words
        assert "metre" in asked or "no metre" not in offer.words
    if "fuck" not in prompt and "#" not in prompt:
        assert refused.value.offers


def test_what_nobody_knows_how_to_say_is_named(speller: Speller) -> None:
    with pytest.raises(ImpossibleForm, match="orange"):
        walk(speller, 0, scheme="A", rhymes={"A": ["orange"]})
    with pytest.raises(BadForm) as refused:
        walk(speller, 0, scheme="A", pronunciations={"moon": "M OO N"})
    assert refused.value.field == "pronunciations"
