"""Generations that keep a form, and how a writer says a word."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "pronunciation",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("word", sa.String(length=48), nullable=False),
        sa.Column("phones", sa.String(length=200), nullable=False),
        sa.Column("like_word", sa.String(length=48), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_pronunciation_user_id_app_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "word", name=op.f("pk_pronunciation")),
    )
    for name in ("form", "deed", "placed", "error_offers"):
        op.add_column("generation", sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), nullable=True))


def downgrade() -> None:
    for name in ("error_offers", "placed", "deed", "form"):
        op.drop_column("generation", name)
    op.drop_table("pronunciation")
