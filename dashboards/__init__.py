"""The Dash skin: what a writer sees at `/`, `/lyrics/<id>`, `/analyse`, and in the builder's room.

Translates between Dash components and the verbs of `app`; holds no rules, no SQL and no state between requests.
"""

from __future__ import annotations

import logging

import dash
import flask

from app.errors import AppError
from dashboards import analysis, library, room, shell, studio

ASSETS = "assets"
NOT_DASHS_OWN = r"page\.js"
"""The script of the plain pages, which lies beside the studio's and must not be loaded with it."""

log = logging.getLogger(__name__)


def mount(server: flask.Flask) -> dash.Dash:
    """Put the studio on `server`, behind whatever guards it has already.

    Its inline scripts' hashes for the CSP: `csp_hashes()` of what this returns, once, after the mount.
    """
    dash_app = dash.Dash(
        __name__,
        server=server,
        assets_folder=ASSETS,
        assets_ignore=NOT_DASHS_OWN,
        title="Ghost Rhymes",
        update_title="",
        serve_locally=True,
        suppress_callback_exceptions=True,
        include_pages_meta=False,
        add_log_handler=False,
        on_error=_tell,
    )
    dash_app.interpolate_index = shell.index_page
    dash_app.layout = shell.layout([studio.layout(), analysis.layout(), room.layout()], library.layout())
    for page in (shell, studio, analysis, library, room):
        page.register(dash_app)
    return dash_app


def _tell(error: Exception) -> None:
    """Say to the writer why a callback brought nothing; what was on the page stays."""
    if isinstance(error, AppError):
        message = error.message
    else:
        log.error("a callback failed", exc_info=error)
        message = "Something went wrong on our side. Your words are kept; try again."
    dash.set_props("notice", {"data": {"message": message}})
