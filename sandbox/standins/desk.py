"""What every stand-in does before it answers: log the call, keep to its rate limit, be as slow as it is told to be.

`GET /calls` is the log, `DELETE /calls` empties it. `GET /knobs` shows how each service behaves; `POST /knobs` with
`{"genius": {"rate_per_s": 10}}` changes it, and `DELETE /knobs` makes all as it was at the start.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from threading import Lock
from typing import Any, Literal

from flask import Blueprint, Response, g, jsonify, request
from werkzeug.exceptions import BadRequest

SERVICES = ("spotify", "genius", "lrclib")
MAX_CALLS = 200_000


@dataclass(frozen=True)
class Knobs:
    """How one service behaves."""

    latency_ms: float = 0.0
    rate_per_s: float = 0.0
    """Calls in any one second, the rest get a 429 with Retry-After; 0 for no limit."""
    retry_after_s: int = 1
    """What that header says at least."""
    status: int = 0
    """Answer everything so: 403, 429, 500; 0 for as it should be."""
    is_challenging: bool = False
    """Genius: every page is the one that asks robots to go away."""
    shape: Literal["items", "tracks", "both"] = "items"
    """Spotify: what a playlist's songs are called; before 2026 they were `tracks` and each was a `track`."""
    is_revoked: bool = False
    """Spotify: no token is good any more, nor can it be refreshed."""
    is_uninvited: bool = False
    """Spotify: the user is not on the list of the app, which is in development mode."""
    token_life_s: int = 3600


@dataclass
class Call:
    """One call, as `GET /calls` shows it. `what` is path and query below the service."""

    service: str
    method: str
    what: str
    status: int
    at: float
    """Seconds since the stand-ins started."""


@dataclass
class Desk:
    """Shared by the services of one process."""

    first: dict[str, Knobs] = field(default_factory=dict)
    """How services behave at the start, where it is not as usual."""

    def __post_init__(self) -> None:
        self._lock = Lock()
        self._started = time.monotonic()
        self.knobs = self._at_first()
        self.calls: deque[Call] = deque(maxlen=MAX_CALLS)
        self._lately: dict[str, deque[float]] = {service: deque() for service in SERVICES}

    def _at_first(self) -> dict[str, Knobs]:
        return {service: self.first.get(service, Knobs()) for service in SERVICES}

    def guard(self, service: str, blueprint: Blueprint, limited: Callable[[int], Response]) -> None:
        """Stand before all of a service's routes. `limited` makes its 429, given the seconds to wait."""

        def admit() -> Response | None:
            knobs = self.knobs[service]
            what = request.full_path.removeprefix(f"/{service}").removesuffix("?")
            g.call = Call(service, request.method, what, 0, time.monotonic() - self._started)
            wait_s = self._over_limit(service, knobs)
            with self._lock:
                self.calls.append(g.call)
            if wait_s is not None:
                return limited(max(knobs.retry_after_s, math.ceil(wait_s)))
            time.sleep(knobs.latency_ms / 1000)
            if knobs.status == 429:
                return limited(knobs.retry_after_s)
            if knobs.status:
                return Response(f"the sandbox was told to answer {knobs.status}", knobs.status, mimetype="text/plain")
            return None

        def note(response: Response) -> Response:
            g.call.status = response.status_code
            return response

        blueprint.before_request(admit)
        blueprint.after_request(note)

    def _over_limit(self, service: str, knobs: Knobs) -> float | None:
        """Seconds until the next call would be let in, or None when this one is."""
        if knobs.rate_per_s <= 0:
            return None
        # Less than one a second is one in more seconds.
        span_s = max(1.0, 1.0 / knobs.rate_per_s)
        most = max(1, int(knobs.rate_per_s * span_s))
        with self._lock:
            now, lately = time.monotonic(), self._lately[service]
            while lately and lately[0] <= now - span_s:
                lately.popleft()
            if len(lately) < most:
                lately.append(now)
                return None
            return lately[0] + span_s - now

    def turn(self, changes: dict[str, dict[str, Any]]) -> None:
        """Change knobs.

        Raises:
            BadRequest: there is no such service or knob.
        """
        known = {knob.name: type(knob.default) for knob in fields(Knobs)}
        turned = dict(self.knobs)
        for service, values in changes.items():
            if service not in turned:
                raise BadRequest(f"there is no service {service!r}; there are {', '.join(SERVICES)}")
            for name, value in values.items():
                if name not in known:
                    raise BadRequest(f"there is no knob {name!r}; there are {', '.join(known)}")
                if not isinstance(value, (int, float) if known[name] is float else known[name]):
                    raise BadRequest(f"{name} is {value!r}, which is no {known[name].__name__}")
            turned[service] = replace(turned[service], **values)
        self.knobs = turned

    def reset(self) -> None:
        """As at the start: first knobs, no calls."""
        with self._lock:
            self.knobs = self._at_first()
            self.calls.clear()
            for lately in self._lately.values():
                lately.clear()

    def blueprint(self) -> Blueprint:
        """The pages about the stand-ins themselves."""
        pages = Blueprint("desk", __name__)

        @pages.get("/calls")
        def show_calls() -> Response:
            service = request.args.get("service")
            with self._lock:
                calls = [asdict(call) for call in self.calls if service in (None, call.service)]
            return jsonify(num_calls=len(calls), calls=calls)

        @pages.delete("/calls")
        def forget_calls() -> Response:
            with self._lock:
                self.calls.clear()
            return jsonify(num_calls=0)

        @pages.get("/knobs")
        def show_knobs() -> Response:
            return jsonify({service: asdict(knobs) for service, knobs in self.knobs.items()})

        @pages.post("/knobs")
        def turn_knobs() -> Response:
            self.turn(request.get_json())
            return show_knobs()

        @pages.delete("/knobs")
        def reset_knobs() -> Response:
            self.knobs = self._at_first()
            return show_knobs()

        return pages
