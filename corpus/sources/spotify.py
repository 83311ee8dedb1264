"""Spotify, through spotipy: which playlists a user has, and the titles in them. Never words, never sound.

Its developer policy forbids training on its content (III.14); a list of titles to look for elsewhere is all we take.
An app in development mode may read only what its user owns or shares in, so the rest is refused before it is asked for.
Signing in is `spotify_account`'s.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
import spotipy

from corpus.song import Track
from corpus.sources import Patience, SourceError

PAGE = 50
"""The most that Spotify gives at once."""
TIMEOUT_S = 10.0
_ID = re.compile(r"[0-9A-Za-z]{22}")
_URI = re.compile(r"spotify:(?:user:[^:]+:)?(\w+):([^:?\s]+)", re.IGNORECASE)
_HOSTS = {"open.spotify.com", "play.spotify.com", "www.spotify.com", "spotify.com"}
_SHORT_HOSTS = {"spotify.link", "spoti.fi", "spotify.app.link"}
_EDITORIAL = "37i9"
_OTHERS = "Copy its songs into a playlist of your own, paste a track list, or upload files."


class SpotifyError(SourceError):
    """Something that the builder has to put right; `message` says what."""


class BadLink(SpotifyError):
    """It names no playlist."""


class Editorial(SpotifyError):
    """A playlist that Spotify made, which it lets no app of our kind read."""

    def __init__(self) -> None:
        super().__init__(f"This playlist was made by Spotify, and Spotify does not let us read those. {_OTHERS}")


class NotYours(SpotifyError):
    """A playlist that its user follows but neither owns nor shares in."""

    def __init__(self, name: str = "", owner: str = "") -> None:
        whose = f"“{name}” belongs to {owner}" if name and owner else "This playlist belongs to somebody else"
        super().__init__(f"{whose}. Spotify lets us read only playlists that you own or work on together. {_OTHERS}")


class NoSuchPlaylist(SpotifyError):
    """Spotify does not know it, or does not show it to this user."""

    def __init__(self) -> None:
        super().__init__(
            "Spotify knows no playlist at this address that you may see. It may be deleted, or private to "
            "somebody else: open it in Spotify and copy its link again."
        )


class EmptyPlaylist(SpotifyError):
    """There is no song in it."""

    def __init__(self, num_others: int) -> None:
        only = "holds only podcasts and local files" if num_others else "is empty"
        super().__init__(f"This playlist {only}. Add songs to it in Spotify, or choose another.")


class Revoked(SpotifyError):
    """The token is no longer good: expired, or the user took the permission back."""

    def __init__(self) -> None:
        super().__init__("Spotify no longer lets us see your playlists. Connect your account again.")


class NotInvited(SpotifyError):
    """The app is in development mode and this user is not among the few that it may have."""

    def __init__(self) -> None:
        super().__init__(
            "Spotify lets only invited people use this server's app, and your account is not on its list. Ask "
            "whoever runs this server to add you at developer.spotify.com, or paste a track list."
        )


@dataclass(frozen=True, slots=True)
class Playlist:
    """A playlist as one chooses it."""

    id: str
    name: str
    owner_id: str
    owner_name: str
    num_tracks: int
    is_own: bool
    is_collaborative: bool

    @property
    def is_readable(self) -> bool:
        """Whether Spotify may let us read what is in it; if not, do not ask."""
        return not self.id.startswith(_EDITORIAL) and (self.is_own or self.is_collaborative)


def playlist_id(text: str) -> str:
    """The id in what a person pasted: a link, a URI or the bare id.

    >>> playlist_id("https://open.spotify.com/intl-de/playlist/5boxLanternHour0000000?si=abc")
    '5boxLanternHour0000000'

    Raises:
        BadLink: there is none; the message says what it is instead.
        Editorial: Spotify made it.
    """
    text = text.strip().strip("<>\"'")
    kind, found = "playlist", text
    if uri := _URI.fullmatch(text.split("?")[0]):
        kind, found = uri[1].lower(), uri[2]
    elif "/" in text or "." in text:
        kind, found = _kind_and_id(text)
    if kind != "playlist":
        raise BadLink(
            f"This link leads to {_a(kind)}, not to a playlist. Open the playlist in Spotify and copy its link."
        )
    if not _ID.fullmatch(found):
        raise BadLink(
            "This is no link to a Spotify playlist. It looks like https://open.spotify.com/playlist/… with 22 letters "
            "and digits after the last stroke; it may have been cut off."
        )
    if found.startswith(_EDITORIAL):
        raise Editorial
    return found


def _kind_and_id(link: str) -> tuple[str, str]:
    try:
        parts = urlsplit(link if "://" in link else f"https://{link}")
        host = (parts.hostname or "").lower()
    except ValueError:
        host = ""
    if host in _SHORT_HOSTS:
        raise BadLink("This is a shortened link. Open it in your browser and copy the long address that it leads to.")
    if host not in _HOSTS:
        raise BadLink("This link does not lead to Spotify. Open the playlist in Spotify and copy its link.")
    path = [part for part in parts.path.split("/") if part and not part.lower().startswith("intl-")]
    if path and path[0] == "embed":
        path = path[1:]
    if len(path) >= 4 and path[0] == "user":  # the old form: /user/NAME/playlist/ID
        path = path[2:]
    if len(path) < 2:
        raise BadLink("This link leads to Spotify, but to no playlist. Open the playlist in Spotify and copy its link.")
    return path[0].lower(), path[1]


def _a(kind: str) -> str:
    return {"album": "an album", "artist": "an artist", "episode": "an episode", "track": "a single song"}.get(
        kind, f"a {kind}" if kind in ("show", "user", "prerelease") else "something else"
    )


class Spotify:
    """What one user lets us see. Use it from one thread."""

    def __init__(self, access_token: str, base_url: str, user_id: str = "", timeout_s: float = TIMEOUT_S) -> None:
        # At debug spotipy would write the token into the log, and it calls every refusal an error.
        logging.getLogger("spotipy.client").setLevel(logging.CRITICAL)
        # With a session of spotipy's own, urllib3 would swallow a 429's Retry-After, or sleep it off.
        self._client = spotipy.Spotify(
            auth=access_token,
            requests_session=requests.Session(),
            requests_timeout=timeout_s,
            retries=0,
            status_retries=0,
        )
        self._client.prefix = base_url.rstrip("/") + "/"
        self._user_id = user_id
        self._patience = Patience("Spotify")

    def me(self) -> tuple[str, str]:
        """The user's id and the name they go by.

        Raises:
            Limited, Revoked, NotInvited: as their names say; so with every call here.
        """
        user = self._ask("me")
        self._user_id = str(user["id"])
        return self._user_id, str(user.get("display_name") or user["id"])

    def playlists(self) -> list[Playlist]:
        """All that stand in the user's library, in its order; those that are not readable are there too."""
        return [self._playlist(item) for item in self._pages("me/playlists") if item]

    def playlist(self, playlist_id: str) -> Playlist:
        """One playlist, if it may be read.

        Raises:
            Editorial, NoSuchPlaylist, NotYours: why it may not.
        """
        if playlist_id.startswith(_EDITORIAL):
            raise Editorial
        found = self._playlist(self._ask(f"playlists/{playlist_id}"))
        if not found.is_readable:
            raise NotYours(found.name, found.owner_name)
        return found

    def tracks(self, playlist_id: str) -> Iterator[Track]:
        """The songs of a playlist in its order, each time that they stand in it. Podcasts and local files are left out.

        Raises:
            EmptyPlaylist: nothing is left, or nothing was there.
            Editorial, NoSuchPlaylist, NotYours: it may not be read.
        """
        if playlist_id.startswith(_EDITORIAL):
            raise Editorial
        num_tracks = num_others = 0
        for item in self._items(playlist_id):
            if (track := _track(item)) is None:
                num_others += 1
            else:
                num_tracks += 1
                yield track
        if not num_tracks:
            raise EmptyPlaylist(num_others)

    def _items(self, playlist_id: str) -> Iterator[dict[str, Any]]:
        """Of either shape: since 2026 they are `items`, before they were `tracks`."""
        try:
            yield from self._pages(f"playlists/{playlist_id}/items")
        except NoSuchPlaylist:
            yield from self._pages(f"playlists/{playlist_id}/tracks")

    def _playlist(self, item: dict[str, Any]) -> Playlist:
        owner = item.get("owner") or {}
        contents = item.get("items") or item.get("tracks") or {}
        return Playlist(
            id=str(item["id"]),
            name=str(item.get("name") or "(no name)"),
            owner_id=str(owner.get("id", "")),
            owner_name=str(owner.get("display_name") or owner.get("id") or "somebody else"),
            num_tracks=int(contents.get("total", 0)),
            is_own=owner.get("id") == (self._user_id or self.me()[0]),
            is_collaborative=bool(item.get("collaborative")),
        )

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        """Everything in a list. We count the pages, and do not follow the address that each gives of the next."""
        offset, total = 0, 1
        while offset < total:
            page = self._ask(f"{path}?{urlencode({'limit': PAGE, 'offset': offset})}")
            items = page.get("items") or []
            yield from items
            total = int(page.get("total") or 0) if items else 0
            offset += PAGE

    def _ask(self, path: str) -> dict[str, Any]:
        try:
            # spotipy's way to ask for an address of our choice: it has no name for the older one of two shapes.
            answer = self._client.next({"next": self._client.prefix + path})
        except spotipy.SpotifyException as error:
            raise self._named(error) from error
        except requests.RequestException as error:
            raise self._patience.away() from error
        if not isinstance(answer, dict):
            raise self._patience.away("answered with something else than a playlist")
        self._patience.answered()
        return answer

    def _named(self, error: spotipy.SpotifyException) -> SourceError:
        """Our noun for a refusal of Spotify's."""
        status, words = int(error.http_status), str(error.msg).lower()
        if status == 429:
            return self._patience.too_fast((error.headers or {}).get("Retry-After"))
        if status == 401 or "insufficient client scope" in words:
            return Revoked()
        if status == 403:
            return NotInvited() if "not registered" in words else NotYours()
        if status in (400, 404):
            return NoSuchPlaylist()
        return self._patience.away(f"answered {status}")


def _track(item: dict[str, Any] | None) -> Track | None:
    """The song of an entry, or None for a podcast, a local file, or what Spotify has taken away."""
    thing = (item or {}).get("item") or (item or {}).get("track")
    if not isinstance(thing, dict) or (item or {}).get("is_local") or thing.get("is_local"):
        return None
    artists = [str(artist["name"]) for artist in thing.get("artists") or [] if artist and artist.get("name")]
    title = str(thing.get("name") or "").strip()
    if thing.get("type", "track") != "track" or not artists or not title:
        return None
    length_ms = thing.get("duration_ms")
    # The first artist is whom a source lists a song under; guests stand in the title.
    return Track(artists[0], title, length_ms / 1000 if length_ms else None)
