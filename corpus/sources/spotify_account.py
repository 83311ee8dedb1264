"""Signing in to Spotify on a person's behalf: OAuth 2 with PKCE, through Authlib. What is read there is `spotify`'s.

Takes and gives plain tokens; keeps none. Spotify may give a new refresh token with each refresh, and then the old one
is worth nothing: whoever refreshes must hold the only copy meanwhile (`models.spotify.access_token` does).
Source: https://developer.spotify.com/documentation/web-api/tutorials/code-pkce-flow
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from requests import JSONDecodeError, RequestException

from contracts.settings import Settings
from corpus.sources import Limited, SourceError

SCOPES = "playlist-read-private playlist-read-collaborative"
"""Reading one's own playlists, and those that one works on with others; nothing else."""
ANSWER_S = 10.0
AGAIN_S = 15.0
LIFE_S = 3600
"""Of an access token, where Spotify does not say."""
VERIFIER_CHARS = 64

Token = dict[str, Any]
"""`access_token`, `refresh_token`, `expires_at` in Unix seconds, `scope`."""


class LinkLost(SourceError):
    """Spotify does not know this link any more: the account has to be linked again."""


class SignIn(NamedTuple):
    """Where to send the person, and what to keep of it until they come back."""

    address: str
    state: str
    verifier: str


class SpotifyAccounts:
    """Spotify's door, for one app of ours."""

    def __init__(self, client_id: str, client_secret: str, accounts_url: str) -> None:
        self._client_id = client_id
        self._client_secret = client_secret
        self._url = accounts_url.rstrip("/")

    @classmethod
    def of(cls, settings: Settings) -> SpotifyAccounts:
        """As this installation is set up; `settings.spotify_app` tells whether it is."""
        secret = settings.spotify_client_secret.get_secret_value()
        return cls(settings.spotify_app, secret, settings.spotify_accounts_url)

    def sign_in(self, redirect_uri: str) -> SignIn:
        """Begin: the person agrees at `address` and comes back to `redirect_uri` with a code and our `state`."""
        verifier = generate_token(VERIFIER_CHARS)
        with self._session(redirect_uri) as session:
            address, state = session.create_authorization_url(f"{self._url}/authorize", code_verifier=verifier)
        return SignIn(address, state, verifier)

    def redeem(self, code: str, verifier: str, redirect_uri: str) -> Token:
        """The token for the code that the person came back with.

        Raises:
            LinkLost: the code is wrong, used or too old.
            Limited: Spotify does not answer.
        """
        return self._asked(
            lambda session: session.fetch_token(
                f"{self._url}/api/token", grant_type="authorization_code", code=code, code_verifier=verifier
            ),
            redirect_uri,
            "Spotify did not take the code that it gave you. Link the account again.",
        )

    def refresh(self, token: Token) -> Token:
        """A token that is good for another hour.

        Raises:
            LinkLost: access was withdrawn.
            Limited: Spotify does not answer.
        """
        again = "Spotify says that you have withdrawn our access. Link the account again to go on."
        if not token.get("refresh_token"):
            raise LinkLost(again)
        fresh = self._asked(
            lambda session: session.refresh_token(f"{self._url}/api/token", refresh_token=token["refresh_token"]),
            None,
            again,
        )
        return token | fresh

    def _asked(self, ask: Callable[[OAuth2Session], Token], redirect_uri: str | None, refused: str) -> Token:
        try:
            with self._session(redirect_uri) as session:
                token = dict(ask(session))
        except OAuthError:
            raise LinkLost(refused) from None
        except (RequestException, JSONDecodeError, ValueError):  # ValueError: a page that is no JSON
            raise Limited("Spotify", "does not answer when we sign in", AGAIN_S) from None
        if not token.get("access_token"):
            raise LinkLost(refused)
        token["expires_at"] = int(token.get("expires_at") or time.time() + LIFE_S)
        return token

    def _session(self, redirect_uri: str | None) -> OAuth2Session:
        return OAuth2Session(
            self._client_id,
            self._client_secret or None,
            token_endpoint_auth_method="client_secret_basic" if self._client_secret else "none",
            redirect_uri=redirect_uri,
            scope=SCOPES if redirect_uri else None,
            code_challenge_method="S256",
            default_timeout=ANSWER_S,
        )
