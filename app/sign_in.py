"""Signing up and logging in by e-mail and password.

A guest who signs up stays the same row, so nothing moves; a guest who logs in brings their lyrics along. Guessing is
slowed by counters in Postgres, per address and per sender. Knows nothing of cookies.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from email_validator import EmailNotValidError, validate_email
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import account
from app.db import unit_of_work
from app.errors import BadInput, NotFound, NotSignedIn, TooMany
from app.plain_text import checked_text
from contracts.settings import Settings
from models import Feedback, Generation, Lyric, User
from models.generation import OPEN_STATES
from models.throttle import forget, hit, seconds_left
from models.user import user_by_email

MIN_PASSWORD_CHARS = 10
MAX_PASSWORD_CHARS = 200
WINDOW = timedelta(minutes=15)
MAX_TRIES_PER_PAIR = 10
MAX_TRIES_PER_SENDER = 60
MAX_TRIES_PER_ADDRESS = 200
MAX_SIGN_UPS_PER_SENDER = 30
MAX_GUESTS_PER_SENDER = 60

_hasher = PasswordHasher()
_NOBODY = _hasher.hash("no user has this password")


def normal_email(email: str) -> str:
    """The address in the one form that we store.

    >>> normal_email(" Ada@Example.org ")
    'ada@example.org'

    Raises:
        BadInput: it is not an e-mail address.
    """
    try:
        return validate_email(email.strip(), check_deliverability=False).normalized.lower()
    except EmailNotValidError as error:
        raise BadInput(f"This is not an e-mail address we can use: {error}", code="bad_email", field="email") from None


def sign_up(
    session: Session, settings: Settings, *, email: str, password: str, sender: str, guest_id: UUID | None
) -> User:
    """Make a user, out of the guest if there is one.

    Raises:
        BadInput: the address or the password cannot be used, or the address is taken.
        TooMany: too many new users from one sender.
    """
    _count(f"signup:{sender}", MAX_SIGN_UPS_PER_SENDER, "There were many new accounts from your network")
    address = normal_email(email)
    _check_new_password(password, address)
    user = session.get(User, guest_id) if guest_id else None
    if user is None or not user.is_guest:
        user = User()
        session.add(user)
    taken = BadInput(
        "There is already an account with this address: log in instead.", code="email_taken", field="email"
    )
    if user_by_email(session, address):
        raise taken
    user.email = address
    user.password_hash = _hasher.hash(password)
    try:
        session.flush()
    except IntegrityError:  # somebody signed up with it this very moment
        raise taken from None
    account.grant_free_plan(session, user, settings)
    return user


def log_in(session: Session, *, email: str, password: str, sender: str, guest_id: UUID | None) -> User:
    """The user whose address and password these are; a guest's lyrics become theirs.

    Raises:
        NotSignedIn: the pair does not fit; it does not say which half.
        TooMany: too many tries.
    """
    _count(f"login-from:{sender}", MAX_TRIES_PER_SENDER, "There were many tries to log in from your network")
    try:
        address = normal_email(email)
    except BadInput:
        raise _no_such_pair() from None
    _count(f"login-to:{address}", MAX_TRIES_PER_ADDRESS, "There were many tries to log in to this account")
    pair = f"login-pair:{sender}:{address}"[:200]
    _count(pair, MAX_TRIES_PER_PAIR, "There were many tries to log in to this account")
    user = user_by_email(session, address)
    if not _fits(user.password_hash if user else None, password) or user is None:
        raise _no_such_pair()
    forget(session, pair)
    if user.password_hash and _hasher.check_needs_rehash(user.password_hash):
        user.password_hash = _hasher.hash(password)
    if guest_id and guest_id != user.id:
        _adopt(session, guest_id, user)
    return user


def set_password(session: Session, *, email: str, password: str) -> None:
    """Give a user a password: the operator's verb, for users that a token was made for, or who forgot theirs.

    Raises:
        NotFound: there is no such user.
        BadInput: the password cannot be used.
    """
    address = normal_email(email)
    user = user_by_email(session, address)
    if user is None:
        raise NotFound(f"There is no user {address}. `ghost token create --email {address}` makes one.")
    _check_new_password(password, address)
    user.password_hash = _hasher.hash(password)


def count_guest(sender: str) -> None:
    """Count one more guest from this sender.

    Raises:
        TooMany: a guest's allowance must not be had again and again by throwing cookies away.
    """
    _count(f"guest:{sender}", MAX_GUESTS_PER_SENDER, "There were many new guests from your network; sign up to go on")


def _count(key: str, limit: int, what: str) -> None:
    # A unit of work of its own: a refused try must count although its request is rolled back.
    with unit_of_work() as counting:
        if hit(counting, key[:200], WINDOW) <= limit:
            return
        wait_s = seconds_left(counting, key[:200], WINDOW)
    raise TooMany(f"{what}. Wait {(wait_s + 59) // 60} minutes and try again.", code="throttled", retry_after_s=wait_s)


def _no_such_pair() -> NotSignedIn:
    return NotSignedIn("This e-mail address and password do not belong together.", code="wrong_password")


def _check_new_password(password: str, address: str) -> None:
    checked_text(password, field="password", max_chars=MAX_PASSWORD_CHARS)
    if len(password) < MIN_PASSWORD_CHARS:
        raise BadInput(
            f"The password has {len(password)} characters; it needs at least {MIN_PASSWORD_CHARS}.",
            code="weak_password",
            field="password",
        )
    if password.lower() in (address, address.partition("@")[0]) or len(set(password)) < 4:
        raise BadInput("This password is too easy to guess: choose another.", code="weak_password", field="password")


def _fits(stored: str | None, password: str) -> bool:
    """Compare in the same time whether or not there is such a user."""
    try:
        matches = _hasher.verify(stored or _NOBODY, password[:MAX_PASSWORD_CHARS])
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
    return matches and stored is not None


def _adopt(session: Session, guest_id: UUID, user: User) -> None:
    guest = session.get(User, guest_id)
    if guest is None or not guest.is_guest:
        return
    session.execute(update(Lyric).where(Lyric.user_id == guest_id).values(user_id=user.id))
    # What is still being written stays the guest's: its reservation must go back to where it was taken from.
    over = Generation.state.not_in(OPEN_STATES)
    session.execute(update(Generation).where(Generation.user_id == guest_id, over).values(user_id=user.id))
    session.execute(update(Feedback).where(Feedback.user_id == guest_id).values(user_id=user.id))
