"""The verbs of feedback: keep or reject a line or a whole take, take that back, and count what was said of a voice.

What is kept is the text as the writer left it, with what stood before it. `app.improve` makes songs of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.errors import AllowanceSpent, BadInput, Conflict, NotFound
from app.plain_text import checked_text
from contracts.wire import MAX_NAME, NOT_TEXT
from models import Adapter, Feedback, Generation, Run, Verdict
from models.generation import takes_so_far

MAX_TEXT_CHARS = 4_000
MAX_ITEMS = 20_000
"""Lines and verses of one person that were kept or rejected."""
MAX_LISTED = 500
MAX_PROMPT_LINES, MAX_PROMPT_CHARS = 8, 2_000
VERDICTS: tuple[str, ...] = tuple(verdict.value for verdict in Verdict)
_LINE = re.compile(r"[^\s\n][^\n]*")


class FeedbackView(NamedTuple):
    """A line or take and its verdict. `line` counts from 1 among the take's lines that are not blank; None: all of it.

    `written` is what the voice wrote, `text` what its writer made of it, `prompt` what stood before.
    """

    id: UUID
    voice: str
    generation_id: UUID | None
    take: int
    line: int | None
    prompt: str
    written: str
    text: str
    verdict: str
    created_at: datetime
    used_at: datetime | None


class Counts(NamedTuple):
    """What was said of a voice, and of the versions of its title before; `unused` are kept, and in no dataset yet.

    `words` tell what is new since the last version was made. `next_number` is the version that it may train; None for a
    voice that is not one's own.
    """

    kept: int
    rejected: int
    unused: int
    next_number: int | None
    words: str


class Said(NamedTuple):
    """A verdict as it was noted, and what there is of that voice now."""

    item: FeedbackView
    counts: Counts


class Listed(NamedTuple):
    """Verdicts, the newest first, and what there is of them in all."""

    items: list[FeedbackView]
    counts: Counts


def say(
    session: Session,
    user_id: UUID,
    generation_id: UUID,
    take: int,
    verdict: str,
    *,
    line: int | None = None,
    text: str | None = None,
) -> Said:
    """Keep or reject a line of one's own generation, or with no `line` a whole take; said again, the last word counts.

    Raises:
        NotFound: the generation is not this person's.
        BadInput: it has no such take or line, no such verdict, or nothing is left of the text.
        Conflict: it has gone into a dataset.
        AllowanceSpent: there are `MAX_ITEMS`.
    """
    row = session.get(Generation, generation_id)
    if row is None or row.user_id != user_id:
        raise NotFound("There is no such generation of yours.")
    if verdict not in VERDICTS:
        raise BadInput(f"A verdict is one of {', '.join(VERDICTS)}.", code="unknown_verdict", field="verdict")
    prompt, written = _part(_text_of(session, row, take), line)
    kept = checked_text(written if text is None else text, field="text", max_chars=MAX_TEXT_CHARS).strip()
    if not kept:
        raise BadInput(
            "Nothing is left of the text: reject it, or take the verdict back.", code="no_text", field="text"
        )
    _check_room(session, user_id)
    values = {
        "voice": row.voice,
        "lyric_id": row.lyric_id,
        "prompt": _tail(_before(row) + prompt),
        "written": written,
        "text": kept,
        "verdict": Verdict(verdict),
    }
    key = {"user_id": user_id, "generation_id": generation_id, "take": take, "line": line or 0}
    noted = session.execute(
        insert(Feedback)
        .values(**key, **values)
        .on_conflict_do_update(
            index_elements=list(key), set_={**values, "created_at": func.now()}, where=Feedback.used_at.is_(None)
        )
        .returning(Feedback.id)
    ).scalar_one_or_none()
    if noted is None:
        raise _used()
    item = session.get_one(Feedback, noted, populate_existing=True)
    return Said(_view(item), counts(session, user_id, row.voice))


def take_back(session: Session, user_id: UUID, feedback_id: UUID) -> Counts:
    """Forget a verdict; what there is of that voice then.

    Raises:
        NotFound: there is none, or it is somebody else's.
        Conflict: it has gone into a dataset.
    """
    row = session.get(Feedback, feedback_id, with_for_update=True)
    if row is None or row.user_id != user_id:
        raise NotFound("There is no such feedback of yours.")
    if row.used_at is not None:
        raise _used()
    session.execute(delete(Feedback).where(Feedback.id == feedback_id))
    return counts(session, user_id, row.voice)


def find(session: Session, user_id: UUID, *, voice: str | None = None, verdict: str | None = None) -> Listed:
    """What this person kept and rejected, of one voice and the versions of its title, or of all.

    Raises:
        BadInput: no such verdict.
    """
    which = _of(session, user_id, voice)
    if verdict is not None:
        if verdict not in VERDICTS:
            raise BadInput(f"A verdict is one of {', '.join(VERDICTS)}.", code="unknown_verdict", field="verdict")
        listed = [*which, Feedback.verdict == Verdict(verdict)]
    else:
        listed = which
    rows = session.scalars(
        select(Feedback).where(*listed).order_by(Feedback.created_at.desc(), Feedback.id).limit(MAX_LISTED)
    )
    return Listed([_view(row) for row in rows], counts(session, user_id, voice))


def counts(session: Session, user_id: UUID, voice: str | None) -> Counts:
    """What this person said of a voice and the versions of its title; of all voices with None."""
    groups = session.execute(
        select(Feedback.verdict, Feedback.used_at.is_(None), func.count())
        .where(*_of(session, user_id, voice))
        .group_by(Feedback.verdict, Feedback.used_at.is_(None))
    )
    found = {(verdict, is_new): number for verdict, is_new, number in groups}
    kept, rejected = (found.get((verdict, True), 0) + found.get((verdict, False), 0) for verdict in Verdict)
    unused = found.get((Verdict.KEPT, True), 0)
    num_new = unused + found.get((Verdict.REJECTED, True), 0)
    number = _next_number(session, user_id, voice)
    return Counts(kept, rejected, unused, number, _words(num_new, number))


def same_title(session: Session, user_id: UUID, voice: str) -> list[str]:
    """A voice, and if it is an adapter of this person all versions of its title: what was kept of v1 may train v3."""
    adapter = _own_adapter(session, user_id, voice)
    if adapter is None:
        return [voice]
    query = select(Adapter.id).where(Adapter.user_id == user_id, Adapter.title == adapter.title)
    return [str(adapter_id) for adapter_id in session.scalars(query)]


def _next_number(session: Session, user_id: UUID, voice: str | None) -> int | None:
    adapter = _own_adapter(session, user_id, voice) if voice else None
    if adapter is None:
        return None
    last = session.scalar(select(func.max(Run.number)).where(Run.user_id == user_id, Run.title == adapter.title))
    return max(last or 0, adapter.number) + 1


def _own_adapter(session: Session, user_id: UUID, voice: str) -> Adapter | None:
    try:
        adapter = session.get(Adapter, UUID(voice))
    except ValueError:
        return None
    return adapter if adapter is not None and adapter.user_id == user_id else None


def _of(session: Session, user_id: UUID, voice: str | None) -> list[ColumnElement[bool]]:
    mine: list[ColumnElement[bool]] = [Feedback.user_id == user_id]
    if voice is None:
        return mine
    named = checked_text(voice, field="voice", max_chars=MAX_NAME)
    return [*mine, Feedback.voice.in_(same_title(session, user_id, named))]


def _words(num_new: int, next_number: int | None) -> str:
    if next_number is None:
        return f"{num_new:,} of this voice kept or rejected"
    return f"{num_new:,} added to the feedback for v{next_number}"


def _text_of(session: Session, row: Generation, take: int) -> str:
    takes = row.takes if row.state.is_over else takes_so_far(session, row)[0]
    found = next((one["text"] for one in takes if one["index"] == take), "")
    if not found.strip():
        raise BadInput(f"This generation has no take {take} with words in it.", code="no_take", field="take")
    text = str(found).replace("\r\n", "\n").replace("\r", "\n")
    return NOT_TEXT.sub("", text)  # a voice may write what no lyric holds


def _part(text: str, line: int | None) -> tuple[str, str]:
    """What stands before a line of a text, and the line; with None the blank before the text, and the text.

    >>> _part("\\nThe tide is low\\n\\n  and the boats", 2)
    ('\\nThe tide is low\\n\\n  ', 'and the boats')
    """
    lines = list(_LINE.finditer(text))
    if line is None:
        return text[: lines[0].start()], text.strip()
    if not 1 <= line <= len(lines):
        raise BadInput(f"This take has {len(lines)} lines: there is no line {line}.", code="no_line", field="line")
    found = lines[line - 1]
    return text[: found.start()], found.group().rstrip()


def _before(row: Generation) -> str:
    """What stood before the text: the lyric so far, or of a deed the lines above its place."""
    if row.placed is None:
        return row.prompt
    above = row.prompt.split("\n")[: int(row.placed["line"]) - 1]
    return "".join(f"{line}\n" for line in above)


def _tail(prompt: str) -> str:
    """The last lines of a prompt: what a voice reads with a kept line."""
    lines: Sequence[str] = prompt.splitlines(keepends=True)[-MAX_PROMPT_LINES:]
    return "".join(lines)[-MAX_PROMPT_CHARS:]


def _check_room(session: Session, user_id: UUID) -> None:
    held = session.scalar(select(func.count()).select_from(Feedback).where(Feedback.user_id == user_id)) or 0
    if held >= MAX_ITEMS:
        raise AllowanceSpent(
            f"You have kept and rejected {MAX_ITEMS:,} lines, which is all there is room for.", code="feedback_full"
        )


def _used() -> Conflict:
    return Conflict(
        "This has gone into a dataset already: drop the song there, and freeze it again.", code="feedback_used"
    )


def _view(row: Feedback) -> FeedbackView:
    values = {name: getattr(row, name) for name in FeedbackView._fields}
    return FeedbackView(**values | {"line": row.line or None, "verdict": row.verdict.value})
