"""The token by which one service knows another: signed, for one audience, good for a minute."""

from __future__ import annotations

from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

MAX_AGE_S = 60


class TokenRefused(ValueError):
    """A service token that is missing, forged, stale or meant for another audience."""


def issue(secret: str, *, audience: str, issuer: str) -> str:
    """A token that lets `issuer` speak to `audience` for the next `MAX_AGE_S` seconds."""
    return _serializer(secret).dumps({"aud": audience, "iss": issuer})


def check(secret: str, token: str, *, audience: str) -> str:
    """The issuer of a good token.

    Raises:
        TokenRefused: with a sentence that says what is wrong with it.
    """
    try:
        claims = _serializer(secret).loads(token, max_age=MAX_AGE_S)
    except SignatureExpired:
        raise TokenRefused("the service token has expired; issue a new one for each call") from None
    except BadSignature:
        raise TokenRefused("the service token is not signed with this stack's SERVICE_SECRET") from None
    if claims.get("aud") != audience:
        raise TokenRefused(f"the service token is meant for {claims.get('aud')!r}, not for {audience!r}")
    return str(claims.get("iss", ""))


def _serializer(secret: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt="ghost-rhymes-service")
