"""Training: runs, adapters, what writers keep and reject, blind comparisons, drift, and minutes on the account."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "adapter",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=80), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("base", sa.String(length=128), nullable=False),
        sa.Column("bits_per_byte", sa.Float(), nullable=False),
        sa.Column("card", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("manifest", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("is_live", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_adapter_user_id_app_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adapter")),
    )
    op.create_index("ix_adapter_user_id_created_at", "adapter", ["user_id", "created_at"], unique=False)
    op.create_index(
        "uq_adapter_live", "adapter", ["user_id", "title"], unique=True, postgresql_where=sa.text("is_live")
    )
    op.create_table(
        "comparison",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("voice_a", sa.String(length=128), nullable=False),
        sa.Column("voice_b", sa.String(length=128), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("prompts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_comparison_user_id_app_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparison")),
    )
    op.create_index("ix_comparison_user_id_created_at", "comparison", ["user_id", "created_at"], unique=False)
    op.create_table(
        "drift",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column("num_new", sa.Integer(), nullable=False),
        sa.Column("new_mark", sa.String(length=32), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("card", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.id"], name=op.f("fk_drift_dataset_id_dataset"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_drift_job_id_job"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_drift")),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("voice", sa.String(length=128), nullable=False),
        sa.Column("generation_id", sa.Uuid(), nullable=True),
        sa.Column("take", sa.Integer(), server_default="0", nullable=False),
        sa.Column("line", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lyric_id", sa.Uuid(), nullable=True),
        sa.Column("prompt", sa.Text(), server_default="", nullable=False),
        sa.Column("written", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Enum("kept", "rejected", name="verdict", native_enum=False, length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generation.id"], name=op.f("fk_feedback_generation_id_generation"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["lyric_id"], ["lyric.id"], name=op.f("fk_feedback_lyric_id_lyric"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_feedback_user_id_app_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint(
            "user_id", "generation_id", "take", "line", name=op.f("uq_feedback_user_id_generation_id_take_line")
        ),
    )
    op.create_index("ix_feedback_user_id_voice", "feedback", ["user_id", "voice"], unique=False)
    op.create_table(
        "pair",
        sa.Column("comparison_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("generation_a", sa.Uuid(), nullable=True),
        sa.Column("generation_b", sa.Uuid(), nullable=True),
        sa.Column("left_is_a", sa.Boolean(), nullable=False),
        sa.Column("pick", sa.String(length=8), nullable=True),
        sa.Column("picked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["comparison_id"], ["comparison.id"], name=op.f("fk_pair_comparison_id_comparison"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["generation_a"], ["generation.id"], name=op.f("fk_pair_generation_a_generation"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["generation_b"], ["generation.id"], name=op.f("fk_pair_generation_b_generation"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("comparison_id", "number", name=op.f("pk_pair")),
    )
    op.create_table(
        "probed",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("checkpoint", sa.String(length=128), nullable=False),
        sa.Column("phonemes", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("probe", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_probed_job_id_job"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_probed_user_id_app_user"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["dataset_version.id"],
            name=op.f("fk_probed_version_id_dataset_version"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_probed")),
        sa.UniqueConstraint(
            "version_id", "checkpoint", "phonemes", name=op.f("uq_probed_version_id_checkpoint_phonemes")
        ),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=True),
        sa.Column("version_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("before_id", sa.Uuid(), nullable=True),
        sa.Column("title", sa.String(length=80), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("config", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("quote", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("resume_key", sa.Text(), server_default="", nullable=False),
        sa.Column("last_step", sa.Integer(), server_default="0", nullable=False),
        sa.Column("stop_early", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("minutes_reserved", sa.Integer(), nullable=False),
        sa.Column("minutes_charged", sa.Integer(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["before_id"], ["adapter.id"], name=op.f("fk_run_before_id_adapter"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.id"], name=op.f("fk_run_dataset_id_dataset"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_run_job_id_job"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_run_user_id_app_user"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["dataset_version.id"], name=op.f("fk_run_version_id_dataset_version"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.UniqueConstraint("job_id", name=op.f("uq_run_job_id")),
        sa.UniqueConstraint("user_id", "title", "number", name=op.f("uq_run_user_id_title_number")),
    )
    op.create_index("ix_run_user_id_created_at", "run", ["user_id", "created_at"], unique=False)
    op.create_table(
        "run_event",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("nth", sa.Integer(), server_default="0", nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_run_event_run_id_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "kind", "step", "nth", name=op.f("pk_run_event")),
    )
    op.add_column("song", sa.Column("prompt", sa.Text(), server_default="", nullable=False))
    op.add_column("account", sa.Column("minutes_allowance", sa.Integer(), server_default="0", nullable=False))
    op.add_column("account", sa.Column("minutes_left", sa.Integer(), server_default="0", nullable=False))
    op.add_column("account", sa.Column("max_adapters", sa.Integer(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_account_minutes_left_not_negative"), "account", "minutes_left >= 0")
    # Who signed up before there was training gets what the free plan gives today; guests, whose allowance never comes
    # back, train nothing.
    op.execute(
        "update account set minutes_allowance = 120, minutes_left = 120, max_adapters = 3 where renews_at is not null"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_account_minutes_left_not_negative"), "account", type_="check")
    op.drop_column("song", "prompt")
    op.drop_column("account", "max_adapters")
    op.drop_column("account", "minutes_left")
    op.drop_column("account", "minutes_allowance")
    op.drop_table("run_event")
    op.drop_index("ix_run_user_id_created_at", table_name="run")
    op.drop_table("run")
    op.drop_table("probed")
    op.drop_table("pair")
    op.drop_index("ix_feedback_user_id_voice", table_name="feedback")
    op.drop_table("feedback")
    op.drop_table("drift")
    op.drop_index("ix_comparison_user_id_created_at", table_name="comparison")
    op.drop_table("comparison")
    op.drop_index("uq_adapter_live", table_name="adapter", postgresql_where=sa.text("is_live"))
    op.drop_index("ix_adapter_user_id_created_at", table_name="adapter")
    op.drop_table("adapter")
