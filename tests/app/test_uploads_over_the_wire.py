"""Files through a real gunicorn: one that is too large is told so, one that breaks off leaves nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text

from app import db
from app.db import unit_of_work
from app.tokens import create_for_email
from contracts.settings import Settings
from tests.app.builders import TIDE, bucket_files
from tests.app.conftest import closed_port
from tests.patience import until

ROOT = Path(__file__).parents[2]
STARTS_S = 60


@pytest.fixture
def web(settings: Settings, database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of alice's to the web as it runs in production."""
    engine = create_engine(database_url)
    db.bind(engine)
    with unit_of_work() as session:
        token = create_for_email(session, "alice@example.org")
    engine.dispose()
    port = closed_port()
    told = {
        "DATABASE_URL": database_url,
        "SECRET_KEY": "k",
        "SERVICE_SECRET": "s",
        "PORT": str(port),
        "BUCKET_URL": settings.bucket,
        "TMPDIR": str(tmp_path),
    }
    log = (tmp_path / "web.log").open("wb")
    command = [sys.executable, "-m", "gunicorn", "-c", "app/gunicorn.py", "wsgi:app"]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | told, stdout=log, stderr=log)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", headers=headers, timeout=60) as client:
        until(lambda: _answers(client) or process.poll() is not None, STARTS_S)
        assert process.poll() is None, (tmp_path / "web.log").read_text()[-2000:]
        yield client
    process.terminate()
    process.wait(30)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/openapi.json").is_success
    except httpx.HTTPError:
        return False


def made(web: httpx.Client) -> str:
    return str(web.post("/datasets", json={"name": "Harbour"}).raise_for_status().json()["id"])


def test_it_works(web: httpx.Client, settings: Settings, tmp_path: Path, engine: Engine) -> None:
    path = f"/datasets/{made(web)}/uploads"
    assert web.post(path, files={"file": ("a.txt", TIDE.encode())}).status_code == httpx.codes.ACCEPTED
    kept = set(bucket_files(settings))
    assert len(kept) == 1

    # 200 MB of text, a piece at a time: refused by its limit of 64 MB, in words, although the sender does not listen
    # before it has sent everything.
    large = tmp_path / "large.txt"
    with large.open("wb") as file:
        file.truncate(200_000_000)
    with large.open("rb") as file:
        refused = web.post(path, files={"file": ("large.txt", file)})
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_large")

    # A sender that goes away in the middle.
    address = urlsplit(str(web.base_url))
    with socket.create_connection((address.hostname, address.port)) as line:
        begun = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n' + TIDE.encode() * 1000
        head = (
            f"POST /api/v1{path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Authorization: {web.headers['Authorization']}\r\n"
            f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(begun) + 5000}\r\n\r\n"
        )
        line.sendall(head.encode() + begun)
        line.shutdown(socket.SHUT_WR)
        answer = line.recv(4096)
    assert b" 400 " in answer.splitlines()[0]

    assert set(bucket_files(settings)) == kept
    assert not list(tmp_path.glob("ghost-upload-*"))
    with engine.connect() as connection:
        assert connection.scalar(text("select count(*) from job")) == 1
