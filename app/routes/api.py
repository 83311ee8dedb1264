"""`/api/v1`: JSON in, JSON out, for the studio's script and for everybody with a token."""

from __future__ import annotations

from flask import Blueprint

from app.routes import adapters, craft, datasets, drift, generations, jobs, loop, lyrics, openapi, runs, spotify


def blueprint(max_streams: int) -> Blueprint:
    """All of the API; at most `max_streams` event streams at once in this process."""
    api = Blueprint("api", __name__, url_prefix="/api/v1")
    generations.register(api, max_streams)
    lyrics.register(api)
    craft.register(api)
    datasets.register(api)
    drift.register(api)
    jobs.register(api)
    runs.register(api)
    adapters.register(api)
    loop.register(api)
    spotify.register(api)
    openapi.register(api)
    return api
