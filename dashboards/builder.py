"""What the builder's pages share: their addresses, who may see them, and the parts they are put together from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import dash_bootstrap_components as dbc
from dash import dcc, html
from dash.development.base_component import Component

from app.auth import Writer, current_writer, settings
from app.errors import NeedsAccount

PATH, NEW_PATH, JOBS_PATH = "/datasets", "/datasets/new", "/jobs"
TRAIN_PATH, RUNS_PATH, VOICES_PATH, COMPARE_PATH = "/train", "/runs", "/voices", "/compare"
TABS = {
    "songs": "Songs",
    "rights": "Rights",
    "cleaning": "Cleaning",
    "versions": "Versions",
    "statistics": "Statistics",
}
STATES = {
    "found": "Found",
    "check": "To check",
    "blocked": "Blocked",
    "not_found": "Not found",
    "instrumental": "Instrumental",
    "wanted": "Waiting",
}
"""The states of a song, in the order in which they stand in a bar."""
RIGHTS = {"unknown": "Not stated", "mine": "Mine", "licensed": "Licensed", "public_domain": "Public domain"}
SOURCES = {"upload": "your upload", "paste": "what you pasted", "yours": "what you brought"}
FIXED = {
    PATH: "list",
    NEW_PATH: "new",
    JOBS_PATH: "jobs",
    TRAIN_PATH: "train",
    RUNS_PATH: "runs",
    VOICES_PATH: "voices",
    COMPARE_PATH: "comparisons",
}
"""The pages that stand for themselves."""
OF_ONE = {
    "datasets": ("dataset", "|".join(TABS)),
    "train": ("train", r"[1-9][0-9]{0,8}"),
    "runs": ("run", "again"),
    "compare": ("comparison", ""),
}
"""The pages of one thing by its id, and what parts of it may follow."""
_ADDRESS = re.compile(r"/([a-z]+)/([0-9a-f-]{36})(?:/([a-z0-9]+))?")
_VOICE = re.compile(r"/voices/([a-z0-9][a-z0-9._-]{0,62}[a-z0-9])(?:/(cards|again))?")


class Place(NamedTuple):
    """What an address names: a page, and for the page of one thing which one, and which part of it.

    A voice has a `name` instead of an id: an adapter's id, or what a shared one is called.
    """

    page: str
    id: UUID | None = None
    part: str = ""
    name: str = ""

    @property
    def thing(self) -> UUID:
        """The id, on a page that is of one thing."""
        if self.id is None:
            raise ValueError(f"the page {self.page!r} is of nothing in particular")
        return self.id


def place_in(path: str | None) -> Place | None:
    """The page of the builder that an address names.

    >>> place_in("/datasets"), place_in("/datasets/12345678-1234-5678-1234-567812345678/rights").part, place_in("/")
    (Place(page='list', id=None, part='', name=''), 'rights', None)
    """
    path = path or ""
    if path in FIXED:
        return Place(FIXED[path])
    if voice := _VOICE.fullmatch(path):
        return Place("voice", None, voice[2] or "", voice[1])
    found = _ADDRESS.fullmatch(path)
    if found is None or found[1] not in OF_ONE:
        return None
    page, parts = OF_ONE[found[1]]
    part = found[3] or ("songs" if page == "dataset" else "")
    if part and not re.fullmatch(parts, part):
        return None
    try:
        return Place(page, UUID(found[2]), part)
    except ValueError:
        return None


def address_of(dataset_id: UUID | str, tab: str = "songs") -> str:
    """Where a tab of a dataset is."""
    return f"{PATH}/{dataset_id}" if tab == "songs" else f"{PATH}/{dataset_id}/{tab}"


def builder() -> Writer:
    """The person asking, who has signed up.

    Raises:
        NeedsAccount: a guest, or nobody that we know.
    """
    writer = current_writer()
    if writer is None or writer.is_guest:
        raise NeedsAccount(
            "Datasets and voices are kept with an account. Sign up, or log in; what you wrote as a guest comes along."
        )
    return writer


def heading(title: str, *, crumbs: Iterable[tuple[str, str]] = (), action: Component | None = None) -> Component:
    """A page's title under the way that led here."""
    links = [
        html.Li(dcc.Link(words, href=path, id=f"crumb-{path.strip('/').replace('/', '-')}")) for words, path in crumbs
    ]
    way = [html.Nav(html.Ol(links), className="crumbs", **{"aria-label": "Where you are"})] if links else []
    return html.Header(
        [*way, html.Div([html.H1(title), *([action] if action else [])], className="title-row")],
        className="builder-head",
    )


def field(label: str, control: Component, hint: str = "") -> Component:
    """A control under its label."""
    shown = [html.Label(label, htmlFor=control.id), control]
    return html.Div([*shown, html.Small(hint)] if hint else shown, className="field")


def select(select_id: str, options: dict[str, str], value: str, label: str = "") -> Component:
    """The browser's own menu."""
    choices = [{"value": key, "label": words} for key, words in options.items()]
    menu = dbc.Select(id=select_id, options=choices, value=value)
    return field(label, menu) if label else menu


def button(button_id: Any, label: str | list[Any], look: str = "", **attributes: Any) -> Component:
    """A button."""
    return html.Button(label, id=button_id, type="button", className=f"button {look}".strip(), **attributes)


def refusal(words: str, field_id: str = "") -> Component:
    """Why something did not happen, said at once."""
    return html.P(words, className="refusal", role="alert", **({"data-field": field_id} if field_id else {}))


def nothing(*words: str) -> Component:
    """What stands where there is nothing yet."""
    return html.Div([html.P(line) for line in words], className="nothing builder-nothing")


def sandbox_badge(service: str) -> list[Component]:
    """Says so where a service is a stand-in of ours."""
    if service not in settings().sandboxes:
        return []
    hint = "A stand-in on this machine with invented songs; no request leaves it."
    return [html.Span("Sandbox", className="tag sandbox", title=hint)]


def source_name(source: str) -> str:
    """A source of lyrics as people call it, and whether it is a stand-in.

    >>> source_name("")
    ''
    """
    return SOURCES.get(source, source)


def safe_link(url: str) -> str | None:
    """The address if a browser may follow it without running anything.

    >>> safe_link("https://example.org/song"), safe_link("javascript:alert(1)")
    ('https://example.org/song', None)
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc else None


def plural(count: int, one: str, many: str = "") -> str:
    """A number with its noun.

    >>> plural(1, "song"), plural(1200, "song")
    ('1 song', '1,200 songs')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
