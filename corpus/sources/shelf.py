"""The sources of lyrics that are on, in the order in which they are asked. A new one is a file, and a line here."""

from __future__ import annotations

from contracts.settings import Settings
from corpus.pace import shared
from corpus.sources import LyricSource
from corpus.sources.genius import Genius
from corpus.sources.lrclib import Lrclib


def lyric_sources(settings: Settings) -> list[LyricSource]:
    """Those that the settings name. Make them once: they keep connections, and count failures in a row."""
    found: list[LyricSource] = []
    if settings.genius_key:
        found.append(
            Genius(
                settings.genius_key,
                settings.genius_api_url,
                settings.genius_web_url,
                pace=shared(Genius.name, settings.genius_pace),
            )
        )
    if settings.lrclib_url:
        found.append(Lrclib(settings.lrclib_url, pace=shared(Lrclib.name, settings.lrclib_pace)))
    return found
