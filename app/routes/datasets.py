"""Datasets, their songs and versions over HTTP."""

from __future__ import annotations

from typing import Any, Literal, Self
from uuid import UUID

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from app import dataset, dataset_version, song, spotify
from app.auth import required_writer, settings
from app.dataset import DatasetView, Imported
from app.db import unit_of_work
from app.routes.bodies import parsed_body
from app.routes.files import file_answer
from app.routes.plain import plain
from app.routes.queries import number_in_query
from app.routes.uploads import received_file
from app.song import ACTS, Selection
from corpus.uploads import MAX_JSONL_BYTES

DATASET = "/datasets/<uuid:dataset_id>"
SONG = DATASET + "/songs/<uuid:song_id>"
VERSION = DATASET + "/versions/<int:number>"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NewDataset(_Strict):
    """`POST /datasets`."""

    name: str


class DatasetChange(_Strict):
    """`PATCH /datasets/<id>`. `rules_off` names the cleaning rules to go without."""

    name: str | None = None
    rules_off: list[str] | None = None


class NewImport(_Strict):
    """`POST /datasets/<id>/imports`: `playlist` needs a link, `tracks` a text, `paste` title and text; `again` looks
    once more for songs that a source refused to tell."""

    kind: Literal["playlist", "tracks", "paste", "again"]
    link: str = ""
    text: str = ""
    artist: str = ""
    title: str = ""


class Review(_Strict):
    """`POST /datasets/<id>/songs/<id>`. `replace` needs a text, and may bring artist and title."""

    act: str = Field(json_schema_extra={"enum": list(ACTS)})
    text: str | None = None
    artist: str | None = None
    title: str | None = None


class Narrowed(_Strict):
    """Songs of a state (or kind) and by a right: at least one of them, for "all" says all."""

    state: str | None = Field(default=None, min_length=1)
    rights: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _narrows(self) -> Self:
        if not self.state and not self.rights:
            raise ValueError('name a state or rights, or send "all"')
        return self


class RightsStated(BaseModel):
    """`POST /datasets/<id>/rights`. `licensed` needs a note, `public_domain` a link to the source in it."""

    model_config = ConfigDict(extra="forbid")

    songs: list[UUID] | Literal["all"] | Narrowed
    rights: str
    note: str = ""
    attest: StrictBool = False


def register(api: Blueprint) -> None:
    """Put the routes on `api`."""
    _register_datasets(api)
    _register_imports(api)
    _register_songs(api)
    _register_versions(api)


def _register_datasets(api: Blueprint) -> None:
    @api.get("/datasets")
    def datasets() -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(datasets=[_dataset(view) for view in dataset.find(session, required_writer().id)])

    @api.post("/datasets")
    def create_dataset() -> ResponseReturnValue:
        body = parsed_body(NewDataset)
        with unit_of_work() as session:
            made = dataset.create(session, required_writer().id, body.name)
        return jsonify(_dataset(made)), 201, {"Location": f"/api/v1/datasets/{made.id}"}

    @api.get(DATASET)
    def read_dataset(dataset_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(_dataset(dataset.get(session, required_writer().id, dataset_id)))

    @api.patch(DATASET)
    def save_dataset(dataset_id: UUID) -> ResponseReturnValue:
        body = parsed_body(DatasetChange)
        with unit_of_work() as session:
            return jsonify(_dataset(dataset.save(session, required_writer().id, dataset_id, **body.model_dump())))

    @api.delete(DATASET)
    def delete_dataset(dataset_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            dataset.delete(session, required_writer().id, dataset_id)
        return "", 204

    @api.post(DATASET + "/undelete")
    def undelete_dataset(dataset_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(_dataset(dataset.undelete(session, required_writer().id, dataset_id)))

    @api.post(DATASET + "/undo")
    def undo(dataset_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(undone=song.undo(session, required_writer().id, dataset_id))


def _register_imports(api: Blueprint) -> None:
    @api.post(DATASET + "/imports")
    def import_songs(dataset_id: UUID) -> ResponseReturnValue:
        return jsonify(plain(_imported(required_writer().id, dataset_id, parsed_body(NewImport)))), 202

    @api.post(DATASET + "/uploads")
    def upload(dataset_id: UUID) -> ResponseReturnValue:
        user_id = required_writer().id
        with unit_of_work() as session:
            dataset.check_own(session, user_id, dataset_id)
        with received_file(
            "file", max_bytes=_max_bytes, most_bytes=MAX_JSONL_BYTES, too_large=dataset.too_large
        ) as file:
            asked = dataset.import_upload(user_id, dataset_id, file.name, file.path)
        return jsonify(job=plain(asked)), 202


def _register_songs(api: Blueprint) -> None:
    @api.get(DATASET + "/songs")
    def songs(dataset_id: UUID) -> ResponseReturnValue:
        asked = request.args
        with unit_of_work() as session:
            found = song.find(
                session,
                required_writer().id,
                dataset_id,
                state=asked.get("state"),
                rights=asked.get("rights"),
                query=asked.get("q"),
                offset=number_in_query("offset", 0),
                limit=number_in_query("limit", 100),
            )
        return jsonify(plain(found))

    @api.get(SONG)
    def read_song(dataset_id: UUID, song_id: UUID) -> ResponseReturnValue:
        off = request.args.get("off")
        rules_off = None if off is None else frozenset(filter(None, off.split(",")))
        with unit_of_work() as session:
            found = song.read(session, required_writer().id, dataset_id, song_id, rules_off=rules_off)
            versions = dataset_version.holding(session, required_writer().id, dataset_id, song_id)
        lines = [{"kind": kind, "text": text} for kind, text in found.diff]
        words = {"original": found.original, "text": found.text, "diff": lines, "changes": found.changes}
        return jsonify(plain(found.song) | words | {"versions": versions})

    @api.post(SONG)
    def review(dataset_id: UUID, song_id: UUID) -> ResponseReturnValue:
        body = parsed_body(Review)
        with unit_of_work() as session:
            found = song.review(session, required_writer().id, dataset_id, song_id, **body.model_dump())
        return jsonify(plain(found))

    @api.post(DATASET + "/rights")
    def set_rights(dataset_id: UUID) -> ResponseReturnValue:
        body = parsed_body(RightsStated)
        with unit_of_work() as session:
            changed = song.set_rights(
                session,
                required_writer().id,
                dataset_id,
                _selection(body.songs),
                body.rights,
                note=body.note,
                attest=body.attest,
            )
        return jsonify(changed=changed)


def _register_versions(api: Blueprint) -> None:
    @api.post(DATASET + "/versions")
    def freeze(dataset_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(job=plain(dataset_version.freeze(session, required_writer().id, dataset_id))), 202

    @api.get(DATASET + "/versions")
    def dataset_versions(dataset_id: UUID) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(versions=plain(dataset_version.find(session, required_writer().id, dataset_id)))

    @api.get(VERSION)
    def read_version(dataset_id: UUID, number: int) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(dataset_version.check(session, required_writer().id, dataset_id, number)))

    @api.delete(VERSION)
    def delete_version(dataset_id: UUID, number: int) -> ResponseReturnValue:
        with unit_of_work() as session:
            dataset_version.delete(session, required_writer().id, dataset_id, number)
        return "", 204

    @api.get(VERSION + "/diff/<int:other>")
    def diff_versions(dataset_id: UUID, number: int, other: int) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(dataset_version.diff(session, required_writer().id, dataset_id, number, other)))

    @api.post(VERSION + "/restore")
    def restore_version(dataset_id: UUID, number: int) -> ResponseReturnValue:
        with unit_of_work() as session:
            return jsonify(plain(dataset_version.restore(session, required_writer().id, dataset_id, number)))

    @api.get(VERSION + "/download")
    def download(dataset_id: UUID, number: int) -> ResponseReturnValue:
        with unit_of_work() as session:
            kind = request.args.get("as", "zip")
            file = dataset_version.download(session, required_writer().id, dataset_id, number, kind)
        return file_answer(file.file_name, file.mime_type, file.pieces)


def _imported(user_id: UUID, dataset_id: UUID, body: NewImport) -> Imported:
    if body.kind == "playlist":
        with unit_of_work() as session:
            dataset.check_own(session, user_id, dataset_id)
        playlist = spotify.own_playlist(settings(), user_id, body.link)
        with unit_of_work() as session:
            return dataset.import_playlist(session, user_id, dataset_id, playlist.id, playlist.name)
    with unit_of_work() as session:
        if body.kind == "tracks":
            return dataset.import_tracks(session, user_id, dataset_id, body.text)
        if body.kind == "again":
            return dataset.import_again(session, user_id, dataset_id)
        return dataset.import_paste(session, user_id, dataset_id, body.artist, body.title, body.text)


def _dataset(view: DatasetView) -> dict[str, Any]:
    """As the API tells it: the number of versions is called `versions`, and the rules come with their titles."""
    shown: dict[str, Any] = plain(view)
    return shown | {"versions": shown.pop("num_versions"), "rules": plain(view.rules)}


def _selection(songs: list[UUID] | Literal["all"] | Narrowed) -> Selection:
    if isinstance(songs, list):
        return Selection(ids=frozenset(songs))
    return Selection() if isinstance(songs, str) else Selection(state=songs.state, rights=songs.rights)


def _max_bytes(name: str) -> int:
    return dataset.max_upload_bytes(dataset.checked_file_name(name))
