"""How many jobs there are, for Prometheus: asked of Postgres at each scrape, so any worker tells of all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from models import job


class JobCounts(Collector):  # type: ignore[misc]  # prometheus_client brings no types
    """`ghost_jobs{kind, state}`, and whether Postgres could be asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Count now."""
        jobs = GaugeMetricFamily("ghost_jobs", "Jobs of all users.", labels=["kind", "state"])
        is_there = 1.0
        try:
            with Session(self._engine) as session:
                for (kind, state), number in job.counts(session).items():
                    jobs.add_metric([kind, state], number)
        except DBAPIError:
            is_there = 0.0
        yield jobs
        yield GaugeMetricFamily("ghost_database_up", "Whether Postgres answers the workers.", value=is_there)


@contextmanager
def shown(engine: Engine, host: str, port: int) -> Iterator[None]:
    """Answer `GET /metrics` on a port meanwhile; on none when it is 0."""
    if not port:
        yield
        return
    registry = CollectorRegistry()
    registry.register(JobCounts(engine))
    server, thread = start_http_server(port, host, registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
