"""The description of datasets, jobs and linked accounts: which address takes what and answers what."""

from __future__ import annotations

from app.routes.answers import Json
from app.routes.describe import path_id, path_number, query, verb
from app.song import KINDS, RIGHTS
from corpus.version import KINDS as FILES

FREEZE = "Freeze the songs that may train into a new version. 409 tells why nothing can be frozen."
UPLOAD = (
    "Bring in a file, in the part `file`: .txt, .zip of .txt, .csv, .jsonl, .docx, .lrc, or a book of songs. "
    "Up to 64 MB, .jsonl up to 256 MB."
)


def dataset_paths() -> Json:
    """All of them."""
    return _datasets() | _songs() | _versions() | _jobs_and_links()


def _datasets() -> Json:
    dataset_id = path_id("dataset_id")
    shown = {"200": "DatasetShown"}
    return {
        "/datasets": {
            "get": verb("listDatasets", "Your datasets", answers={"200": "DatasetList"}, errors=("403",)),
            "post": verb(
                "createDataset",
                "A new dataset. Guests have to sign up first.",
                body="NewDataset",
                answers={"201": "DatasetShown"},
                errors=("400", "402", "403"),
            ),
        },
        "/datasets/{dataset_id}": {
            "parameters": [dataset_id],
            "get": verb("readDataset", "As it stands", answers=shown, errors=("404",)),
            "patch": verb(
                "saveDataset",
                "Rename it, or change its cleaning rules; all songs are then cleaned anew",
                body="DatasetChange",
                answers=shown,
                errors=("400", "404"),
            ),
            "delete": verb(
                "deleteDataset", "Delete; can be undone for 30 days", answers={"204": None}, errors=("404",)
            ),
        },
        "/datasets/{dataset_id}/undelete": {
            "parameters": [dataset_id],
            "post": verb("undeleteDataset", "Bring it back", answers=shown, errors=("402", "404")),
        },
        "/datasets/{dataset_id}/undo": {
            "parameters": [dataset_id],
            "post": verb("undoInDataset", "Undo the last act", answers={"200": "WhatWasUndone"}, errors=("404", "409")),
        },
        "/datasets/{dataset_id}/imports": {
            "parameters": [dataset_id],
            "post": verb(
                "importSongs",
                "Bring songs in. Spotify gives titles alone; the words come from elsewhere.",
                body="NewImport",
                answers={"202": "ImportAsked"},
                errors=("400", "402", "404", "409", "429", "503"),
            ),
        },
        "/datasets/{dataset_id}/uploads": {
            "parameters": [dataset_id],
            "post": verb(
                "uploadSongs", UPLOAD, answers={"202": "JobAsked"}, errors=("400", "402", "404", "413", "429", "503")
            )
            | {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FILE}}}},
        },
    }


_FILE: Json = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary"}},
}


def _songs() -> Json:
    dataset_id, song_id = path_id("dataset_id"), path_id("song_id")
    return {
        "/datasets/{dataset_id}/songs": {
            "parameters": [dataset_id],
            "get": verb("listSongs", "A page of songs", answers={"200": "SongPage"}, errors=("400", "404"))
            | {
                "parameters": [
                    query("state", {"type": "string", "enum": list(KINDS)}),
                    query("rights", {"type": "string", "enum": list(RIGHTS)}),
                    query("q", {"type": "string", "description": "words in artist or title"}),
                    query("offset", {"type": "integer", "minimum": 0, "default": 0}),
                    query("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 100}),
                ]
            },
        },
        "/datasets/{dataset_id}/songs/{song_id}": {
            "parameters": [dataset_id, song_id],
            "get": verb(
                "readSong", "With its words, and what cleaning did", answers={"200": "SongShown"}, errors=("400", "404")
            )
            | {"parameters": [query("off", {"type": "string", "description": "try these rules off, by comma"})]},
            "post": verb(
                "reviewSong",
                "Accept, drop, restore, or replace its words; words that replace others come without rights",
                body="Review",
                answers={"200": "SongListed"},
                errors=("400", "404", "409"),
            ),
        },
        "/datasets/{dataset_id}/rights": {
            "parameters": [dataset_id],
            "post": verb(
                "stateRights",
                "State by what right songs may be used; who did, and when, is kept with them",
                body="RightsStated",
                answers={"200": "RightsChanged"},
                errors=("400", "404"),
            ),
        },
    }


def _versions() -> Json:
    dataset_id, number, other = path_id("dataset_id"), path_number("number"), path_number("other")
    of_version = "/datasets/{dataset_id}/versions/{number}"
    gone, drifted = ("404", "409", "503"), {"200": "DriftShown"}
    return {
        "/datasets/{dataset_id}/versions": {
            "parameters": [dataset_id],
            "get": verb("listDatasetVersions", "All", answers={"200": "DatasetVersionList"}, errors=("404",)),
            "post": verb("freezeDataset", FREEZE, answers={"202": "JobAsked"}, errors=("404", "409", "429")),
        },
        "/datasets/{dataset_id}/drift": {
            "parameters": [dataset_id],
            "get": verb("readDrift", "What is new since the last version", answers=drifted, errors=("404",)),
            "post": verb(
                "measureDrift",
                "Measure how far the new songs are from those of the last version; 409 tells why that cannot be told",
                answers={"202": "DriftShown"},
                errors=("404", "409", "429"),
            ),
        },
        of_version: {
            "parameters": [dataset_id, number],
            "get": verb(
                "readDatasetVersion",
                "Once every byte was checked; 409 names a shard that is not as it was frozen",
                answers={"200": "DatasetVersionShown"},
                errors=gone,
            ),
            "delete": verb("deleteDatasetVersion", "For good", answers={"204": None}, errors=gone),
        },
        of_version + "/diff/{other}": {
            "parameters": [dataset_id, number, other],
            "get": verb("diffDatasetVersions", "Compared", answers={"200": "DatasetVersionDiff"}, errors=gone),
        },
        of_version + "/restore": {
            "parameters": [dataset_id, number],
            "post": verb(
                "restoreDatasetVersion",
                "Make the dataset hold what the version holds; can be undone",
                answers={"200": "DatasetRestored"},
                errors=gone,
            ),
        },
        of_version + "/download": {
            "parameters": [dataset_id, number],
            "get": verb(
                "downloadDatasetVersion", "As a file", answers={"200": "application/zip"}, errors=("400", *gone)
            )
            | {"parameters": [query("as", {"type": "string", "enum": list(FILES), "default": "zip"})]},
        },
    }


def _jobs_and_links() -> Json:
    job_id = path_id("job_id")
    shown = {"200": "JobShown"}
    return {
        "/jobs": {"get": verb("listJobs", "Your jobs", answers={"200": "JobList"})},
        "/jobs/{job_id}": {
            "parameters": [job_id],
            "get": verb("readJob", "As it stands", answers=shown, errors=("404",)),
        },
        "/jobs/{job_id}/cancel": {
            "parameters": [job_id],
            "post": verb("cancelJob", "End it; what is done stays done", answers=shown, errors=("404", "409")),
        },
        "/jobs/{job_id}/retry": {
            "parameters": [job_id],
            "post": verb("retryJob", "Once more, if it failed or was cancelled", answers=shown, errors=("404", "409")),
        },
        "/spotify": {
            "get": verb("readSpotifyLink", "Whether an account is linked", answers={"200": "SpotifyShown"}),
            "delete": verb("unlinkSpotify", "Forget it and its tokens", answers={"204": None}, errors=("404",)),
        },
        "/spotify/playlists": {
            "get": verb(
                "listPlaylists",
                "The playlists of the linked account",
                answers={"200": "PlaylistList"},
                errors=("403", "409", "429", "503"),
            )
        },
    }
