"""The verbs of a blind comparison: two voices go on from the same beginnings, and their writer picks without knowing.

Both texts of a pair are ordinary generations with the same seed and settings, charged as any. What is told before the
last pick is the same whichever voice stands on which side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from secrets import randbelow
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from app import form as forms
from app import generation
from app.beginnings import COMPARISONS, beginnings
from app.errors import AppError, BadInput, Conflict, NotFound
from app.people import check_member
from lyrics.form import Form
from models import Adapter, Comparison, Generation, Pair
from models.generation import GenerationState

MAX_PAIRS = 40
USUAL_PAIRS = 20
AHEAD = 2
"""Pairs that are written before they are asked for, so that a pick is followed by the next pair at once."""
MAX_LINES = 4
"""Of a text that was written freely; a form says itself how many it has."""
MAX_LISTED = 100
AGAIN_AFTER = timedelta(seconds=5)
PICKS = ("left", "right", "tie")
Z_95 = 1.959964

_NO_SUCH = "There is no such comparison of yours."
_TROUBLE = "One of the two could not write this time. Go on, and both try again."


class PairView(NamedTuple):
    """The pair that is to be picked of; the texts are "" until both are there. `trouble` says why none come."""

    number: int
    prompt: str
    form: str
    is_ready: bool
    left: str
    right: str
    trouble: str


class Judged(NamedTuple):
    """A pair after the end: what each voice wrote, and whom the pick was for: "a", "b" or "tie"."""

    number: int
    prompt: str
    a: str
    b: str
    pick: str


class Result(NamedTuple):
    """What the picks came to. `share` is that of voice a among those that were no tie, `low` and `high` its interval.

    The interval holds the true share 95 times in 100. `is_sure`: it lies wholly on one side of a half.
    """

    wins_a: int
    wins_b: int
    ties: int
    share: float
    low: float
    high: float
    is_sure: bool
    words: str


class ComparisonView(NamedTuple):
    """A comparison. While it goes on there is a `pair`; in the end the `result`, and `judged`."""

    id: UUID
    voice_a: str
    voice_b: str
    title_a: str
    title_b: str
    num_pairs: int
    num_picked: int
    pair: PairView | None
    result: Result | None
    judged: list[Judged]
    created_at: datetime
    finished_at: datetime | None


def start(
    session: Session,
    user_id: UUID,
    voice_a: str,
    voice_b: str,
    *,
    num_pairs: int = USUAL_PAIRS,
    form: Form | None = None,
    seed: int | None = None,
) -> ComparisonView:
    """Begin: the first pairs are written at once, the others as the picks go on. Commits.

    `seed` draws beginnings, sides and texts; leave it out, so that nobody knows it.

    Raises:
        NeedsAccount: a guest.
        BadInput: the two are one, there is no such voice, or too many pairs.
        AllowanceSpent: the first pair cannot be written.
    """
    check_member(session, user_id, "Voices can be compared")
    if voice_a == voice_b:
        raise BadInput("Choose two different voices.", code="same_voice", field="voice_b")
    if not 1 <= num_pairs <= MAX_PAIRS:
        raise BadInput(f"A comparison has 1 to {MAX_PAIRS} pairs.", code="too_many_pairs", field="num_pairs")
    for voice in (voice_a, voice_b):
        generation.check_voice(session, user_id, voice)
    seed = randbelow(2**31) if seed is None else seed
    prompts = beginnings(session, user_id, [voice_a, voice_b], COMPARISONS, num_pairs, seed)
    asked = form.model_dump(mode="json") if form else None
    row = Comparison(
        user_id=user_id,
        voice_a=voice_a,
        voice_b=voice_b,
        seed=seed,
        prompts=[{"text": text, "form": asked} for text in prompts],
    )
    session.add(row)
    session.flush()
    dice = Random(f"sides {seed}")  # noqa: S311 - the seed is secret, and is not told
    session.add_all(
        Pair(comparison_id=row.id, number=number, left_is_a=dice.random() < 0.5) for number in range(1, num_pairs + 1)
    )
    session.flush()
    comparison_id = row.id
    try:
        _write(session, row, 1)
    except AppError:
        session.rollback()
        if left := session.get(Comparison, comparison_id):  # one of the two voices took its request, which committed
            session.delete(left)
            session.commit()
        raise
    return _go_on(session, user_id, comparison_id)


def find(session: Session, user_id: UUID) -> list[ComparisonView]:
    """This person's comparisons, the newest first; without their pairs."""
    check_member(session, user_id, "Voices can be compared")
    rows = session.scalars(
        select(Comparison)
        .where(Comparison.user_id == user_id)
        .order_by(Comparison.created_at.desc(), Comparison.id)
        .limit(MAX_LISTED)
    )
    titles = _Titles(session, user_id)
    return [_view(session, row, titles, is_whole=False) for row in rows]


def get(session: Session, user_id: UUID, comparison_id: UUID) -> ComparisonView:
    """One comparison of this person. Changes nothing.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    return _view(session, _own(session, user_id, comparison_id), _Titles(session, user_id))


def go_on(session: Session, user_id: UUID, comparison_id: UUID) -> ComparisonView:
    """Have the open pair written (again) where it could not be. Commits.

    Raises:
        AllowanceSpent: it cannot be paid for. And whatever else a generation may be refused for.
    """
    row = _own(session, user_id, comparison_id)
    number = _open_number(session, row.id)
    if number is not None:
        _write(session, row, number)
    return _go_on(session, user_id, comparison_id)


def pick(session: Session, user_id: UUID, comparison_id: UUID, number: int, picked: str) -> ComparisonView:
    """Say which of a pair is better; until the last pick an earlier one may be changed. Commits.

    Raises:
        NotFound: no such comparison or pair.
        BadInput: neither left nor right nor tie.
        Conflict: the comparison is over, or the pair has not been shown.
    """
    row = _own(session, user_id, comparison_id, lock=True)
    if picked not in PICKS:
        raise BadInput(f"Pick one of {', '.join(PICKS)}.", code="unknown_pick", field="pick")
    pair = session.get(Pair, (comparison_id, number))
    if pair is None:
        raise NotFound(f"This comparison has {len(row.prompts)} pairs: there is no pair {number}.")
    if row.finished_at is not None:
        raise Conflict("This comparison is over: what was picked stays. Begin another.", code="comparison_over")
    if pair.pick is None and number != _open_number(session, row.id):
        raise Conflict("Pick the pairs in their order: this one has not been shown.", code="not_shown")
    if not _is_ready(_texts(session, pair)):
        raise Conflict("This pair is still being written.", code="not_shown")
    pair.pick, pair.picked_at = picked, datetime.now(UTC)
    session.flush()
    if _open_number(session, row.id) is None:
        row.finished_at = datetime.now(UTC)
    session.commit()
    return _go_on(session, user_id, comparison_id)


def between(session: Session, user_id: UUID, voice: str, other: str) -> Result | None:
    """What this person's last finished comparison of the two said, `voice` being a; None when there is none."""
    sides = or_(
        (Comparison.voice_a == voice) & (Comparison.voice_b == other),
        (Comparison.voice_a == other) & (Comparison.voice_b == voice),
    )
    row = session.scalar(
        select(Comparison)
        .where(Comparison.user_id == user_id, Comparison.finished_at.is_not(None), sides)
        .order_by(Comparison.finished_at.desc())
        .limit(1)
    )
    if row is None:
        return None
    titles = _Titles(session, user_id)
    wins_a, wins_b, ties = _wins(_pairs(session, row.id))
    if row.voice_a != voice:
        wins_a, wins_b = wins_b, wins_a
    return result(wins_a, wins_b, ties, titles.of(voice), titles.of(other))


def result(wins_a: int, wins_b: int, ties: int, title_a: str, title_b: str) -> Result:
    """What picks come to.

    >>> result(14, 6, 0, "Cowboy v2", "Cowboy v1").words
    'Cowboy v2 won 14 of 20, interval 48 to 85 %: not sure yet'
    """
    decided = wins_a + wins_b
    low, high = wilson(wins_a, decided)
    is_sure = low > 0.5 or high < 0.5
    a_leads = wins_a >= wins_b
    won, title = (wins_a, title_a) if a_leads else (wins_b, title_b)
    least, most = (low, high) if a_leads else (1 - high, 1 - low)
    tied = f" ({ties} {'tie' if ties == 1 else 'ties'})" if ties else ""
    if not decided:
        words = f"Nothing between {title_a} and {title_b}: all {ties} were ties"
    else:
        told = f"{title} won {won} of {decided}{tied}, interval {least * 100:.0f} to {most * 100:.0f} %"
        words = f"{told}: {'better' if is_sure else 'not sure yet'}"
    return Result(wins_a, wins_b, ties, wins_a / decided if decided else 0.5, low, high, is_sure, words)


def wilson(wins: int, num: int) -> tuple[float, float]:
    """The 95 % interval of a share. Source: Wilson, Probable inference (1927), without continuity correction.

    >>> low, high = wilson(14, 20)
    >>> round(low, 3), round(high, 3), wilson(0, 0)
    (0.481, 0.855, (0.0, 1.0))
    """
    if not num:
        return 0.0, 1.0
    share, squared = wins / num, Z_95**2 / num
    centre = share + squared / 2
    spread = Z_95 * math.sqrt(share * (1 - share) / num + squared / (4 * num))
    return max(0.0, (centre - spread) / (1 + squared)), min(1.0, (centre + spread) / (1 + squared))


class _Titles:
    """What voices are called. The service is asked once, and only for those that are no adapters of this person."""

    def __init__(self, session: Session, user_id: UUID) -> None:
        rows = session.execute(select(Adapter.id, Adapter.title, Adapter.number).where(Adapter.user_id == user_id))
        self._own = {str(row.id): f"{row.title} v{row.number}" for row in rows}
        self._cards: dict[str, str] | None = None

    def of(self, voice: str) -> str:
        if voice in self._own:
            return self._own[voice]
        if self._cards is None:
            try:
                self._cards = {card.id: card.title for card in generation.shared_voices()}
            except AppError:
                self._cards = {}
        return self._cards.get(voice) or voice


def _go_on(session: Session, user_id: UUID, comparison_id: UUID) -> ComparisonView:
    """Have the next pairs written, as far as that can be; why it cannot is told when they are asked for."""
    row = _own(session, user_id, comparison_id)
    first = _open_number(session, row.id)
    last = len(row.prompts)
    why = ""
    for number in range(first, min(first + AHEAD, last) + 1) if first is not None else ():
        try:
            _write(session, row, number)
        except AppError as error:
            session.rollback()
            why = error.message if number == first else ""
            break
    row = _own(session, user_id, comparison_id)
    return _view(session, row, _Titles(session, user_id), why=why)


def _write(session: Session, row: Comparison, number: int) -> None:
    """Start the texts of a pair that are missing or failed."""
    pair = session.get_one(Pair, (row.id, number))
    asked: dict[str, Any] = row.prompts[number - 1]
    ids = {"generation_a": (row.voice_a, pair.generation_a), "generation_b": (row.voice_b, pair.generation_b)}
    comparison_id, user_id, seed = row.id, row.user_id, row.seed
    for column, (voice, generation_id) in ids.items():
        if not _is_missing(session, generation_id):
            continue
        started = generation.start(
            session,
            user_id,
            generation.Request(
                voice=voice,
                prompt=asked["text"],
                form=forms.parse(asked["form"]) if asked["form"] else None,
                seed=(seed + 7919 * number) % 2**31,
                max_tokens=64,
                repetition_penalty=1.1,
            ),
            answer_s=0.0,
        )
        claimed = session.execute(  # two requests that find it missing: one of their texts counts
            update(Pair)
            .where(
                Pair.comparison_id == comparison_id,
                Pair.number == number,
                getattr(Pair, column).is_not_distinct_from(generation_id),
            )
            .values({column: started.id})
            .returning(Pair.number)
        )
        if claimed.first() is None:
            generation.cancel(session, user_id, started.id)
        session.commit()


def _is_missing(session: Session, generation_id: UUID | None) -> bool:
    if generation_id is None:
        return True
    found = session.get(Generation, generation_id)
    if found is None:
        return True
    if found.state is GenerationState.DONE or not found.state.is_over:
        return False
    return found.finished_at is None or found.finished_at < datetime.now(UTC) - AGAIN_AFTER


def _own(session: Session, user_id: UUID, comparison_id: UUID, *, lock: bool = False) -> Comparison:
    row = session.get(Comparison, comparison_id, with_for_update=lock, populate_existing=lock)
    if row is None or row.user_id != user_id:
        raise NotFound(_NO_SUCH)
    return row


def _pairs(session: Session, comparison_id: UUID) -> Sequence[Pair]:
    return session.scalars(select(Pair).where(Pair.comparison_id == comparison_id).order_by(Pair.number)).all()


def _open_number(session: Session, comparison_id: UUID) -> int | None:
    return session.scalar(select(func.min(Pair.number)).where(Pair.comparison_id == comparison_id, Pair.pick.is_(None)))


def _texts(session: Session, pair: Pair) -> tuple[Generation | None, Generation | None]:
    a, b = (
        session.get(Generation, found, populate_existing=True) if found else None
        for found in (pair.generation_a, pair.generation_b)
    )
    return a, b


def _is_ready(texts: tuple[Generation | None, Generation | None]) -> bool:
    return all(one is not None and one.state is GenerationState.DONE for one in texts)


def _shown(text: Generation | None) -> str:
    """The first lines of a text; a last line that was cut off at the length is left out where there are others."""
    if text is None or not text.takes:
        return ""
    take = text.takes[0]
    lines = [line.strip() for line in str(take["text"]).split("\n") if line.strip()]
    if take["finish_reason"] == "length" and len(lines) > 1:
        lines.pop()
    return "\n".join(lines if text.form else lines[:MAX_LINES])


def _wins(pairs: Sequence[Pair]) -> tuple[int, int, int]:
    for_whom = [_for_whom(pair) for pair in pairs if pair.pick is not None]
    return for_whom.count("a"), for_whom.count("b"), for_whom.count("tie")


def _for_whom(pair: Pair) -> str:
    if pair.pick == "tie":
        return "tie"
    return "a" if (pair.pick == "left") == pair.left_is_a else "b"


def _view(
    session: Session, row: Comparison, titles: _Titles, *, is_whole: bool = True, why: str = ""
) -> ComparisonView:
    pairs = _pairs(session, row.id)
    is_over = row.finished_at is not None
    title_a, title_b = titles.of(row.voice_a), titles.of(row.voice_b)
    open_pair = next((pair for pair in pairs if pair.pick is None), None)
    return ComparisonView(
        id=row.id,
        voice_a=row.voice_a,
        voice_b=row.voice_b,
        title_a=title_a,
        title_b=title_b,
        num_pairs=len(pairs),
        num_picked=sum(pair.pick is not None for pair in pairs),
        pair=_pair_view(session, row, open_pair, why) if is_whole and open_pair else None,
        result=result(*_wins(pairs), title_a, title_b) if is_over else None,
        judged=[_judged(session, row, pair) for pair in pairs] if is_over and is_whole else [],
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


def _pair_view(session: Session, row: Comparison, pair: Pair, why: str) -> PairView:
    a, b = _texts(session, pair)
    is_ready = _is_ready((a, b))
    is_stuck = any(one is None or (one.state.is_over and one.state is not GenerationState.DONE) for one in (a, b))
    left, right = (a, b) if pair.left_is_a else (b, a)
    asked = row.prompts[pair.number - 1]
    return PairView(
        number=pair.number,
        prompt=asked["text"].strip(),
        form=forms.parse(asked["form"]).in_words() if asked["form"] else "",
        is_ready=is_ready,
        left=_shown(left) if is_ready else "",
        right=_shown(right) if is_ready else "",
        trouble=(why or _TROUBLE) if is_stuck else "",
    )


def _judged(session: Session, row: Comparison, pair: Pair) -> Judged:
    a, b = _texts(session, pair)
    return Judged(pair.number, row.prompts[pair.number - 1]["text"].strip(), _shown(a), _shown(b), _for_whom(pair))
