"""What the tests of the loop share: adapters and texts as rows, where how they came about does not matter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from app.db import unit_of_work
from models import Adapter, Generation, Run
from models.generation import GenerationState, new_take
from tests.app.conftest import Caller
from tests.services import TINY


def adapter_of(
    caller: Caller, title: str, number: int = 1, *, dataset_id: str | None = None, version_id: UUID | None = None
) -> str:
    """The id of an adapter, with the run that made it, whose files nobody will ask for."""
    adapter_id = uuid4()
    with unit_of_work() as session:
        user_id = caller.user().id
        session.add_all(
            [
                Run(
                    id=adapter_id,
                    user_id=user_id,
                    dataset_id=UUID(dataset_id) if dataset_id else None,
                    version_id=version_id,
                    title=title,
                    number=number,
                    request={},
                    config={},
                    quote={},
                    minutes_reserved=0,
                ),
                Adapter(
                    id=adapter_id,
                    user_id=user_id,
                    title=title,
                    number=number,
                    base=TINY,
                    bits_per_byte=2.0,
                    card={},
                    manifest={},
                ),
            ]
        )
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
