"""Datasets and their songs, jobs, the queue's own tables, and linked Spotify accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

DROP_QUEUE = """
do $$
declare name text;
begin
    drop table if exists procrastinate_events, procrastinate_periodic_defers, procrastinate_jobs, procrastinate_workers
        cascade;
    for name in
        select oid::regprocedure::text from pg_proc
        where proname like 'procrastinate\\_%' and pronamespace = current_schema()::regnamespace
    loop
        execute 'drop function ' || name || ' cascade';
    end loop;
    drop type if exists procrastinate_job_to_defer_v1, procrastinate_job_event_type, procrastinate_job_status cascade;
end $$
"""


def upgrade() -> None:
    op.create_table(
        "dataset",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("rules_off", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_dataset_user_id_app_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
    )
    op.create_index("ix_dataset_user_id_updated_at", "dataset", ["user_id", "updated_at"], unique=False)
    op.create_table(
        "lookup",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("track_key", sa.String(length=400), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("artist", sa.Text(), server_default="", nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("url", sa.Text(), server_default="", nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_lookup_user_id_app_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "source", "track_key", name=op.f("pk_lookup")),
    )
    op.create_index(op.f("ix_lookup_fetched_at"), "lookup", ["fetched_at"], unique=False)
    op.create_table(
        "spotify_link",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("spotify_user_id", sa.String(length=200), nullable=False),
        sa.Column("display_name", sa.Text(), server_default="", nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.Text(), server_default="", nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_spotify_link_user_id_app_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_spotify_link")),
    )
    op.create_table(
        "dataset_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.id"], name=op.f("fk_dataset_change_dataset_id_dataset"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_change")),
    )
    op.create_index(
        "ix_dataset_change_dataset_id_created_at", "dataset_change", ["dataset_id", "created_at"], unique=False
    )
    op.create_table(
        "dataset_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.Column("manifest", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.id"], name=op.f("fk_dataset_version_dataset_id_dataset"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_version")),
        sa.UniqueConstraint("dataset_id", "number", name=op.f("uq_dataset_version_dataset_id_number")),
    )
    op.create_table(
        "job",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="queued", nullable=False),
        sa.Column("attempt", sa.Uuid(), nullable=True),
        sa.Column("num_starts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("stage", sa.Text(), server_default="", nullable=False),
        sa.Column("num_done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("num_total", sa.Integer(), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("log", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("cancel_asked", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("run_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.id"], name=op.f("fk_job_dataset_id_dataset"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_job_user_id_app_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("attempt", name=op.f("uq_job_attempt")),
    )
    op.create_index("ix_job_dataset_id_created_at", "job", ["dataset_id", "created_at"], unique=False)
    op.create_index(
        "ix_job_open",
        "job",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("state in ('queued', 'running', 'waiting')"),
    )
    op.create_index("ix_job_user_id_created_at", "job", ["user_id", "created_at"], unique=False)
    op.create_table(
        "song",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("track_key", sa.String(length=400), nullable=False),
        sa.Column("artist", sa.Text(), server_default="", nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("duration_s", sa.Float(), nullable=True),
        sa.Column("state", sa.String(length=16), server_default="wanted", nullable=False),
        sa.Column("is_dropped", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("source", sa.String(length=32), server_default="", nullable=False),
        sa.Column("url", sa.Text(), server_default="", nullable=False),
        sa.Column("matched_artist", sa.Text(), server_default="", nullable=False),
        sa.Column("matched_title", sa.Text(), server_default="", nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("original", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("content_sha", sa.String(length=64), nullable=True),
        sa.Column("rights", sa.String(length=16), server_default="unknown", nullable=False),
        sa.Column("rights_note", sa.Text(), server_default="", nullable=False),
        sa.Column("rights_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rights_by", sa.Uuid(), nullable=True),
        sa.Column("duplicate_of", sa.Uuid(), nullable=True),
        sa.Column("language", sa.String(length=16), nullable=True),
        sa.Column("is_explicit", sa.Boolean(), nullable=True),
        sa.Column("attempt", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.id"], name=op.f("fk_song_dataset_id_dataset"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["duplicate_of"], ["song.id"], name=op.f("fk_song_duplicate_of_song"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_song")),
        sa.UniqueConstraint("dataset_id", "track_key", name=op.f("uq_song_dataset_id_track_key")),
    )
    op.create_index("ix_song_content_sha", "song", ["content_sha"], unique=False)
    op.create_index("ix_song_dataset_id_position", "song", ["dataset_id", "position"], unique=False)
    op.create_index(
        "ix_song_duplicate_of",
        "song",
        ["duplicate_of"],
        unique=False,
        postgresql_where=sa.text("duplicate_of is not null"),
    )
    op.create_index(
        "ix_song_wanted", "song", ["dataset_id", "position"], unique=False, postgresql_where=sa.text("state = 'wanted'")
    )
    op.create_table(
        "version_song",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("content_sha", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["dataset_version.id"],
            name=op.f("fk_version_song_version_id_dataset_version"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version_id", "content_sha", name=op.f("pk_version_song")),
    )
    op.create_index(op.f("ix_version_song_content_sha"), "version_song", ["content_sha"], unique=False)
    # The pinned version's schema: a release that changes it comes with a step of its own.
    # By hand: `apply_schema` takes the schema's percent signs for parameters of psycopg2.
    _run_as_it_is(SchemaManager.get_schema())


def downgrade() -> None:
    _run_as_it_is(DROP_QUEUE)
    op.drop_table("version_song")
    op.drop_table("song")
    op.drop_table("job")
    op.drop_table("dataset_version")
    op.drop_table("dataset_change")
    op.drop_table("spotify_link")
    op.drop_table("lookup")
    op.drop_table("dataset")


def _run_as_it_is(script: str) -> None:
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(script)
