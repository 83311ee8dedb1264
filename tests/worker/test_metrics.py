"""What Prometheus hears of jobs."""

from __future__ import annotations

import urllib.request

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from models import Job, User
from tests.services import free_port
from worker.metrics import shown


def heard(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_it_works(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        alice = User(email="alice@example.org")
        session.add(alice)
        session.flush()
        session.add_all(Job(user_id=alice.id, kind="import", request={}) for _ in range(3))
    port = free_port()
    with shown(engine, "127.0.0.1", port):
        text = heard(port)
    assert 'ghost_jobs{kind="import",state="queued"} 3.0' in text
    assert "ghost_database_up 1.0" in text


def test_a_database_that_is_away_is_told() -> None:
    port = free_port()
    nobody = create_engine(f"postgresql+psycopg2://ghost:ghost@127.0.0.1:{free_port()}/ghost")
    with shown(nobody, "127.0.0.1", port):
        assert "ghost_database_up 0.0" in heard(port)
    nobody.dispose()
