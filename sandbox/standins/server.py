"""The one process in which the stand-ins live, and how to run it beside a test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sandbox.standins import genius, lrclib, spotify
from sandbox.standins.desk import Desk
from sandbox.standins.songs import CATALOGUE

FRONT = """<!DOCTYPE html><title>Stand-ins</title><h1>sandbox</h1><p>Stand-ins of Spotify, Genius and LRCLIB with
invented songs. <a href="/knobs">How they behave</a>, <a href="/calls">what they were asked</a>.</p>"""


@dataclass(frozen=True)
class Addresses:
    """Where the stand-ins are, as `contracts.settings` names them."""

    base: str

    @property
    def environment(self) -> dict[str, str]:
        """What points a process at them."""
        return {
            "SPOTIFY_API_URL": f"{self.base}/spotify/api/v1",
            "SPOTIFY_ACCOUNTS_URL": f"{self.base}/spotify/accounts",
            "GENIUS_API_URL": f"{self.base}/genius/api",
            "GENIUS_WEB_URL": f"{self.base}/genius/web",
            "LRCLIB_URL": f"{self.base}/lrclib",
        }


class _Handler(WSGIRequestHandler):
    """Keeps connections open, as the real services do, and writes no log: `GET /calls` is one."""

    protocol_version = "HTTP/1.1"
    # Headers and body are two writes; with Nagle's algorithm the second waits 40 ms for the client's acknowledgement.
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def application(desk: Desk) -> Flask:
    """All three services and the desk's own pages."""
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    for pages in (spotify.blueprint(desk), genius.blueprint(desk), lrclib.blueprint(desk), desk.blueprint()):
        app.register_blueprint(pages)
    app.add_url_rule("/", view_func=lambda: FRONT, endpoint="front")
    return app


def server(desk: Desk, port: int, host: str = "127.0.0.1") -> BaseWSGIServer:
    """Listening, not serving yet; port 0 takes any free one."""
    CATALOGUE.search("", most=1)  # makes all songs now, and not once a thread when many ask first
    return make_server(host, port, application(desk), threaded=True, request_handler=_Handler)


@contextmanager
def serving(desk: Desk) -> Iterator[Addresses]:
    """Stand-ins on a free port of this machine, in threads of this process."""
    listening = server(desk, 0)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield Addresses(f"http://127.0.0.1:{listening.server_port}")
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
