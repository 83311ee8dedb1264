"""Beginnings that voices go on from, to be judged by what they make of them.

They are taken from songs that the voice never saw: cards from the validation songs of its dataset's version and
comparisons from the test songs, so that what a writer keeps at cards (it trains the next version) is never what two
versions are compared by. Voices without such songs, as checkpoints are, get lines of our own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle, islice, zip_longest
from random import Random
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import store
from app.errors import ServiceAway
from contracts.bucket import NoSuchKey
from contracts.manifest import dataset_manifest_key
from corpus import version
from corpus.version import Split, Torn
from lyrics.clean import stanzas_of
from models import Adapter, DatasetVersion, Run

MAX_A_SONG = 6
CARDS: Split = "validation"
COMPARISONS: Split = "test"

OUR_OWN = (
    "I left the porch light burning\nFor a car that never came",
    "There's a map upon the kitchen wall\nWith the coastline rubbed away",
    "My father kept the hours\nIn a tin beneath the stair",
    "She was counting all the windows\nOn the late train into town",
    "Snow on the piano lid\nAnd a glove on the back of the chair",
    "We were younger than the weather\nWe were older than the rain",
    "Somebody painted the harbour gold\nAnd the fishermen stayed in bed",
    "I can hear the neighbour's radio\nThrough the plaster and the paint",
    "Tell the river I was asking\nHow it ever learned to leave",
    "Eleven missed calls from a number\nThat I taught myself to forget",
    "The orchard has gone to the crows again\nAnd the ladder has gone to rust",
    "Put your money on the grey one\nShe's been sleeping all the day",
    "There's a hole in the roof where the morning drips\nAnd a bucket that sings to the floor",
    "Half of my heart is a rented room\nAnd the other half is the key",
    "The barber's dog knows everyone\nBy the sound of their Sunday shoes",
    "I wrote your name in the window steam\nAnd the kettle rubbed it out",
    "Nobody dances at the depot now\nBut the lights come on the same",
    "You said that the city was only a phase\nLike the moon or the price of bread",
    "The well ran dry in the month of June\nAnd the preacher ran dry in May",
    "I borrowed a coat from a man I met\nOn the road to a better year",
    "All of the clocks in my mother's house\nAre arguing over the time",
    "Low tide and a broken bottle\nAnd a letter I can't make out",
    "Give me the street with the chestnut trees\nAnd the shop where we stole the pears",
    "The lift doesn't stop on the seventh floor\nSince the winter the band moved out",
    "My shadow is learning to drive a car\nAnd it's taking the corners wide",
    "There's a light on the hill that nobody owns\nAnd a road that nobody made",
    "I'd trade you the summer for one good coat\nAnd the coat for a word from you",
    "They turned off the fountain and sold the swans\nAnd the square is a square of grey",
    "Two sugars and never a question asked\nThat's how she poured out the news",
    "The wind took a chair from the garden last night\nAnd it hasn't been seen since then",
    "Write me a song with a door in it\nAnd leave the door ajar",
    "We buried the hatchet and marked the place\nWith a stick and a paper flag",
    "I know every dent in the county bus\nAnd it knows every dent in me",
    "Some people are born with a compass inside\nI was born with a coin to toss",
    "The choir went home and the candles went out\nAnd the bell kept on by itself",
    "Sing it again for the cheaper seats\nFor the ones who came in late",
    "My bicycle's leaning on somebody's wall\nIn a town that I left at ten",
    "The moon is a plate in the sink again\nAnd it's my turn to wash up",
    "There are seven good reasons to go to sea\nAnd she's sitting on every one",
    "Sawdust and roses and kerosene\nThat was the smell of the fair",
)
"""Every second one is for cards, and the others for comparisons. Written for this project."""


def beginnings(
    session: Session, user_id: UUID, voices: Sequence[str], part: Split, num: int, seed: int | str
) -> list[str]:
    """`num` beginnings, whole lines each, drawn by the seed; when there are too few, some come again.

    They are from songs of these voices' datasets, as far as these are adapters of this person.
    """
    dice = Random(seed)  # noqa: S311 - which songs are asked about is no secret
    songs = [found for song in _held_out(session, user_id, voices, part) if (found := _openings(song))]
    own = [f"{text}\n" for text in OUR_OWN[part == CARDS :: 2]]
    dice.shuffle(songs)
    for several in (*songs, own):
        dice.shuffle(several)
    # One of each song, then a second of each: what is asked about is spread over the songs that there are.
    turns = [text for turn in zip_longest(*(song[:MAX_A_SONG] for song in songs)) for text in turn if text is not None]
    return list(islice(cycle((turns + own[: max(0, num - len(turns))]) or own), num))


def _held_out(session: Session, user_id: UUID, voices: Sequence[str], part: Split) -> Iterator[str]:
    """The words of the songs that no version of these voices' datasets trains on."""
    seen: set[UUID] = set()
    for dataset_id, number in _versions(session, user_id, voices):
        if dataset_id in seen:
            continue
        seen.add(dataset_id)
        try:
            with store.bucket() as bucket:
                yield from [
                    song.text
                    for song in version.read(bucket, dataset_manifest_key(dataset_id, number))
                    if song.split == part
                ]
        except (Torn, NoSuchKey, ServiceAway):
            continue  # a version that is gone costs its prompts, not the comparison


def _versions(session: Session, user_id: UUID, voices: Sequence[str]) -> list[tuple[UUID, int]]:
    ids = []
    for voice in voices:
        try:
            ids.append(UUID(voice))
        except ValueError:
            continue
    rows = session.execute(
        select(DatasetVersion.dataset_id, DatasetVersion.number)
        .join(Run, Run.version_id == DatasetVersion.id)
        .join(Adapter, Adapter.id == Run.id)
        .where(Adapter.id.in_(ids), Adapter.user_id == user_id, DatasetVersion.deleted_at.is_(None))
        .order_by(DatasetVersion.created_at.desc())
    )
    return [(row.dataset_id, row.number) for row in rows]


def _openings(song: str) -> list[str]:
    """The first two lines of each stanza after which something follows.

    >>> _openings("[Verse]\\nThe tide is low\\nThe boats are in\\nAnd nobody asks\\n\\nLa la\\n")
    ['The tide is low\\nThe boats are in\\n']
    """
    return [f"{stanza[0]}\n{stanza[1]}\n" for stanza in stanzas_of(song) if len(stanza) > 2]
