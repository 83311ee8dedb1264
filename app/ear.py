"""The verbs of listening: how a lyric sounds, what rhymes, what can be said of a text; and how a writer says a word.

Open to everybody, so all is bounded: the text, and how many listen at once in this process. A writer's own
pronunciations count everywhere, for that writer alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import AllowanceSpent, BadInput, NotFound, TooMany
from app.plain_text import checked_text
from contracts.wire import MAX_PRONUNCIATIONS
from lyrics.analysis import analyse
from lyrics.arpabet import is_vowel, num_syllables, parse
from lyrics.hearing import HeardLine, hear
from lyrics.phones import Lexicon, Phones, normal
from lyrics.rhyme import last_stressed
from lyrics.suggest import Suggestions, suggest
from lyrics.syllables import words_of
from models import Account
from models.pronunciation import delete_pronunciation, num_pronunciations, pronunciations_of, put_pronunciation

MAX_TEXT_CHARS = 20_000
MAX_ANALYSED_LINES = 400
MAX_WORD_CHARS = 48
MAX_PHONES_CHARS = 200

_EVERYBODY = Lexicon()
_Entries = tuple[tuple[str, str], ...]  # a writer's words and their phones


class PronunciationView(NamedTuple):
    """How a writer says a word, and the word it was likened to."""

    word: str
    phones: str
    like: str | None


class Turns:
    """So many at once in this process; who waits longer than `patience_s` is told to come again."""

    def __init__(self, num: int, patience_s: float) -> None:
        self._free = threading.BoundedSemaphore(num)
        self._patience_s = patience_s

    @contextmanager
    def taken(self) -> Iterator[None]:
        if not self._free.acquire(timeout=self._patience_s):
            raise TooMany("Many texts are being listened to just now: try again in a moment.", retry_after_s=2)
        try:
            yield
        finally:
            self._free.release()


_listening = Turns(4, patience_s=2.0)
_analysing = Turns(1, patience_s=1.0)


def readings(text: str, lexicon: Lexicon) -> tuple[HeardLine, ...]:
    """How each line of a text sounds.

    Raises:
        BadInput: it is too long, or not text.
        TooMany: this process is listening to too many texts.
    """
    checked = checked_text(text, field="text", max_chars=MAX_TEXT_CHARS)
    with _listening.taken():
        return hear(checked, lexicon)


def rhymes(word: str, lexicon: Lexicon) -> Suggestions:
    """What rhymes with a word.

    Raises:
        BadInput: there is no word in it.
    """
    checked = checked_text(word, field="word", max_chars=MAX_WORD_CHARS)
    try:
        with _listening.taken():
            return suggest(checked, lexicon)
    except ValueError as error:
        raise BadInput(f"{error}.", code="no_word", field="word") from None


def analysis(text: str, lexicon: Lexicon) -> dict[str, object]:
    """Scheme, metre and meters of a text, as plain values.

    Raises:
        BadInput: it is too long, or not text.
        TooMany: this process is analysing another.
    """
    checked = checked_text(text, field="text", max_chars=MAX_TEXT_CHARS)
    num_lines = checked.count("\n") + 1
    if num_lines > MAX_ANALYSED_LINES:
        raise BadInput(
            f"text has {num_lines:,} lines; {MAX_ANALYSED_LINES:,} can be analysed at once. Send a part of it.",
            code="text_too_long",
            field="text",
        )
    with _analysing.taken():
        return _analysed(checked, lexicon)


@lru_cache(maxsize=16)
def _analysed(text: str, lexicon: Lexicon) -> dict[str, object]:
    return analyse(text, lexicon).as_json()


def pronunciations(session: Session, writer_id: UUID) -> list[PronunciationView]:
    """All words that this writer says in a way of their own."""
    return [PronunciationView(row.word, row.phones, row.like_word) for row in pronunciations_of(session, writer_id)]


def pronounce(
    session: Session, writer_id: UUID, word: str, *, like: str | None = None, phones: str | None = None
) -> PronunciationView:
    """Say `word` so from now on: with the end of the word `like`, or by these phones (ARPAbet).

    Raises:
        BadInput: neither or both are given, or they cannot be said.
        AllowanceSpent: this writer has as many as there can be.
    """
    word = _one_word(word, field="word")
    if (like is None) == (phones is None):
        raise BadInput(
            'Say what it sounds like: either {"like": "fear"} or {"phones": "CH IH1 R"}.', code="no_sound", field="like"
        )
    if like is not None:
        like = _one_word(like, field="like")
        said = " ".join(_with_end_of(word, like, lexicon_of(session, writer_id)))
    else:
        said = " ".join(_parsed(phones or ""))
    if len(said) > MAX_PHONES_CHARS:
        raise BadInput(f"{word!r} would be too long to say: {said[:40]}...", code="bad_phones", field="word")
    # Holding the account's row, two cannot take the last place.
    session.execute(select(Account.user_id).where(Account.user_id == writer_id).with_for_update())
    if num_pronunciations(session, writer_id, besides=word) >= MAX_PRONUNCIATIONS:
        raise AllowanceSpent(
            f"You have {MAX_PRONUNCIATIONS} pronunciations of your own already. Remove one that you no longer need.",
            code="pronunciations_full",
        )
    put_pronunciation(session, writer_id, word, phones=said, like_word=like)
    return PronunciationView(word, said, like)


def forget(session: Session, writer_id: UUID, word: str) -> None:
    """Say it as everybody does.

    Raises:
        NotFound: this writer has no way of their own to say it.
    """
    if not delete_pronunciation(session, writer_id, normal(word[:MAX_WORD_CHARS])):
        raise NotFound(f"You have no pronunciation of your own for {word[:MAX_WORD_CHARS]!r}.")


def phones_by_word(session: Session, writer_id: UUID | None) -> dict[str, str]:
    """This writer's own pronunciations, as they travel with a request for text."""
    return {row.word: row.phones for row in pronunciations_of(session, writer_id)} if writer_id else {}


def lexicon_of(session: Session, writer_id: UUID | None) -> Lexicon:
    """All words as this writer says them; None is somebody without pronunciations."""
    own = phones_by_word(session, writer_id)
    return _lexicon(tuple(own.items())) if own else _EVERYBODY


@lru_cache(maxsize=32)
def _lexicon(entries: _Entries) -> Lexicon:
    return _EVERYBODY.with_personal({word: tuple(phones.split()) for word, phones in entries})


def _one_word(text: str, *, field: str) -> str:
    """The one word in a text, as dictionaries write it."""
    words = words_of(checked_text(text, field=field, max_chars=MAX_WORD_CHARS))
    if len(words) != 1 or not normal(words[0]):
        raise BadInput(
            f"{text!r} is not one word in Latin letters: name one, such as 'chair'.", code="not_one_word", field=field
        )
    return normal(words[0])


def _with_end_of(word: str, like: str, lexicon: Lexicon) -> Phones:
    """The word with its own beginning, up to its last stressed vowel, and from there on the sound of the other.

    It loses no syllable: what takes a shorter end keeps the more of its own.

    >>> _with_end_of("chair", "fear", _EVERYBODY), " ".join(_with_end_of("orange", "syringe", _EVERYBODY))
    (('CH', 'IH1', 'R'), 'AO2 R IH1 N JH')
    """
    if word == like:
        raise BadInput(f"{word!r} sounds like itself already: name another word.", code="same_word", field="like")
    models = lexicon.pronunciations(like)
    if not models or models[0].source == "g2p":
        raise BadInput(
            f"No dictionary says how {like!r} sounds. Name a word that everybody knows, or send phones.",
            code="unknown_word",
            field="like",
        )
    own = _EVERYBODY.pronunciations(word)
    if not own:
        raise BadInput(
            f"Nobody can tell how {word!r} begins: send its phones, such as CH IH1 R.", code="unheard", field="word"
        )
    beginning, model = own[0].phones, models[0].phones
    at, from_ = last_stressed(beginning), last_stressed(model)
    num_taken = num_syllables(model[from_:])
    if num_syllables(beginning[at:]) > num_taken:
        vowels = [place for place, phone in enumerate(beginning) if is_vowel(phone)]
        at = vowels[-num_taken]
        beginning = (*(phone.replace("1", "2") for phone in beginning[:at]), *beginning[at:])
    stress = beginning[at][-1] if beginning[at][-1] != "0" else model[from_][-1]
    return (*beginning[:at], model[from_][:-1] + stress, *model[from_ + 1 :])


def _parsed(text: str) -> Phones:
    try:
        return parse(checked_text(text, field="phones", max_chars=MAX_PHONES_CHARS).upper())
    except ValueError as error:
        raise BadInput(f"{error}. Separate the phones by spaces.", code="bad_phones", field="phones") from None


def plain_lines(lines: tuple[HeardLine, ...]) -> list[dict[str, Any]]:
    """Heard lines as JSON can carry them."""
    return [
        line._asdict()
        | {"words": [word._asdict() for word in line.words], "rhyme": line.rhyme._asdict() if line.rhyme else None}
        for line in lines
    ]
