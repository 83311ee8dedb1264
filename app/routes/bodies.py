"""Reading a JSON request body."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from flask import request
from pydantic import BaseModel, ValidationError

from app.errors import BadInput, bad_input_of

Body = TypeVar("Body", bound=BaseModel)


def json_object() -> dict[str, Any]:
    """The request's body, which must be one JSON object.

    Raises:
        BadInput: it is not UTF-8, not JSON, not an object, or holds NaN or Infinity.
    """
    try:
        body = json.loads(request.get_data().decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise BadInput("The body is not UTF-8 text.", code="bad_json") from None
    except (ValueError, RecursionError) as error:  # ValueError also for a number of thousands of digits
        raise BadInput(f"The body is not JSON: {error}.", code="bad_json") from None
    if not isinstance(body, dict):
        raise BadInput("The body must be one JSON object, such as {}.", code="bad_json")
    return body


def parsed_body(kind: type[Body]) -> Body:
    """The request's body as this type.

    Raises:
        BadInput: with the field at fault.
    """
    try:
        return kind.model_validate(json_object())
    except ValidationError as error:
        raise bad_input_of(error) from None


def _no_constant(name: str) -> float:
    raise BadInput(f"The body holds {name}, which is not JSON: send a finite number.", code="bad_json")
