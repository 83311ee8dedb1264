"""The errors of the product: nouns that carry what went wrong, what to do, and the HTTP status that says so.

Every skin shows `message` to the person; programs read `code`. This is the only file that knows status codes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic import ValidationError

from contracts.wire import ErrorBody, ErrorResponse, Offer


class AppError(Exception):
    """An expected failure.

    `field` names the input at fault, `retry_after_s` says when trying again makes sense, `offers` are forms that could
    be kept instead of the one that was asked for.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        retry_after_s: int | None = None,
        offers: Iterable[Offer] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.name = code or self.code
        self.field = field
        self.retry_after_s = retry_after_s
        self.offers = list(offers)

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers that belong to this error."""
        return {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}

    def to_response(self) -> ErrorResponse:
        """The one JSON error shape."""
        return ErrorResponse(
            error=ErrorBody(
                code=self.name,
                message=self.message,
                field=self.field,
                retry_after_s=self.retry_after_s,
                offers=self.offers,
            )
        )


class BadInput(AppError):
    """Something in the request is not as it must be."""

    status, code = 400, "bad_input"


class NotSignedIn(AppError):
    """No credentials, or credentials that are not good (any more)."""

    status, code = 401, "not_signed_in"

    @property
    def headers(self) -> dict[str, str]:
        """With the kind of credentials that would do."""
        return {"WWW-Authenticate": "Bearer"}


class AllowanceSpent(AppError):
    """The allowance does not cover what was asked."""

    status, code = 402, "allowance_spent"


class CsrfRefused(AppError):
    """A form or callback without this session's CSRF token."""

    status, code = 403, "csrf"


class NeedsAccount(AppError):
    """What a guest may not have: signing up is all it takes."""

    status, code = 403, "sign_up_first"


class NotFound(AppError):
    """There is no such thing for this person; somebody else's things do not exist either."""

    status, code = 404, "not_found"


class NotAllowed(AppError):
    """The address does not take this method."""

    status, code = 405, "method_not_allowed"


class Conflict(AppError):
    """The thing has changed since the caller looked."""

    status, code = 409, "conflict"


class TooLarge(AppError):
    """More bytes than we take."""

    status, code = 413, "too_large"


class ImpossibleForm(AppError):
    """No text can keep the form; `offers` are the nearest that one can."""

    status, code = 422, "impossible_form"


class TooMany(AppError):
    """Too often, or too much at once; `retry_after_s` says when."""

    status, code = 429, "too_many"


class ServiceAway(AppError):
    """A service that we need does not answer; nothing was lost or charged."""

    status, code = 503, "service_away"


BY_STATUS: dict[int, type[AppError]] = {
    kind.status: kind
    for kind in (
        BadInput,
        NotSignedIn,
        AllowanceSpent,
        CsrfRefused,
        NotFound,
        NotAllowed,
        Conflict,
        TooLarge,
        ImpossibleForm,
        TooMany,
        ServiceAway,
    )
}


def error_of(
    status: int,
    message: str,
    *,
    code: str | None = None,
    field: str | None = None,
    retry_after_s: int | None = None,
    offers: Iterable[Offer] = (),
) -> AppError:
    """The error that fits an HTTP status."""
    kind = BY_STATUS.get(status, BadInput if 400 <= status < 500 else AppError)
    return kind(message, code=code, field=field, retry_after_s=retry_after_s, offers=offers)


def bad_input_of(error: ValidationError) -> BadInput:
    """The first complaint of a pydantic validation, as a sentence that names the field."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = _dotted(first["loc"])
    return BadInput(f"{field or 'The request'}: {first['msg'].removeprefix('Value error, ')}.", field=field or None)


def _dotted(location: Iterable[Any]) -> str:
    return ".".join(str(part) for part in location)
