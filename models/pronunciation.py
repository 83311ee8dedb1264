"""How one writer says a word. It wins over all dictionaries, for this writer alone."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ForeignKey, String, Uuid, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, CreatedAt


class Pronunciation(Base):
    """One word of one writer.

    `word` is as `lyrics.phones.normal` writes it, `phones` is ARPAbet with spaces between; `like_word` is the word
    after whose end it was made, None when the phones were given.
    """

    __tablename__ = "pronunciation"

    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("app_user.id", ondelete="CASCADE"), primary_key=True)
    word: Mapped[str] = mapped_column(String(48), primary_key=True)
    phones: Mapped[str] = mapped_column(String(200))
    like_word: Mapped[str | None] = mapped_column(String(48))
    created_at: Mapped[CreatedAt]


def pronunciations_of(session: Session, user_id: UUID) -> Sequence[Pronunciation]:
    """This writer's, by word."""
    mine = select(Pronunciation).where(Pronunciation.user_id == user_id).order_by(Pronunciation.word)
    return session.scalars(mine).all()


def num_pronunciations(session: Session, user_id: UUID, *, besides: str) -> int:
    """How many words this writer has, `besides` not counted."""
    others = select(func.count()).where(Pronunciation.user_id == user_id, Pronunciation.word != besides)
    return session.scalar(others) or 0


def put_pronunciation(session: Session, user_id: UUID, word: str, *, phones: str, like_word: str | None) -> None:
    """Say this word so from now on."""
    made = insert(Pronunciation).values(user_id=user_id, word=word, phones=phones, like_word=like_word)
    session.execute(
        made.on_conflict_do_update(
            index_elements=[Pronunciation.user_id, Pronunciation.word],
            set_={"phones": phones, "like_word": like_word},
        )
    )


def delete_pronunciation(session: Session, user_id: UUID, word: str) -> bool:
    """Say it as everybody does; False when this writer did already."""
    gone = delete(Pronunciation).where(Pronunciation.user_id == user_id, Pronunciation.word == word)
    return session.execute(gone.returning(Pronunciation.word)).first() is not None
