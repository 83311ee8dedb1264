"""`python -m sandbox.standins`: Spotify, Genius and LRCLIB stand-ins until they are stopped."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from sandbox.standins.desk import SERVICES, Desk, Knobs
from sandbox.standins.server import Addresses, server


def main(
    port: Annotated[int, typer.Option(help="where to listen; 0 takes any free port and says which")] = 8002,
    latency_ms: Annotated[float, typer.Option(help="how long every answer takes")] = 0.0,
    rate_limit: Annotated[str, typer.Option(help="calls a second of each service, as 10/s; nothing: no limit")] = "",
) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    try:
        rate_per_s = float(rate_limit.removesuffix("/s") or 0)
    except ValueError:
        raise typer.BadParameter(f"{rate_limit!r} is no rate; say 10 or 10/s", param_hint="--rate-limit") from None
    knobs = Knobs(latency_ms=latency_ms, rate_per_s=rate_per_s)
    listening = server(Desk(dict.fromkeys(SERVICES, knobs)), port)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    addresses = Addresses(f"http://127.0.0.1:{listening.server_port}")
    print(f"stand-ins at {addresses.base}", flush=True)
    for name, value in addresses.environment.items():
        print(f"{name}={value}", flush=True)
    try:
        listening.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    typer.run(main)
