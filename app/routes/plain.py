"""What verbs give, as JSON can carry it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


def plain(value: Any) -> Any:
    """Named tuples and dataclasses become objects, ids and moments text; at any depth.

    >>> plain({"id": UUID(int=1), "at": [datetime(2026, 11, 21)]})
    {'id': '00000000-0000-0000-0000-000000000001', 'at': ['2026-11-21T00:00:00']}
    """
    if hasattr(value, "_asdict"):
        return {key: plain(item) for key, item in value._asdict().items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value
