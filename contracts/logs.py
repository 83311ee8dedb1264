"""How every process of ours writes its log: one JSON object a line on standard output, and nobody's words in it."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import Processor


def configure() -> None:
    """Set up structlog for us, and Python's logging for the libraries, which speak from warnings up."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
    ]
    render = structlog.processors.JSONRenderer()
    structlog.configure(processors=[*shared, render], logger_factory=structlog.PrintLoggerFactory(sys.stdout))
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
