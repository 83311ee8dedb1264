"""Cards: single lines of a voice after beginnings that it never saw, to be kept or rejected one by one.

Each is an ordinary generation, charged as any; `app.feedback` takes the verdicts.
"""

from __future__ import annotations

from secrets import randbelow
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from app import generation
from app.beginnings import CARDS, beginnings
from app.errors import AllowanceSpent, BadInput, TooMany
from app.people import check_member

USUAL, MOST = 20, 40
LINE_TOKENS = 40


class Card(NamedTuple):
    """A line that is being written after a prompt; read it at `GET /generations/<id>`, as its take 0."""

    generation_id: UUID
    prompt: str


def deal(session: Session, user_id: UUID, voice: str, num: int = USUAL, *, seed: int | None = None) -> list[Card]:
    """Have `num` lines written by a voice. Commits.

    Raises:
        NeedsAccount: a guest.
        BadInput: there is no such voice, or too many cards.
        AllowanceSpent, TooMany: not even the first can be written now; else there are fewer cards.
    """
    check_member(session, user_id, "Cards can be dealt")
    if not 1 <= num <= MOST:
        raise BadInput(f"A session has 1 to {MOST} cards.", code="too_many_cards", field="num")
    seed = randbelow(2**31) if seed is None else seed
    dealt: list[Card] = []
    for number, prompt in enumerate(beginnings(session, user_id, [voice], CARDS, num, seed)):
        asked = generation.Request(
            voice=voice,
            prompt=prompt,
            seed=(seed + 7919 * number) % 2**31,
            max_tokens=LINE_TOKENS,
            repetition_penalty=1.1,
            stop=("\n",),
        )
        try:
            answer_s = 0.0 if dealt else generation.ANSWER_S  # what holds for the first holds for the others
            dealt.append(Card(generation.start(session, user_id, asked, answer_s=answer_s).id, prompt.strip()))
        except (AllowanceSpent, TooMany):
            if not dealt:
                raise
            break
    return dealt
