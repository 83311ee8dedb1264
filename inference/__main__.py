"""`python -m inference`: the service on its port, JSON lines on stdout, an orderly end soon after SIGTERM."""

from __future__ import annotations

import asyncio
import socket
import sys

import structlog
import uvicorn

from contracts import logs
from contracts.settings import SettingMissing, Settings, load_settings, require, share_cores

FINISH_S = 6  # texts may still end by themselves for this long
GRACE_S = 8  # then they are cut off cleanly, and by now every connection is closed


class Server(uvicorn.Server):
    """uvicorn, except that texts which do not end in time are ended where they are."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, let texts end, end the rest, stop the engines."""
        voices = self.config.app.state.service.voices  # type: ignore[union-attr]  # our own FastAPI application
        asyncio.get_running_loop().call_later(FINISH_S, voices.stop_writing)
        await super().shutdown(sockets)


def main() -> int:
    """Run until a signal ends it. 0 after an orderly end, 1 when the port is taken, 2 when a setting is missing."""
    settings = load_settings()
    share_cores()
    logs.configure()
    try:
        require(settings, "service_secret", "the web signs its calls to the inference service with it")
        listening = bind(settings)
    except SettingMissing as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(
            f"port {settings.inference_port} of {settings.bind_host} cannot be had ({error.strerror}): "
            "something else listens there; end it or set INFERENCE_PORT\n"
        )
        return 1
    from inference.server import create_app  # torch takes seconds, and what is wrong above is said at once

    config = uvicorn.Config(create_app(settings), access_log=False, log_config=None, timeout_graceful_shutdown=GRACE_S)
    structlog.get_logger().info("listening", host=settings.bind_host, port=settings.inference_port)
    Server(config).run(sockets=[listening])
    return 0


def bind(settings: Settings) -> socket.socket:
    """The service's socket, which listens only when the application is up.

    Raises:
        OSError: the address cannot be had.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in settings.bind_host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((settings.bind_host, settings.inference_port))
    return bound


if __name__ == "__main__":
    sys.exit(main())
