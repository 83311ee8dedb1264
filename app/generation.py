"""The verbs of a generation: start, follow, cancel, look at.

Starting checks the request, reserves the allowance and stores the row in one transaction; then the relay runs it.
What was not used comes back when it ends. Knows nothing of HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import form as forms
from app.db import unit_of_work
from app.ear import phones_by_word
from app.errors import AllowanceSpent, BadInput, NotFound, TooMany, bad_input_of
from app.lyric import get as get_lyric
from app.lyric import keep_version
from app.plain_text import checked_text
from app.relay import Relay
from contracts.wire import MAX_NAME, MAX_PROMPT_CHARS, MAX_TOKENS, CompletionRequest, Offer, SamplingParams, VoiceCard
from lyrics.form import Form
from lyrics.place import Kind, Misplaced, Placed, as_stanza, place
from models import Adapter, Generation, VersionReason
from models.account import account_of, reserve_tokens
from models.generation import (
    Ending,
    EventRow,
    GenerationState,
    done_payload,
    events_after,
    failure_payload,
    give_up_lost,
    num_open,
    num_takes,
    request_cancel,
    take_events,
    takes_so_far,
)

ANSWER_S = 0.3
"""How long `start` waits to hear whether the service takes the request, so that a full queue is told at once."""
HEARTBEAT_S = 5.0
LOOK_AGAIN_S = 0.25
SPARE_STREAMS = 4
TERMINAL = ("done", "error")
MAX_CRAFTED = 4
"""Crafted texts of one writer at once: each line of one takes as many places as a fast text of several takes."""
TOKENS_A_SYLLABLE, TOKENS_A_LINE = 3, 4
"""What a line may cost at most: a syllable of a rare word is spelled in three tokens; marks and the line's end."""


class Deed(BaseModel):
    """What to do at the line that holds the cursor, counted from 1, blank lines too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    line: int = Field(ge=1, le=MAX_PROMPT_CHARS + 1)


class Request(SamplingParams):
    """What a writer asks for. `prompt` is the lyric so far.

    With a `form`, the text keeps it, and `max_tokens` and `stop` say nothing. With a `deed` too, `form` is that of a
    whole stanza and `prompt` the whole lyric: what is to be written is worked out from the line of the deed.
    """

    voice: str = Field(min_length=1, max_length=MAX_NAME)
    prompt: str
    lyric_id: UUID | None = None
    form: Form | None = None
    deed: Deed | None = None


class Started(NamedTuple):
    """A generation that has begun. `placed` says where the text goes, when the request had a deed."""

    id: UUID
    events_url: str
    placed: dict[str, Any] | None = None


_relay: Relay | None = None


def bind(relay: Relay) -> None:
    """Make the verbs use this relay; the factory calls it once."""
    global _relay  # one process has one relay
    _relay = relay


def relay() -> Relay:
    """This process's relay."""
    if _relay is None:
        raise RuntimeError("the relay is not bound: create_app() does it")
    return _relay


def events_url(generation_id: UUID) -> str:
    """Where the events of a generation are read."""
    return f"/api/v1/generations/{generation_id}/events"


def shared_voices() -> list[VoiceCard]:
    """The checkpoints, and the adapters that are everybody's.

    Raises:
        VoicesAway: the inference service does not answer.
    """
    return relay().voices().data


def voices(session: Session, writer_id: UUID | None) -> list[VoiceCard]:
    """What a writer may choose: their own published adapters, the newest first, and what is everybody's.

    `writer_id` is None for somebody whom we do not know.

    Raises:
        VoicesAway: the inference service does not answer.
    """
    shared = shared_voices()
    if writer_id is None:
        return shared
    published = select(Adapter).where(
        Adapter.user_id == writer_id, Adapter.published_at.is_not(None), Adapter.deleted_at.is_(None)
    )
    rows = session.scalars(published.order_by(Adapter.is_live.desc(), Adapter.created_at.desc(), Adapter.id))
    return [_voice_of(row, shared) for row in rows] + shared


def check_voice(session: Session, writer_id: UUID, voice: str) -> None:
    """Whether a voice can write for this person, in the menu or not.

    Raises:
        BadInput: there is no such voice, or it cannot serve; with the reason.
        VoicesAway: the inference service does not answer.
    """
    known = {card.id: card for card in voices(session, writer_id)}
    if voice not in known and (card := _unpublished(session, writer_id, voice)):
        known[voice] = card
    if voice not in known:
        names = ", ".join(sorted(known)[:8]) or "none yet: add one with `ghost checkpoints add`"
        raise BadInput(
            f"There is no voice called {voice[:80]!r}. Voices: {names}.", code="unknown_voice", field="voice"
        )
    if known[voice].state == "refused":
        raise BadInput(
            f"The voice {voice!r} cannot serve: {known[voice].reason}. Choose another.",
            code="voice_refused",
            field="voice",
        )


def _voice_of(adapter: Adapter, shared: list[VoiceCard]) -> VoiceCard:
    """An adapter as an entry of the menu. It serves as long as its base does."""
    base = next((card for card in shared if card.id == adapter.base and card.kind == "checkpoint"), None)
    if base is None:
        reason = f"its base {adapter.base} is not on this server any more"
    else:
        reason = base.reason and f"its base {adapter.base} cannot serve: {base.reason}"
    return VoiceCard(
        id=str(adapter.id),
        kind="adapter",
        base=adapter.base,
        number=adapter.number,
        created=int(adapter.created_at.timestamp()),
        owned_by=str(adapter.user_id),
        title=adapter.title,
        licence=str(adapter.manifest.get("licence") or (base.licence if base else "")),
        source="trained here",
        architecture=base.architecture if base else "",
        num_parameters=base.num_parameters if base else 0,
        max_len=base.max_len if base else 0,
        state="refused" if reason else "cold",
        reason=reason,
    )


def parse(values: dict[str, Any]) -> Request:
    """A request out of untrusted values.

    Raises:
        BadInput: with the field at fault.
    """
    given = values.get("form")
    try:
        return Request.model_validate(values if given is None else values | {"form": forms.parse(given)})
    except ValidationError as error:
        raise bad_input_of(error) from None


def start(session: Session, writer_id: UUID, request: Request, *, answer_s: float = ANSWER_S) -> Started:
    """Reserve the allowance, store the row, and let the text begin. Commits.

    `answer_s` is how long to wait for the service's word on it; what it refuses later is said in the generation.

    Raises:
        BadInput: the prompt is empty, too long or not text, there is no such voice, or nothing can be written there.
        NotFound: `lyric_id` is not a lyric of this writer.
        AllowanceSpent: fewer tokens are left than may be written.
        ImpossibleForm: no text can keep the form; later than `ANSWER_S` that comes as the `error` event.
        TooMany: this writer, or the service, has too much going on.
        ServiceAway: the service does not answer.
    """
    prompt = _checked_prompt(request)
    placed = _placed(prompt, request)
    check_voice(session, writer_id, request.voice)
    if request.lyric_id:
        get_lyric(session, writer_id, request.lyric_id)
        keep_version(session, writer_id, request.lyric_id, VersionReason.BEFORE_WRITE)
    params = SamplingParams.model_validate(request.model_dump(include=set(SamplingParams.model_fields)))
    form = placed.form if placed else request.form
    row = Generation(
        user_id=writer_id,
        lyric_id=request.lyric_id,
        voice=request.voice,
        prompt=prompt,
        params=params.model_dump(mode="json"),
        form=request.form.model_dump(mode="json") if request.form else None,
        deed=request.deed.model_dump() if request.deed else None,
        placed=_shown(placed),
        tokens_reserved=_reserve(
            session, writer_id, _bound(params, form), is_crafted=bool(form and form.mode == "crafted")
        ),
    )
    session.add(row)
    session.commit()
    asked = CompletionRequest(
        model=request.voice,
        user=str(writer_id),
        prompt=placed.prompt if placed else prompt,
        stream=True,
        framed=True,
        form=form.model_dump(mode="json") if form else None,
        pronunciations=phones_by_word(session, writer_id) if form else {},
        **params.model_dump(),
    )
    live = relay().launch(row.id, asked, row.num_takes, lambda offers: _as_asked(request, placed, offers))
    if live.answered.wait(answer_s) and live.refusal and not live.num_events:
        raise live.refusal
    return Started(row.id, events_url(row.id), row.placed)


def cancel(session: Session, writer_id: UUID, generation_id: UUID) -> None:
    """Stop it; the text so far stays, and only what was written is charged. Stopping twice is fine. Commits."""
    _own(session, writer_id, generation_id)
    request_cancel(session, generation_id)
    session.commit()
    relay().stop(generation_id)


def view(session: Session, writer_id: UUID, generation_id: UUID) -> dict[str, Any]:
    """The generation as the API shows it; while it runs, `takes` are as far as they are stored."""
    row = _own(session, writer_id, generation_id)
    takes = row.takes if row.state.is_over else takes_so_far(session, row)[0]
    failed = row.state is GenerationState.FAILED
    return {
        "id": str(row.id),
        "state": row.state.value,
        "voice": row.voice,
        "prompt": row.prompt,
        "params": row.params,
        "form": row.form,
        "deed": row.deed,
        "placed": row.placed,
        "lyric_id": str(row.lyric_id) if row.lyric_id else None,
        "takes": takes,
        "usage": done_payload(_ending_of(row))["usage"],
        "error": failure_payload(_ending_of(row)) if failed else None,
        "created_at": row.created_at.isoformat(),
        "finished_at": row.finished_at.isoformat() if row.finished_at else None,
        "events_url": events_url(row.id),
    }


def events(writer_id: UUID, generation_id: UUID, after: int = 0) -> Iterator[EventRow | None]:
    """The events after number `after`, as they come, to the last; None now and then while nothing comes.

    Raises:
        NotFound: at once, when it is not this writer's.
    """
    with unit_of_work() as session:
        _own(session, writer_id, generation_id)
    return _follow(generation_id, after)


def max_streams(writer_id: UUID) -> int:
    """How many streams this writer may follow at once: a few more than texts, since a lost line is noticed late."""
    with unit_of_work() as session:
        return account_of(session, writer_id).max_generations + SPARE_STREAMS


def _follow(generation_id: UUID, after: int) -> Iterator[EventRow | None]:
    with relay().reading(generation_id) as live:
        for event in live.read(after, HEARTBEAT_S) if live else ():
            yield event
            if event:
                after = event.seq
                if event.kind in TERMINAL:
                    return
    yield from _follow_table(generation_id, after)


def _follow_table(generation_id: UUID, after: int) -> Iterator[EventRow | None]:
    """Read a generation that is over, or that another process runs."""
    quiet_since = time.monotonic()
    while True:
        with unit_of_work() as session:
            give_up_lost(session)
            row = session.get_one(Generation, generation_id)
            stored = events_after(session, generation_id, after)  # after the state was read: none can be missed
            rows = [EventRow(generation_id, e.seq, e.kind, e.payload) for e in stored]
        if row.state.is_over and not any(event.kind in TERMINAL for event in rows):
            rows += _retold(row, after + len(rows))
        for event in rows:
            yield event
            after, quiet_since = event.seq, time.monotonic()
        if row.state.is_over:
            return
        if time.monotonic() - quiet_since > HEARTBEAT_S:
            yield None
            quiet_since = time.monotonic()
        time.sleep(LOOK_AGAIN_S)


def _retold(row: Generation, after: int) -> list[EventRow]:
    """The last event again, for who asks past the end; with the takes before it where the events were cleared away."""
    takes = row.takes if after == 0 else []
    events = [event for take in takes for event in take_events(take)]
    told = [EventRow(row.id, seq, kind, payload) for seq, (kind, payload) in enumerate(events, start=1)]
    ending = _ending_of(row)
    failed = row.state is GenerationState.FAILED
    kind, payload = ("error", failure_payload(ending)) if failed else ("done", done_payload(ending))
    return [*told, EventRow(row.id, after + len(told) + 1, kind, payload)]


def _ending_of(row: Generation) -> Ending:
    error = (row.error_code, row.error_message, row.error_offers)
    return Ending(row.state, row.takes, row.tokens_used, row.prompt_tokens, *error)


def _own(session: Session, writer_id: UUID, generation_id: UUID) -> Generation:
    row = session.get(Generation, generation_id)
    if row is None or row.user_id != writer_id:
        raise NotFound("There is no such generation of yours.")
    return row


def _checked_prompt(request: Request) -> str:
    text = checked_text(request.prompt, field="prompt", max_chars=MAX_PROMPT_CHARS)
    if not text.strip() and not (request.deed and request.deed.kind == "verse"):
        raise BadInput(
            "The prompt is empty: type a first line for the voice to go on from.", code="empty_prompt", field="prompt"
        )
    return text


def _placed(prompt: str, request: Request) -> Placed | None:
    if request.deed is None:
        return None
    if request.form is None:
        raise BadInput("A deed needs the form of its stanza: send `form` too, such as {}.", field="form")
    try:
        return place(prompt, request.form, request.deed.kind, request.deed.line)
    except Misplaced as error:
        message = str(error)
        raise BadInput(f"{message[0].upper()}{message[1:]}.", code="misplaced", field="deed.line") from None


def _as_asked(request: Request, placed: Placed | None, offers: list[Offer]) -> list[Offer]:
    """The offers as forms that can be sent in place of the one that was asked for."""
    found = []
    for offer in offers:
        try:
            form = Form.model_validate(offer.form)
            if placed and request.form:
                form = as_stanza(request.form, placed, form)
        except ValidationError:  # what is free in a line need not be in its stanza
            continue
        found.append(Offer(words=offer.words, form=form.model_dump(mode="json")))
    return found


def _shown(placed: Placed | None) -> dict[str, Any] | None:
    """Where the text goes, as the API tells it."""
    if placed is None:
        return None
    return {key: value for key, value in placed._asdict().items() if key not in ("prompt", "form", "position")}


def _bound(params: SamplingParams, form: Form | None) -> int:
    """The most tokens that may be written."""
    if form is None:
        return params.n * params.max_tokens
    lines = (TOKENS_A_SYLLABLE * line.max_syllables + TOKENS_A_LINE for line in form.line_forms())
    return num_takes(form.model_dump(), params.n) * min(MAX_TOKENS, sum(lines))


def _unpublished(session: Session, writer_id: UUID, voice: str) -> VoiceCard | None:
    """An adapter of this writer that is not in the menu, to be tried by its id."""
    try:
        adapter_id = UUID(voice)
    except ValueError:
        return None
    found = select(Adapter).where(Adapter.id == adapter_id, Adapter.user_id == writer_id, Adapter.deleted_at.is_(None))
    row = session.scalar(found)
    return _voice_of(row, shared_voices()) if row else None


def _reserve(session: Session, writer_id: UUID, needed: int, *, is_crafted: bool) -> int:
    if not reserve_tokens(session, writer_id, needed):
        account = account_of(session, writer_id)
        renewal = (
            f"It is filled up again on {account.renews_at:%d %B %Y}." if account.renews_at else "Sign up for more."
        )
        raise AllowanceSpent(
            f"This needs up to {needed:,} tokens and {account.tokens_left:,} are left. "
            f"Ask for a shorter text or fewer takes. {renewal}"
        )
    # The update above holds the account's row, so two requests of one writer are counted one after the other.
    limit = account_of(session, writer_id).max_generations
    if num_open(session, writer_id) >= limit:
        raise TooMany(
            f"You have {limit} texts being written already. Wait for one to end, or stop it.",
            code="too_many_generations",
            retry_after_s=5,
        )
    if is_crafted and num_open(session, writer_id, crafted=True) >= MAX_CRAFTED:
        raise TooMany(
            f"You have {MAX_CRAFTED} crafted texts being written already, which take many lines each. Wait for one to "
            "end, stop it, or ask in fast mode.",
            code="too_many_generations",
            retry_after_s=5,
        )
    return needed
