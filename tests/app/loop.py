"""What the tests of the loop share: voices, adapters and texts, where how they came about does not matter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx

from app.db import unit_of_work
from contracts.service_token import issue
from models import Adapter, Generation, Run
from models.generation import GenerationState, new_take
from tests.app.conftest import Caller
from tests.patience import until
from tests.services import SECRET, TINY, InferenceService

PATIENCE_S = 60.0


def wait_for_voice(service: InferenceService, name: str) -> None:
    """Until the service knows of a checkpoint that has just come into its bucket."""
    headers = {"Authorization": f"Bearer {issue(SECRET, audience='inference', issuer='tests')}"}

    def is_known() -> bool:
        cards = httpx.get(f"{service.url}/v1/models", headers=headers, timeout=PATIENCE_S).json()["data"]
        return name in (card["id"] for card in cards)

    until(is_known, PATIENCE_S, f"the service does not find {name}", every_s=0.2)


def adapter_of(
    caller: Caller,
    title: str,
    number: int = 1,
    *,
    adapter_id: UUID | None = None,
    dataset_id: str | None = None,
    version_id: UUID | None = None,
    base: str = TINY,
) -> str:
    """The id of an adapter, and of the run that made it, as rows."""
    adapter_id = adapter_id or uuid4()
    told = {"id": adapter_id, "user_id": caller.user().id, "title": title, "number": number}
    run = Run(
        dataset_id=UUID(dataset_id) if dataset_id else None,
        version_id=version_id,
        request={},
        config={},
        quote={},
        minutes_reserved=0,
        **told,
    )
    with unit_of_work() as session:
        session.add_all([run, Adapter(base=base, bits_per_byte=2.0, card={}, manifest={}, **told)])
    return str(adapter_id)


def wrote(
    caller: Caller, *texts: str, prompt: str = "A line\n", voice: str = TINY, placed: dict[str, Any] | None = None
) -> str:
    """The id of a generation that is done, with these takes."""
    row = Generation(
        id=uuid4(),
        user_id=caller.user().id,
        voice=voice,
        prompt=prompt,
        params={"n": len(texts)},
        placed=placed,
        state=GenerationState.DONE,
        takes=[new_take(index) | {"text": text, "finish_reason": "stop"} for index, text in enumerate(texts)],
        tokens_reserved=0,
        finished_at=datetime.now(UTC),
    )
    with unit_of_work() as session:
        session.add(row)
        session.flush()
        return str(row.id)
