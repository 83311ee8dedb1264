"""What was measured for a quote is told apart by the settings that make a step dearer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

BEFORE = "uq_probed_version_id_checkpoint_phonemes"
NOW = "uq_probed_version_id_checkpoint_phonemes_manner"


def upgrade() -> None:
    op.add_column("probed", sa.Column("manner", sa.String(length=160), server_default="", nullable=False))
    op.drop_constraint(BEFORE, "probed", type_="unique")
    op.create_unique_constraint(NOW, "probed", ["version_id", "checkpoint", "phonemes", "manner"])


def downgrade() -> None:
    op.execute("DELETE FROM probed WHERE manner <> ''")
    op.drop_constraint(NOW, "probed", type_="unique")
    op.create_unique_constraint(BEFORE, "probed", ["version_id", "checkpoint", "phonemes"])
    op.drop_column("probed", "manner")
