"""The verbs of a form: read one out of untrusted values, and the presets to begin with."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from app.errors import BadInput
from contracts.wire import NOT_TEXT
from lyrics.form import MAX_SYLLABLES, PRESETS, Form

_SYLLABLES = (
    "syllables is one number for every line, a list with one a line, or a min and a max; "
    f"each from 1 to {MAX_SYLLABLES}"
)


def parse(values: object) -> Form:
    """A form out of untrusted values.

    Raises:
        BadInput: with the field at fault, as `form.scheme`.
    """
    if not isinstance(values, dict):
        raise BadInput('A form is a JSON object, such as {"scheme": "AABB"}.', field="form")
    try:
        form = Form.model_validate(values)
    except ValidationError as error:
        raise _complaint(error) from None
    dataset = form.originality.dataset if form.originality else ""
    for field, words in (
        ("include", form.include),
        ("exclude", form.exclude),
        ("rhymes", [word for given in form.rhymes.values() for word in given]),
        ("originality", [dataset]),
    ):
        if any(NOT_TEXT.search(word) for word in words):
            raise BadInput(f"{field} holds a control character: only text can be sung.", field=f"form.{field}")
    return form


def _complaint(error: ValidationError) -> BadInput:
    """The complaint that says most: our own sentence if there is one, else the first."""
    errors = error.errors(include_url=False, include_context=False)
    found = next((each for each in errors if each["type"] == "value_error"), errors[0])
    field = str(found["loc"][0]) if found["loc"] else ""
    message = found["msg"].removeprefix("Value error, ")
    if field == "syllables" and found["type"] != "value_error":
        message = _SYLLABLES
    elif found["type"] != "value_error":
        message = f"{field}: {message}"
    return BadInput(f"{message[:1].upper()}{message[1:]}.", field=f"form.{field}" if field else "form")


def presets() -> list[dict[str, Any]]:
    """The songs that the studio offers to begin with, as plain values."""
    return [{"name": name, "words": song.in_words()} | song.model_dump(mode="json") for name, song in PRESETS.items()]
