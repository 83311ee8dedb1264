"""The HTTP skin: OpenAI's completions protocol, readiness and metrics. One application per process and bucket.

Every error is a `contracts.wire.ErrorResponse`. `voice_refused` is a 503 without Retry-After: the server is at fault,
and trying again will not help until the checkpoint is added again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from contracts import service_token
from contracts.bucket import BucketAway
from contracts.settings import Settings, require
from contracts.wire import Completion, CompletionRequest, ErrorBody, ErrorResponse, VoiceList
from inference.crafted import DeadEnd
from inference.delivery import Postman
from inference.engine import EngineStopped, PromptTooLong, QueueFull
from inference.forms import BadForm, ImpossibleForm
from inference.generation import EngineFailed, whole, write
from inference.refusals import Stopping, UnknownVoice, VoiceRefused, VoicesBusy
from inference.telemetry import CONTENT_TYPE, Telemetry
from inference.voices import Voices

AUDIENCE = "inference"
MAX_BODY_BYTES = 256 * 1024
HEARTBEAT_S = 10.0
SSE_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

log = structlog.get_logger()
T = TypeVar("T")


class BadRequest(ValueError):
    """A body that is not a completion request; `field` names the part that is wrong."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class BodyTooLarge(ValueError):
    """A body of more than `MAX_BODY_BYTES`."""

    def __init__(self) -> None:
        super().__init__(f"the body is larger than {MAX_BODY_BYTES // 1024} kB")


class NotReady(RuntimeError):
    """The process cannot write yet."""

    retry_after_s = 2


class ClientGone(Exception):
    """Nobody is there to answer."""


REFUSALS: dict[type[Exception], tuple[int, str]] = {
    BadRequest: (400, "bad_request"),
    BadForm: (400, "bad_form"),
    PromptTooLong: (400, "prompt_too_long"),
    service_token.TokenRefused: (401, "unauthorised"),
    UnknownVoice: (404, "unknown_voice"),
    BodyTooLarge: (413, "body_too_large"),
    ImpossibleForm: (422, "impossible_form"),
    QueueFull: (429, "queue_full"),
    VoiceRefused: (503, "voice_refused"),
    VoicesBusy: (503, "voices_busy"),
    BucketAway: (503, "bucket_away"),
    DeadEnd: (503, "dead_end"),
    EngineStopped: (503, "engine_failed"),
    EngineFailed: (503, "engine_failed"),
    NotReady: (503, "not_ready"),
    Stopping: (503, "stopping"),
}
FIELDS: dict[type[Exception], str] = {PromptTooLong: "prompt", UnknownVoice: "model", ImpossibleForm: "form"}
RETRY_AFTER_S: dict[type[Exception], int] = {BucketAway: 5, DeadEnd: 1, EngineStopped: 1, Stopping: 5}


class Service:
    """What the routes share: the voices, the post between threads, and the metrics."""

    def __init__(self, settings: Settings, heartbeat_s: float) -> None:
        self.secret = require(settings, "service_secret", "the web signs its calls to the inference service with it")
        self.heartbeat_s = heartbeat_s
        self.telemetry = Telemetry()
        self.voices = Voices(settings, self.telemetry)
        self.postman: Postman

    def write(self, wanted: CompletionRequest) -> AsyncGenerator[Completion | None, None]:
        """The completion in pieces, see `inference.generation.write`."""
        return write(self.voices, self.postman, self.telemetry, wanted, heartbeat_s=self.heartbeat_s)


def create_app(settings: Settings, *, heartbeat_s: float = HEARTBEAT_S) -> FastAPI:
    """The application; `app.state.service` is its `Service`.

    Raises:
        SettingMissing: there is no service secret to check callers by.
    """
    service = Service(settings, heartbeat_s)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.postman = Postman(asyncio.get_running_loop())
        service.voices.start()
        yield
        await service.voices.stop()

    app = FastAPI(title="Ghost Rhymes inference", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.service = service
    app.include_router(open_routes)
    app.include_router(v1)
    for error in REFUSALS:
        app.add_exception_handler(error, _refuse)
    app.add_exception_handler(HTTPException, _refuse_http)
    app.add_exception_handler(ClientGone, _nobody)
    app.add_exception_handler(Exception, _broken)
    return app


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _signed(request: Request) -> None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise service_token.TokenRefused("give a service token: `Authorization: Bearer ...`")
    service_token.check(_service(request).secret, token.strip(), audience=AUDIENCE)


open_routes = APIRouter()
v1 = APIRouter(prefix="/v1", dependencies=[Depends(_signed)])


@open_routes.get("/health")
async def health() -> dict[str, str]:
    """The process lives."""
    return {"status": "ok"}


@open_routes.get("/ready")
async def ready(request: Request) -> dict[str, str]:
    """It can write: a checkpoint is in the bucket and every preload is resident."""
    why = await _service(request).voices.unready()
    if isinstance(why, BucketAway):
        raise why
    if why:
        raise NotReady(why)
    return {"status": "ready"}


@open_routes.get("/metrics")
async def metrics(request: Request) -> Response:
    """What Prometheus scrapes."""
    return Response(_service(request).telemetry.page(), headers={"Content-Type": CONTENT_TYPE})


@v1.get("/models")
async def models(request: Request) -> VoiceList:
    """Every voice of the bucket and its state."""
    return VoiceList(data=await _service(request).voices.cards())


@v1.post("/completions", response_model=None)
async def completions(request: Request) -> Response:
    """Go on from a prompt, in one answer or as a stream."""
    wanted = _parse(await _read_body(request))
    pieces = _service(request).write(wanted)
    if not wanted.stream:
        return JSONResponse((await _while_there(request, _collect(pieces))).model_dump())
    # The first piece is awaited here, so that whatever refuses the request still has its HTTP status.
    first = await _while_there(request, _first(pieces))
    return EventStream(_events(request, first, pieces), pieces)


async def _first(pieces: AsyncGenerator[Completion | None, None]) -> Completion | None:
    return await anext(pieces)


async def _collect(pieces: AsyncGenerator[Completion | None, None]) -> Completion:
    return whole([piece async for piece in pieces if piece is not None])


async def _events(
    request: Request, first: Completion | None, pieces: AsyncGenerator[Completion | None, None]
) -> AsyncGenerator[str, None]:
    """The rows of the stream. An error in mid-stream is its last row, in the one error shape."""
    try:
        yield _row(first)
        async for piece in pieces:
            yield _row(piece)
        yield "data: [DONE]\n\n"
    except tuple(REFUSALS) as error:
        yield f"data: {_body(request, error).model_dump_json()}\n\n"
    except Exception as error:  # the headers are out: the last row is the only place to say it
        log.exception("stream_broke", error=repr(error))
        yield f"data: {_internal().model_dump_json()}\n\n"


def _row(piece: Completion | None) -> str:
    return ": nothing yet\n\n" if piece is None else f"data: {piece.model_dump_json()}\n\n"


class EventStream(StreamingResponse):
    """Server-sent events whose source is closed at once when the reader leaves, be it before the first row."""

    def __init__(self, rows: AsyncGenerator[str, None], source: AsyncGenerator[Completion | None, None]) -> None:
        super().__init__(rows, media_type="text/event-stream", headers=SSE_HEADERS)
        self._open = (rows, source)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            for generator in self._open:
                await generator.aclose()


async def _while_there(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client leaves.

    Raises:
        ClientGone: it left.
    """
    working, leaving = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge
    return bytes(body)


def _parse(body: bytes) -> CompletionRequest:
    try:
        wanted = CompletionRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or None
        raise BadRequest(f"{field or 'the body'}: {first['msg']}", field) from None
    if CONTROL.search(wanted.prompt):
        raise BadRequest("prompt: it holds control characters; send text", "prompt")
    return wanted


def _body(request: Request, error: Exception) -> ErrorResponse:
    """An expected error in the one shape; counted here, because every refusal passes by."""
    _, code = REFUSALS[type(error)]
    _service(request).telemetry.refusals.labels(code).inc()
    field = getattr(error, "field", FIELDS.get(type(error)))
    retry_after_s = getattr(error, "retry_after_s", RETRY_AFTER_S.get(type(error)))
    body = ErrorBody(code=code, message=str(error), field=field, retry_after_s=retry_after_s)
    body.offers = getattr(error, "offers", [])
    return ErrorResponse(error=body)


async def _refuse(request: Request, error: Exception) -> Response:
    status, code = REFUSALS[type(error)]
    body = _body(request, error)
    if not isinstance(error, NotReady):  # whoever waits for the start asks many times
        log.info("refusal", code=code, status=status, path=request.url.path)
    headers = {} if body.error.retry_after_s is None else {"Retry-After": str(body.error.retry_after_s)}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body.model_dump(), status, headers)


async def _refuse_http(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else ""
    code = {404: "not_found", 405: "method_not_allowed"}.get(status, "http_error")
    return JSONResponse(ErrorResponse(error=ErrorBody(code=code, message=str(detail))).model_dump(), status)


async def _nobody(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # nginx's word for it; the client has left and does not see it


async def _broken(_request: Request, error: Exception) -> Response:
    log.error("request_broke", error=repr(error))
    return JSONResponse(_internal().model_dump(), 500)


def _internal() -> ErrorResponse:
    return ErrorResponse(error=ErrorBody(code="internal", message="the inference service failed; its log says why"))
