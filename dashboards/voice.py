"""The card of a voice: what it was made of, how it compares, what it writes; publish, retire, download, delete."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from uuid import UUID

import dash
from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from app import adapter
from app.adapter import AdapterView
from app.auth import Writer
from app.db import unit_of_work
from app.errors import AppError
from dashboards import board, cards, plots
from dashboards.builder import (
    COMPARE_PATH,
    RIGHTS,
    RUNS_PATH,
    VOICES_PATH,
    Place,
    address_of,
    builder,
    button,
    field,
    heading,
    plural,
    refusal,
    source_name,
)
from dashboards.voices import name_of, tags
from dashboards.words import duration, money, size

Shown = list[Component]
MEASURES: tuple[tuple[str, str, str, Callable[[float], str], bool | None], ...] = (
    ("bits_per_byte", "Bits a byte", "of held-out songs; less is better", "{:.3f}".format, False),
    ("rhyme_rate", "Rhyme", "of lines written without a form", "{:.1%}".format, True),
    ("metre_rate", "Metre", "of lines written without a form", "{:.1%}".format, True),
    ("copied_share", "Copied", "of lines stand in the training songs", "{:.1%}".format, False),
    ("longest_copy", "Longest copy", "words in a row from a training song", "{:.0f}".format, False),
    ("distinct_2", "Variety", "of its pairs of words are different", "{:.2f}".format, True),
    ("explicit_share", "Explicit", "of lines", "{:.1%}".format, None),
)
"""What the table compares; the last says whether more is better, None that it is neither."""
AGREED = (
    "Worse at none of the measures that count: bits a byte (by half a percent at the most), lines copied (1 % at the "
    "most) and variety (a fifth less at the most)."
)
"""`contracts.training.what_is_worse`, in words."""
LEAST_GAIN = {"bits_per_byte": 0.005, "distinct_2": 0.05}
"""Smaller differences, as shares, are not marked; those of rates are held against chance."""


def page(writer: Writer, place: Place) -> tuple[Shown, str]:
    """The card and its title.

    Raises:
        NotFound: there is no such voice, or it is somebody else's.
    """
    with unit_of_work() as session:
        view = adapter.get(session, writer.id, place.name)
    card = view.card or {}
    return [
        dcc.Store(id="voice-id", data=view.id),
        heading(name_of(view), crumbs=[("Voices", VOICES_PATH)]),
        html.Div(
            [html.Div(state(view), id="voice-state"), html.Div(deeds(view), id="voice-deeds")], className="voice-head"
        ),
        html.Div(id="voice-refusal"),
        *cards.section(writer, view),
        html.Div([_table(card), _facts(view, card)], className="voice-room"),
        *_curves(card),
        *_samples(card),
    ], name_of(view)


def state(view: AdapterView) -> Shown:
    """Where it stands, and where it falls behind."""
    shown: Shown = [html.Div(tags(view), className="tags")]
    if view.worse:
        lines = html.Ul([html.Li(words) for words in view.worse])
        shown.append(
            html.Div([html.B("Worse than what it would replace"), lines], className="unread", id="voice-worse")
        )
    elif not view.is_shared:
        shown.append(html.P(AGREED, className="hint"))
    if view.compared:
        shown.append(html.P([html.B("Compared unseen: "), view.compared], id="voice-compared"))
    if view.reason:
        shown.append(html.P([html.B("Published all the same: "), view.reason], id="voice-reason-given"))
    return shown


def deeds(view: AdapterView) -> Shown:
    """What can be done with a voice as it is."""
    write = dcc.Link("Write with it", href=f"/?voice={view.id}", id="voice-write", className="button primary")
    load = html.A(
        "Download", href=f"/api/v1/adapters/{view.id}/download", id="voice-download", className="button", download=""
    )
    if view.is_shared:
        return [html.Div([write, load], className="actions")]
    further = [
        dcc.Link("Keep and reject", href=f"{VOICES_PATH}/{view.id}/cards", id="voice-cards", className="button"),
        dcc.Link("Compare", href=COMPARE_PATH, id="voice-compare", className="button"),
        dcc.Link("Its training", href=f"{RUNS_PATH}/{view.id}", id="voice-run", className="button"),
    ]
    sure = [
        html.P("It leaves the menu and the files at once. Its training stays. This cannot be undone."),
        button("voice-delete", f"Delete {name_of(view)}", "small danger"),
    ]
    summary = html.Summary("Delete", id="voice-delete-open", className="button quiet")
    delete = html.Details([summary, html.Div(sure, className="menu")], className="popover")
    publish = html.Div(_publish(view), className="publish")
    return [publish, html.Div([write, *further, load, delete], className="actions")]


def _publish(view: AdapterView) -> Shown:
    """In or out of the menu. The field for the reason is always there, since its callback asks for it."""
    reason = dcc.Input(id="voice-reason", type="text", maxLength=adapter.MAX_REASON, autoComplete="off")
    needs_reason = bool(view.worse) and not view.is_live
    asked = html.Div(
        field("Why publish it all the same?", reason, "Say it, and it goes with the voice."), hidden=not needs_reason
    )
    words = "Make it live again" if view.published_at else "Publish"
    make = [] if view.is_live else [button("voice-publish", words, "" if needs_reason else "primary")]
    retire = [button("voice-retire", "Retire", title="Out of the menu; the version before is live again.")]
    return [asked, html.Div([*make, *(retire if view.published_at else [])], className="actions")]


def _table(card: dict[str, Any]) -> Component:
    """The same measures of the bare checkpoint, of the version before and of this one."""
    table = card.get("table") or {}
    columns = [(key, words) for key, words in COLUMNS.items() if table.get(key)]
    if not columns:
        return html.Section([html.H2("Compared"), html.P("It was not measured.", className="hint")], id="voice-table")
    head = html.Tr([html.Th("", scope="col"), *(html.Th(words, scope="col") for _, words in columns)])
    rows = [
        html.Tr(
            [
                html.Th([title, html.Small(hint)], scope="row"),
                *(
                    html.Td(shown(float(table[key][name])), className=_mark(table, key, name, more))
                    for key, _ in columns
                ),
            ],
            id=f"measure-{name}",
        )
        for name, title, hint, shown, more in MEASURES
    ]
    lines = int(table.get("adapter", {}).get("num_lines", 0))
    note = f"On the same held-out songs and beginnings; {plural(lines, 'line')} written without any form."
    body = html.Div(
        html.Table([html.Thead(head), html.Tbody(rows)], className="measures"), className="scrolled", tabIndex=0
    )
    return html.Section([html.H2("Compared"), body, html.P(note, className="hint")], id="voice-table")


COLUMNS = {"bare": "Bare checkpoint", "before": "Version before", "adapter": "This voice"}


def _mark(table: dict[str, Any], key: str, name: str, more: bool | None) -> str:
    """How this voice's figure stands against what it would replace."""
    against = table.get("before") or table.get("bare")
    if key != "adapter" or more is None or not against or not _tells(table[key], against, name):
        return ""
    return "better" if (table[key][name] > against[name]) is more else "worse"


def _tells(new: dict[str, Any], old: dict[str, Any], name: str) -> bool:
    """Whether a difference is more than chance: of rates two standard errors by the lines that they were counted in."""
    gap = abs(new[name] - old[name])
    if name in LEAST_GAIN:
        return bool(gap > LEAST_GAIN[name] * old[name])
    if not name.endswith(("_rate", "_share")):
        return bool(gap > 0)
    variance = sum(one[name] * (1 - one[name]) / max(1, one["num_lines"]) for one in (new, old))
    return bool(gap > 2 * math.sqrt(variance))


def _facts(view: AdapterView, card: dict[str, Any]) -> Component:
    """What it was made of, and what that took."""
    songs, base, config = card.get("dataset") or {}, card.get("base") or {}, card.get("config") or {}
    cost, machine = card.get("cost") or {}, card.get("environment") or {}
    entries: list[tuple[str, str, Any]] = []
    if songs:
        entries += [("songs", "Songs", _songs(songs)), ("rights", "Rights", _counted(songs.get("rights"), RIGHTS))]
        sources = {source_name(key): number for key, number in (songs.get("sources") or {}).items()}
        entries.append(("sources", "Words from", _counted(sources, {})))
    entries.append(("base", "Base", _base(view, base)))
    if config:
        entries.append(("config", "Trained", _config(config, cost)))
        entries.append(("seed", "Seed", str(card.get("seed", config.get("seed", "")))))
    if cost:
        entries += [("time", "Time", _time(cost)), ("price", "Price", _price(cost))]
    if machine:
        entries.append(("machine", "Made with", ", ".join(f"{key} {value}" for key, value in machine.items() if value)))
    entries.append(("licence", "Licence", view.licence or "as its base"))
    if view.size_bytes:
        entries.append(("size", "Size", f"{view.size_bytes / 1e6:.1f} MB"))
    shown = [html.Div([html.Dt(label), html.Dd(value, id=f"voice-{name}")]) for name, label, value in entries]
    return html.Section([html.H2("Made of"), html.Dl(shown, className="match")], id="voice-facts")


def _songs(songs: dict[str, Any]) -> Any:
    """The version that it was trained on, as a link where it is one's own."""
    number = songs.get("number")
    name = f"{songs.get('name') or 'A dataset'}{f', version {number}' if number else ''}"
    counts = songs.get("songs") or {}
    told = f" {counts.get('train', 0):,} to learn from, {counts.get('held_out', 0):,} held out"
    kept = f", {plural(counts['kept_lines'], 'kept line')}" if counts.get("kept_lines") else ""
    link = (
        dcc.Link(name, href=address_of(songs["dataset_id"], "versions"), id="voice-dataset")
        if songs.get("dataset_id")
        else name
    )
    return [link, html.Small(told + kept)]


def _counted(counts: dict[str, int] | None, words: dict[str, str]) -> str:
    return ", ".join(f"{number:,} {words.get(key, key).lower()}" for key, number in (counts or {}).items() if number)


def _base(view: AdapterView, base: dict[str, Any]) -> list[Any]:
    told = [base.get("title") or view.base, size(int(base.get("num_parameters") or 0)), base.get("licence")]
    return [", ".join(str(part) for part in told if part)]


def _config(config: dict[str, Any], cost: dict[str, Any]) -> str:
    sound = f"{config['phonemes']:.0%} phoneme tasks" if config.get("phonemes") else "no phoneme tasks"
    best = f", the best at {cost['best_step']:,}" if cost.get("best_step") else ""
    steps = f", {plural(int(cost['steps']), 'update')}{best}" if cost.get("steps") else ""
    return f"{config['effort']}, {config['epochs']:g} epochs{steps}, rank {config['lora_rank']}, {sound}"


def _time(cost: dict[str, Any]) -> str:
    energy = cost.get("energy_joules")
    used = f"{energy / 3600:.1f} Wh" if energy is not None else "energy not measured"
    return f"{duration(float(cost.get('seconds') or 0))} of training, {used}"


def _price(cost: dict[str, Any]) -> str:
    if cost.get("price_cents") is None:
        return "not charged"
    minutes = f", {plural(int(cost['minutes']), 'minute')} of the allowance" if cost.get("minutes") is not None else ""
    return f"{money(int(cost['price_cents']))}{minutes}"


def _curves(card: dict[str, Any]) -> Shown:
    told = card.get("curves") or {}
    train, held_out = (told.get(name) or [] for name in ("train", "validation"))
    if not train and not held_out:
        return []
    loss = plots.curves([plots.Curve("Training", train, plots.BEFORE, width=1.5)], x="Step", y="Loss, nats a token")
    bits = plots.curves([plots.Curve("Held-out songs", held_out, plots.NOW, has_marks=True)], x="Step", y="Bits a byte")
    best = f"{min(value for _, value in held_out):.3f} at its best." if held_out else "Nothing was measured."
    last = f"{train[-1][1]:.3f} at the end." if train else "Nothing was measured."
    shown = [plots.plot("voice-loss", "Training", loss, last), plots.plot("voice-bits", "Held-out songs", bits, best)]
    return [html.Div(shown, className="plots")]


def _samples(card: dict[str, Any]) -> Shown:
    found = card.get("samples") or []
    if not found:
        return []
    body = html.Div([board.sample(one, str(one.get("form") or "no form")) for one in found], className="samples-grid")
    return [html.Section([html.H2("What it writes"), body], id="voice-samples")]


def publish(clicks: int | None, reason: str | None, voice_id: str) -> tuple[Any, Any, Any]:
    """Put it into the menu; or why not, and then the reason can be given."""
    if not clicks:
        raise PreventUpdate
    try:
        with unit_of_work() as session:
            view = adapter.publish(session, builder().id, UUID(voice_id), reason or "")
    except AppError as error:
        return refusal(error.message, error.field or ""), dash.no_update, dash.no_update
    dash.set_props("notice", {"data": {"message": f"{name_of(view)} is in the menu now."}})
    return [], state(view), deeds(view)


def retire(clicks: int | None, voice_id: str) -> tuple[Any, Any, Any]:
    """Take it out of the menu."""
    if not clicks:
        raise PreventUpdate
    with unit_of_work() as session:
        view = adapter.retire(session, builder().id, UUID(voice_id))
    dash.set_props("notice", {"data": {"message": f"{name_of(view)} is out of the menu."}})
    return [], state(view), deeds(view)


def delete(clicks: int | None, voice_id: str) -> str:
    """Delete it for good; back to the list."""
    if not clicks:
        raise PreventUpdate
    with unit_of_work() as session:
        adapter.delete(session, builder().id, UUID(voice_id))
    return VOICES_PATH


def register(dash_app: Dash) -> None:
    """Wire the card."""
    late: dict[str, Any] = {"prevent_initial_call": True}
    callback, of_voice = dash_app.callback, State("voice-id", "data")
    shown = [Output(f"voice-{name}", "children", allow_duplicate=True) for name in ("refusal", "state", "deeds")]
    callback(*shown, Input("voice-publish", "n_clicks"), State("voice-reason", "value"), of_voice, **late)(publish)
    callback(*shown, Input("voice-retire", "n_clicks"), of_voice, **late)(retire)
    gone = Output("url", "pathname", allow_duplicate=True)
    callback(gone, Input("voice-delete", "n_clicks"), of_voice, **late)(delete)
