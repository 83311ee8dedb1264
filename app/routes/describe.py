"""The parts that the API's description is put together from. Source: OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Mapping

from app.routes.answers import Json


def path_id(name: str) -> Json:
    """An id in an address."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}


def path_number(name: str) -> Json:
    """A number in an address."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}


def query(name: str, schema: Json) -> Json:
    """A parameter after the question mark, which may be left out."""
    return {"name": name, "in": "query", "required": False, "schema": schema}


def last_event_id() -> Json:
    """Where a stream is to go on from."""
    return {"name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "integer", "minimum": 0}}


def verb(
    operation: str,
    summary: str,
    *,
    answers: Mapping[str, str | None],
    body: str | None = None,
    errors: tuple[str, ...] = (),
) -> Json:
    """What one method of an address takes and answers; 401 is among the errors anyway."""
    responses: Json = {status: answer(summary, schema) for status, schema in answers.items()}
    responses |= {status: answer("What went wrong, and what to do", "ErrorResponse") for status in (*errors, "401")}
    described: Json = {"operationId": operation, "summary": summary, "responses": responses}
    if body:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": ref(body)}}}
    return described


def answer(description: str, schema: str | None) -> Json:
    """One response: a type of ours, a media type, or nothing."""
    if schema is None:
        return {"description": description}
    if "/" in schema:
        return {"description": description, "content": {schema: {"schema": {"type": "string"}}}}
    return {"description": description, "content": {"application/json": {"schema": ref(schema)}}}


def ref(name: str) -> Json:
    """A type by name."""
    return {"$ref": f"#/components/schemas/{name}"}
