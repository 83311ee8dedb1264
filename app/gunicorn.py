"""Gunicorn's configuration: one process with many threads, since one thread holds one stream."""

from __future__ import annotations

import ctypes
import signal
import sys

from contracts.settings import load_settings

_settings = load_settings()

bind = f"{_settings.bind_host}:{_settings.port}"
worker_class = "gthread"
workers = 1
threads = _settings.web_threads
timeout = 60
graceful_timeout = 8
keepalive = 30
limit_request_line = 4094
worker_tmp_dir = None
control_socket_disable = True

_PR_SET_PDEATHSIG = 1


def post_fork(_arbiter: object, _worker: object) -> None:
    """End with the arbiter: a worker that outlived it would keep the port from its successor while streams last."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
