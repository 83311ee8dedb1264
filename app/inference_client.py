"""Our side of the inference service's HTTP: which voices there are, and text as it is written.

Asynchronous, since one thread carries all streams of a process. Every call carries a fresh service token.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

import httpx
from pydantic import ValidationError

from app.errors import AppError, ImpossibleForm, ServiceAway, error_of
from contracts.service_token import issue
from contracts.settings import Settings, require
from contracts.wire import Completion, CompletionRequest, ErrorBody, ErrorResponse, VoiceList

CONNECT_S = 3.0
SILENCE_S = 60.0
"""The service sends a heartbeat every few seconds, so a longer silence means that it is gone."""
EXPLAINED = {ImpossibleForm.code: ImpossibleForm.status, "dead_end": ServiceAway.status}
"""Errors of a form, which the service explains to the writer even in mid-stream, by code; and their HTTP status."""


class VoicesAway(ServiceAway):
    """The inference service does not answer."""

    code = "voices_away"

    def __init__(self) -> None:
        super().__init__(
            "The voices do not answer just now; they are probably starting again. Nothing was charged: "
            "try again in a few seconds.",
            retry_after_s=3,
        )


class VoiceLost(ServiceAway):
    """The inference service went away in the middle of a text."""

    code = "voice_lost"

    def __init__(self) -> None:
        super().__init__(
            "The voice fell silent in mid-line: its service went away. The text so far is kept and nothing was "
            "charged. Retry in a few seconds.",
            retry_after_s=3,
        )


class InferenceClient:
    """One per process; use it on one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._secret = require(settings, "service_secret", "the inference service asks for a signed token")
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        timeout = httpx.Timeout(CONNECT_S, connect=CONNECT_S, read=SILENCE_S, pool=None)
        self._http = httpx.AsyncClient(base_url=settings.inference_base_url, limits=limits, timeout=timeout)

    async def voices(self) -> VoiceList:
        """All checkpoints of the bucket.

        Raises:
            VoicesAway: no answer.
        """
        try:
            answer = await self._http.get("/v1/models", headers=self._headers(), timeout=CONNECT_S)
        except httpx.HTTPError as error:
            raise VoicesAway from error
        if answer.status_code != httpx.codes.OK:
            raise _refusal(answer.status_code, answer.content)
        return VoiceList.model_validate_json(answer.content)

    async def is_ready(self) -> tuple[bool, str]:
        """Whether the service can write, and its reason if not."""
        try:
            answer = await self._http.get("/ready", timeout=CONNECT_S)
        except httpx.HTTPError:
            return False, "the inference service does not answer"
        return answer.status_code == httpx.codes.OK, "" if answer.is_success else answer.text[:500]

    async def stream(
        self, request: CompletionRequest, *, on_accepted: Callable[[], None] = lambda: None
    ) -> AsyncIterator[Completion]:
        """The text as it is written; `on_accepted` is called once the service has taken the request.

        Closing the iterator frees the slot at the service's next step.

        Raises:
            VoicesAway: no connection, so nothing began.
            VoiceLost: the connection broke, or the engine failed, before the text was complete.
            AppError: the service refused the request, or no text came that keeps the form; its own words.
        """
        body = request.model_copy(update={"stream": True}).model_dump(mode="json")
        began = False
        try:
            async with self._http.stream("POST", "/v1/completions", json=body, headers=self._headers()) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise _refusal(answer.status_code, await answer.aread())
                began = True
                on_accepted()
                async for line in _lines(answer):
                    if not line.startswith(b"data: "):
                        continue
                    if line == b"data: [DONE]":
                        return
                    yield _completion(line.removeprefix(b"data: "))
        except httpx.HTTPError as error:
            raise (VoiceLost() if began else VoicesAway()) from error
        raise VoiceLost

    async def close(self) -> None:
        """Let go of all connections."""
        await self._http.aclose()

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {issue(self._secret, audience='inference', issuer='web')}"}


async def _lines(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The stream's lines. httpx's own splitting also cuts at U+2028 and its like, which a text may hold."""
    rest = b""
    async for chunk in answer.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.rstrip(b"\r")


def _completion(data: bytes) -> Completion:
    raw = json.loads(data)
    if "error" in raw:
        body = ErrorResponse.model_validate(raw).error
        raise _refusal_of(EXPLAINED[body.code], body) if body.code in EXPLAINED else VoiceLost()
    return Completion.model_validate(raw)


def _refusal(status: int, content: bytes) -> AppError:
    try:
        body = ErrorResponse.model_validate_json(content).error
    except ValidationError:
        return VoicesAway()
    return _refusal_of(status, body)


def _refusal_of(status: int, body: ErrorBody) -> AppError:
    field = "voice" if body.field == "model" else body.field
    message = _sentence(body.message) if body.code in EXPLAINED else body.message
    return error_of(status, message, code=body.code, field=field, retry_after_s=body.retry_after_s, offers=body.offers)


def _sentence(reason: str) -> str:
    """A reason as a writer reads it; nothing is charged for what fails.

    >>> _sentence("no line came of it: try again")
    'No line came of it: try again. Nothing was charged.'
    """
    return f"{reason[:1].upper()}{reason[1:].rstrip('.')}. Nothing was charged."
