"""The page that asks for a training: which songs, which checkpoint, how much effort; and what that will cost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import dash
import dash_bootstrap_components as dbc
from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate
from pydantic import ValidationError

from app import adapter, dataset, dataset_version, generation, quote, run
from app.auth import Writer, settings
from app.db import unit_of_work
from app.errors import AppError, BadInput, NotFound, bad_input_of
from app.quote import QuoteView
from contracts.training import Effort, Quote, TrainRequest
from dashboards import offer
from dashboards.builder import (
    PATH,
    RUNS_PATH,
    VOICES_PATH,
    Place,
    builder,
    button,
    field,
    heading,
    nothing,
    plural,
    refusal,
    select,
)
from dashboards.words import duration, money, size

POLL_MS = 1_000
SONGS_NOTE = "A voice is trained on a frozen version, so that its card can say for ever what it has read."
EFFORTS = {
    Effort.QUICK: ("Quick", "A first look: does it catch the tone?"),
    Effort.STANDARD: ("Standard", "What most voices want."),
    Effort.THOROUGH: ("Thorough", "More passes and a larger adapter, for many songs."),
}
PHONEMES_NOTE = (
    "Part of the training is then about sound: spelling to phonemes and back, and couplets that truly rhyme, made from "
    "the songs themselves."
)
USUAL_SHARE = 20


class Number(NamedTuple):
    """A number that may be set by hand."""

    label: str
    low: float
    high: float
    step: float
    hint: str


NUMBERS = {
    "epochs": Number("Epochs", 0.05, 50, 0.05, "times that each song is read"),
    "learning_rate": Number("Learning rate", 1e-6, 1e-2, 1e-6, "at its highest"),
    "lora_rank": Number("LoRA rank", 1, 64, 1, "how much the adapter can hold"),
    "lora_alpha": Number("LoRA alpha", 0.5, 256, 0.5, "usually twice the rank"),
    "lora_dropout": Number("LoRA dropout", 0, 0.5, 0.01, "against learning by heart"),
    "max_len": Number("Longest song", 64, 2048, 1, "tokens kept whole"),
    "batch_tokens": Number("Batch", 256, 131_072, 1, "tokens for one update"),
    "weight_decay": Number("Weight decay", 0, 1, 0.01, ""),
    "warmup_share": Number("Warm-up", 0, 0.5, 0.01, "share of the updates"),
    "patience": Number("Patience", 1, 50, 1, "looks without gain, then it stops"),
    "num_evaluations": Number("Looks", 1, 50, 1, "at the held-out songs"),
    "seed": Number("Seed", 0, 2**31 - 1, 1, "the same again gives the same voice"),
}
SWITCHES = {
    "gradient_checkpointing": "Gradient checkpointing: less memory, more time",
    "eight_bit": "Base weights in 8 bits (needs a GPU)",
}
DIALS = ("version", "checkpoint", "effort", "has-phonemes", "phonemes", "dtype")
NOTHING = "none"
"""The choice of a menu that chooses nothing; the browser's menu shows an empty one as blank."""
KEPT: dict[str, Any] = {"persistence": True, "persistence_type": "session"}


class Prefill(NamedTuple):
    """What the form begins with."""

    version: str = ""
    request: TrainRequest | None = None
    title: str = ""
    before: str = ""


def page(writer: Writer, place: Place) -> tuple[list[Component], str]:
    """The form for a version, `/train/<dataset>/<number>`, or for the newest there is."""
    return _page(writer, Prefill(f"{place.thing}/{place.part}" if place.id and place.part else ""))


def again(writer: Writer, place: Place) -> tuple[list[Component], str]:
    """The form as an earlier run had it, to be sent with changes.

    Raises:
        NotFound: there is no such run, or it is somebody else's.
    """
    with unit_of_work() as session:
        view = run.get(session, writer.id, place.thing)
    version = f"{view.dataset.id}/{view.dataset.number}" if view.dataset and view.dataset.number else ""
    before = str(view.before_id or "")
    return _page(writer, Prefill(version, TrainRequest.model_validate(view.request), view.title, before))


def better(writer: Writer, place: Place) -> tuple[list[Component], str]:
    """The form for the next version of a voice: its settings, the newest songs, and itself to be held against.

    Raises:
        NotFound: there is no such voice, or it is somebody else's.
    """
    with unit_of_work() as session:
        own = adapter.get(session, writer.id, place.name)
        if own.is_shared:
            raise NotFound("This voice was not trained here: there is no training to go on from.")
        view = run.get(session, writer.id, UUID(own.id))
        versions = dataset_version.find(session, writer.id, view.dataset.id) if view.dataset else []
    version = f"{view.dataset.id}/{versions[0].number}" if view.dataset and versions else ""
    return _page(writer, Prefill(version, TrainRequest.model_validate(view.request), view.title, own.id))


def _page(writer: Writer, given: Prefill) -> tuple[list[Component], str]:
    title = "Train a voice"
    head = heading(title, crumbs=[("Voices", VOICES_PATH), ("Training", RUNS_PATH)])
    with unit_of_work() as session:
        versions = _versions(session, writer.id)
        own = [view for view in adapter.find(session, writer.id) if not view.is_shared]
    if not versions:
        note = html.P(dcc.Link("To the datasets", href=PATH, id="train-to-datasets", className="button primary"))
        return [head, nothing("There is no frozen version yet.", SONGS_NOTE), note], title
    request = given.request
    chosen = given.version if given.version in versions else next(iter(versions))
    names = {NOTHING: "Only the bare checkpoint"} | {str(view.id): f"{view.title} v{view.number}" for view in own}
    form = [
        select("train-version", versions, chosen, "Songs"),
        _checkpoint(request),
        _efforts(request),
        _phonemes(request),
        field(
            "Title",
            dcc.Input(
                id="train-title",
                type="text",
                value=given.title or _name(versions[chosen]),
                maxLength=run.MAX_TITLE,
                autoComplete="off",
                **KEPT,
            ),
            "Used again, a title gets the next number: v2, v3.",
        ),
        select("train-before", names, given.before if given.before in names else NOTHING, "To be better than"),
        _advanced(request),
    ]
    for control in (form[0], form[5]):
        _keep(control)
    stores = [
        dcc.Store(id="train-terms"),
        dcc.Store(id="train-titles", data={view.title: str(view.id) for view in reversed(own)}),
        dcc.Interval(id="train-poll", interval=POLL_MS, disabled=True),
    ]
    quote = html.Aside(
        [
            html.Div(id="quote", **{"aria-live": "polite"}),
            button("train-start", "Train", "primary", disabled=True, **{"aria-describedby": "train-why"}),
            html.P(id="train-why", className="hint"),
            html.Div(id="train-refusal"),
        ],
        className="statement quote",
        **{"aria-label": "What it will take"},
    )
    return [*stores, head, html.Div([html.Section(form, className="statement"), quote], className="train-room")], title


def _keep(control: Component) -> None:
    """Let a menu of the browser survive a reload."""
    for child in control.children:
        if isinstance(child, dbc.Select):
            child.persistence, child.persistence_type = True, "session"


def _versions(session: Any, user_id: UUID) -> dict[str, str]:
    """All frozen versions of this person, by `dataset/number`; those of the dataset that changed last first."""
    found = {}
    for view in dataset.find(session, user_id):
        if view.num_versions:
            for one in dataset_version.find(session, user_id, view.id):
                found[f"{view.id}/{one.number}"] = (
                    f"{view.name}, version {one.number} ({plural(one.counts.get('songs', 0), 'song')})"
                )
    return found


def _name(version: str) -> str:
    """The dataset's name, which a first voice of it may well have."""
    return version.rpartition(", version")[0][: run.MAX_TITLE]


def _checkpoint(request: TrainRequest | None) -> Component:
    try:
        cards = [card for card in generation.shared_voices() if card.kind == "checkpoint" and card.state != "refused"]
    except AppError as error:
        return html.Div([html.B("Checkpoint"), refusal(error.message, "checkpoint")], className="field")
    options = {card.id: _sized(card.title or card.id, size(card.num_parameters)) for card in cards}
    wanted = request.checkpoint if request else ""
    chosen = wanted if wanted in options else next(iter(options), "")
    menu = select("train-checkpoint", options, chosen, "Checkpoint")
    _keep(menu)
    return menu


def _sized(title: str, num: str) -> str:
    return title if num in title else f"{title} {num}"


def _efforts(request: TrainRequest | None) -> Component:
    chosen = (request.effort if request else Effort.QUICK).value
    cards = dcc.RadioItems(id="train-effort", options=effort_cards({}), value=chosen, className="efforts", **KEPT)
    return html.Fieldset([html.Legend("Effort"), cards], className="field")


def effort_cards(quotes: dict[Effort, Quote]) -> list[dict[str, Any]]:
    """The one dial, with what each of its places takes once that is known."""
    options = []
    for effort, (title, words) in EFFORTS.items():
        offer = quotes.get(effort)
        cost = f"{duration(60 * offer.minutes)}, {money(offer.price_cents)}" if offer else "\u2013"
        options.append({"value": effort.value, "label": f"{title}\n{cost}\n{words}"})
    return options


def _phonemes(request: TrainRequest | None) -> Component:
    share = request.phonemes if request else 0.0
    switch = dbc.Checkbox(id="train-has-phonemes", label="Phoneme tasks", value=share > 0, **KEPT)
    slider = dcc.Input(
        id="train-phonemes", type="range", min=5, max=50, step=5, value=round(100 * share) or USUAL_SHARE, **KEPT
    )
    shown = html.Label(["Share of the training ", html.B(id="train-phonemes-words")], htmlFor="train-phonemes")
    return html.Div(
        [
            switch,
            html.P(PHONEMES_NOTE, className="hint"),
            html.Div([shown, slider], id="train-share", className="field"),
        ],
        className="field",
    )


def _advanced(request: TrainRequest | None) -> Component:
    told = request.advanced.model_dump() if request else {}
    numbers = [
        field(
            number.label,
            dcc.Input(
                id=f"advanced-{name}",
                type="number",
                inputMode="decimal",
                min=number.low,
                max=number.high,
                step=number.step,
                value=told.get(name),
                debounce=0.4,
                **KEPT,
            ),
            number.hint,
        )
        for name, number in NUMBERS.items()
    ]
    switches = [
        dbc.Checkbox(id=f"advanced-{name}", label=words, value=bool(told.get(name)), **KEPT)
        for name, words in SWITCHES.items()
    ]
    kinds = {NOTHING: "By itself", "bfloat16": "bfloat16", "float32": "float32"}
    precision = select("train-dtype", kinds, told.get("dtype") or NOTHING, "Precision")
    _keep(precision)
    is_open = any(value is not None for value in told.values())
    return html.Details(
        [
            html.Summary("Advanced", id="train-advanced"),
            html.P("What is left empty is chosen by the effort and the size of the dataset.", className="hint"),
            html.Div([*numbers, precision], className="numbers"),
            *switches,
        ],
        className="advanced",
        open=is_open,
    )


class Asked(NamedTuple):
    """The form as it stands."""

    dataset_id: UUID
    number: int
    request: TrainRequest


def asked(
    version: str | None,
    checkpoint: str | None,
    effort: str | None,
    has_phonemes: bool | None,
    share: float | None,
    dtype: str | None,
    *numbers: Any,
) -> Asked:
    """What the form asks for.

    Raises:
        BadInput: something in it is not as it must be, in words.
    """
    if not version or not checkpoint:
        raise BadInput("Choose the songs and a checkpoint.", field="checkpoint")
    names = (*NUMBERS, *SWITCHES)
    told = {name: value for name, value in zip(names, numbers, strict=True) if value not in (None, "", False)}
    values = {
        "checkpoint": checkpoint,
        "effort": effort or Effort.QUICK.value,
        "phonemes": float(share or USUAL_SHARE) / 100 if has_phonemes else 0,
        "advanced": told | ({"dtype": dtype} if dtype and dtype != NOTHING else {}),
    }
    try:
        request = TrainRequest.model_validate(values)
    except ValidationError as error:
        raise bad_input_of(error) from None
    dataset_id, _, number = version.rpartition("/")
    return Asked(UUID(dataset_id), int(number), request)


def reckon(_ticks: int | None, _touched: object, *dials: Any) -> tuple[Any, Any, Any, Any]:
    """What the form as it stands will take: the quote, the effort's cards, the terms, and whether all is known."""
    try:
        wanted = asked(*dials)
        found = quotes_of(wanted)
    except AppError as error:
        return refusal(error.message, error.field or ""), effort_cards({}), {"why": error.message}, True
    view = found[wanted.request.effort]
    is_known = view.quote is not None or view.job is None or view.job.is_over
    known = {effort: Quote.model_validate(one.quote) for effort, one in found.items() if one.quote}
    if view.quote is None:
        return offer.measuring(view), effort_cards({}), {"why": offer.why_not(view), "config": view.config}, is_known
    terms = {"max_minutes": view.quote["max_minutes"], "why": " ".join(view.refusals), "config": view.config}
    return offer.quoted(view, known[wanted.request.effort]), effort_cards(known), terms, is_known


def quotes_of(wanted: Asked) -> dict[Effort, QuoteView]:
    """The quote of what the form asks for; with it, once that is known, those of the other efforts."""
    found: dict[Effort, QuoteView] = {}
    with unit_of_work() as session:
        for effort in (wanted.request.effort, *EFFORTS):
            if effort not in found:
                request = wanted.request.model_copy(update={"effort": effort})
                found[effort] = quote.ask(session, settings(), builder().id, wanted.dataset_id, wanted.number, request)
            if found[effort].quote is None:
                break  # what is not measured yet is so for all
    return found


def settle(terms: dict[str, Any] | None) -> list[str]:
    """What stands in the numbers that nobody has set: what would be used."""
    config = (terms or {}).get("config") or {}
    return [f"{config[name]:g}" if name in config else "" for name in NUMBERS]


def dress(title: str | None, terms: dict[str, Any] | None) -> tuple[bool, str]:
    """Whether the training can be asked for, and why not."""
    if not terms or terms.get("why"):
        return True, "" if not terms else "Not yet: see above." if "max_minutes" in terms else str(terms["why"])
    if not (title or "").strip():
        return True, "Give the voice a title."
    return False, "It goes on when you leave, and waits its turn when another of yours is at work."


def show_share(has_phonemes: bool | None, share: float | None) -> tuple[bool, str]:
    """The slider stands only where it does something."""
    return not has_phonemes, f"{share or USUAL_SHARE:g} %"


def suggest(title: str | None, titles: dict[str, str] | None, before: str | None) -> str:
    """A title that is used again: the newest of that title is what the new one is held against."""
    known = (titles or {}).get((title or "").strip())
    if known is None or known == before:
        raise PreventUpdate
    return known


def start(
    clicks: int | None, title: str | None, before: str | None, terms: dict[str, Any] | None, *dials: Any
) -> tuple[Any, Any, Any]:
    """Begin; to the run's page. What went wrong, and that the quote is to be looked at again, when it did not."""
    if not clicks or not terms:
        raise PreventUpdate
    try:
        wanted = asked(*dials)
        with unit_of_work() as session:
            made = run.start(
                session,
                settings(),
                builder().id,
                wanted.dataset_id,
                wanted.number,
                request=wanted.request,
                title=title or "",
                before_id=UUID(before) if before and before != NOTHING else None,
                max_minutes=terms["max_minutes"],
            )
    except AppError as error:
        return refusal(error.message, error.field or ""), dash.no_update, datetime.now(UTC).timestamp()
    return [], f"{RUNS_PATH}/{made.id}", dash.no_update


def register(dash_app: Dash) -> None:
    """Wire the page."""
    late: dict[str, Any] = {"prevent_initial_call": True}
    callback = dash_app.callback
    dials = [(f"train-{name}", "value") for name in DIALS]
    dials += [(f"advanced-{name}", "value") for name in (*NUMBERS, *SWITCHES)]
    asked_anew = Input("train-poll", "n_intervals"), Input("touched", "data")
    told = [
        Output("quote", "children"),
        Output("train-effort", "options"),
        Output("train-terms", "data"),
        Output("train-poll", "disabled"),
    ]
    callback(*told, *asked_anew, *(Input(*dial) for dial in dials))(reckon)
    may = Output("train-start", "disabled"), Output("train-why", "children")
    callback(*may, Input("train-title", "value"), Input("train-terms", "data"))(dress)
    callback([Output(f"advanced-{name}", "placeholder") for name in NUMBERS], Input("train-terms", "data"))(settle)
    shared = Output("train-share", "hidden"), Output("train-phonemes-words", "children")
    callback(*shared, Input("train-has-phonemes", "value"), Input("train-phonemes", "value"))(show_share)
    against = State("train-titles", "data"), State("train-before", "value")
    callback(Output("train-before", "value"), Input("train-title", "value"), *against, **late)(suggest)
    given = [State("train-title", "value"), State("train-before", "value"), State("train-terms", "data")]
    begun = [
        Output("train-refusal", "children"),
        Output("url", "pathname", allow_duplicate=True),
        Output("touched", "data", allow_duplicate=True),
    ]
    pressed = Input("train-start", "n_clicks")
    callback(*begun, pressed, *given, *(State(*dial) for dial in dials), **late)(start)
