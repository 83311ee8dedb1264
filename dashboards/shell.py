"""What stands around every page: the header with usage and account, drawers, toasts, and the first paint."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import urlencode

from dash import ClientsideFunction, Dash, Input, Output, dcc, html
from dash.development.base_component import Component
from flask import request
from flask_wtf.csrf import generate_csrf

from app import account
from app.auth import Writer, current_writer, settings
from app.db import unit_of_work

LOW = 0.15
"""The share of the allowance below which the meter speaks up."""
DESCRIPTION = "A studio for writing song lyrics with language models."


def index_page(**parts: str) -> str:
    """The HTML that the browser gets first: the theme of the visitor's cookie, and a lamp instead of "Loading..."."""
    theme = request.cookies.get("theme", "")
    return f"""<!DOCTYPE html>
<html lang="en" data-theme="{theme if theme in ("light", "dark") else "auto"}" data-blank data-voiceless>
<head>
{parts["metas"]}
<meta name="viewport" content="width=device-width, initial-scale=1, interactive-widget=resizes-content">
<meta name="description" content="{DESCRIPTION}">
<meta name="color-scheme" content="light dark">
<title>{escape(parts["title"])}</title>
{parts["favicon"]}
{parts["css"]}
</head>
<body>
<div id="react-entry-point"><div class="first-paint" role="status" aria-label="Opening the studio"><i></i></div></div>
<noscript><p class="no-script">The studio writes as you type, and needs JavaScript for it.</p></noscript>
<footer>{parts["config"]}{parts["scripts"]}{parts["renderer"]}</footer>
</body>
</html>"""


def layout(rooms: list[Component], drawers: list[Component]) -> Component:
    """The rooms between header and toasts, one of them shown. Holds nobody's data: those come by callbacks."""
    return html.Div(
        id="studio",
        children=[
            dcc.Location(id="url", refresh=False),
            *(dcc.Store(id=name) for name in ("opened", "arriving", "arrived", "finished", "notice")),
            html.A("Skip to the lyric", href="#sheet", className="skip", id="skip"),
            _header(),
            *rooms,
            *drawers,
            html.Div(id="toasts", className="toasts"),
            html.Div(id="status", className="unseen", **{"aria-live": "polite", "role": "status"}),
        ],
    )


def wordmark() -> Component:
    """Our name, and the lamp that is lit while a voice writes."""
    return dcc.Link(
        [html.Span(className="lamp", **{"aria-hidden": "true"}), html.Span("Ghost Rhymes")],
        href="/",
        id="wordmark",
        className="wordmark",
        title="A fresh sheet",
    )


def icon_button(button_id: str, icon: str, label: str, **attributes: Any) -> Component:
    """A button whose label is read, and seen where there is room."""
    return html.Button(
        [html.Span(className=f"icon icon-{icon}", **{"aria-hidden": "true"}), html.Span(label, className="label")],
        id=button_id,
        type="button",
        className="icon-button",
        title=label,
        **attributes,
    )


def _header() -> Component:
    return html.Header(
        className="top",
        children=[
            wordmark(),
            html.Nav(
                className="top-nav",
                children=[
                    icon_button("library-open", "library", "Library", **{"data-opens": "library"}),
                    icon_button("versions-open", "versions", "Versions", **{"data-opens": "versions"}),
                    icon_button(
                        "rooms-open", "rooms", "Other pages", **{"data-folds": "rooms", "aria-expanded": "false"}
                    ),
                    html.Div(
                        [
                            _room("analyse", "Analyse", "/analyse"),
                            _room("datasets", "Datasets", "/datasets"),
                            _room("voices", "Voices", "/voices"),
                        ],
                        id="rooms",
                        className="rooms",
                    ),
                ],
            ),
            html.Div(id="usage", className="usage"),
            html.Button(id="theme-toggle", type="button", className="icon-button icon-only theme-toggle"),
            html.Div(id="account", className="account"),
        ],
    )


def _room(name: str, label: str, path: str) -> Component:
    shown = [html.Span(className=f"icon icon-{name}", **{"aria-hidden": "true"}), html.Span(label, className="label")]
    return dcc.Link(shown, href=path, id=f"{name}-link", className="icon-button", title=label)


def door(path: str, back_to: str | None) -> str:
    """The address of a sign-in page that leads back to where the writer is.

    >>> door("/login", "/lyrics/7")
    '/login?next=/lyrics/7'
    """
    return f"{path}?{urlencode({'next': back_to or '/'}, safe='/')}"


def usage_meter(writer: Writer | None, pathname: str | None) -> list[Component]:
    """Tokens left, as a bar and in words."""
    if writer is None:
        guest_tokens = settings().guest_tokens
        usage = account.Usage(guest_tokens, guest_tokens, None, is_guest=True)
    else:
        with unit_of_work() as session:
            usage = account.usage(session, writer.id)
    share = usage.tokens_left / max(1, usage.tokens_allowance)
    words = f"{usage.tokens_left:,} tokens left"
    renewal = f", again {usage.tokens_allowance:,} on {usage.renews_at:%d %B}" if usage.renews_at else ""
    meter = html.Div(
        html.Div(className="meter-fill", style={"width": f"{100 * share:.1f}%"}),
        className="meter low" if share < LOW else "meter",
        role="img",
        **{"aria-label": f"{words} of {usage.tokens_allowance:,}{renewal}"},
    )
    caption = html.Span(
        [f"{usage.tokens_left:,} ", html.Span("tokens ", className="unit"), "left"],
        className="usage-words",
        title=f"of {usage.tokens_allowance:,}{renewal}",
    )
    if not usage.is_guest or share >= LOW:
        return [meter, caption]
    return [meter, caption, html.A("Sign up to keep writing", href=door("/signup", pathname), id="usage-signup")]


def account_corner(writer: Writer | None, pathname: str | None) -> list[Component]:
    """Who is logged in, and the way in or out."""
    if writer is None or writer.is_guest:
        return [
            html.A("Log in", href=door("/login", pathname), id="login-link", className="button quiet small"),
            html.A("Sign up", href=door("/signup", pathname), id="signup-link", className="button small"),
        ]
    form = html.Form(
        [
            dcc.Input(type="hidden", name="csrf_token", value=generate_csrf()),
            html.Button("Log out", id="logout", className="button small"),
        ],
        action="/logout",
        method="post",
    )
    face = html.Summary((writer.email or "?")[0].upper(), className="face", id="account-menu", title=writer.email)
    return [html.Details([face, html.Div([html.P(writer.email), form], className="menu")], className="popover")]


def show_account(_finished: object, _arrived: object, pathname: str | None) -> tuple[list[Component], list[Component]]:
    """The meter and the corner as they are now."""
    writer = current_writer()
    return usage_meter(writer, pathname), account_corner(writer, pathname)


def register(dash_app: Dash) -> None:
    """Wire the header and the toasts."""
    dash_app.callback(
        Output("usage", "children"),
        Output("account", "children"),
        Input("finished", "data"),
        Input("arrived", "data"),
        Input("url", "pathname"),
    )(show_account)
    dash_app.clientside_callback(ClientsideFunction("ghost", "tell"), Input("notice", "data"))
