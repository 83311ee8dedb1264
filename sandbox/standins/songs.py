"""Invented songs, always the same ones: `CATALOGUE` makes them from their numbers, so nothing is stored.

Some are instrumental, some are missing from one source or from all, and around some stand others that a careless
search would take for them: karaoke, translations, sequels, remixes and namesakes. `noisy` writes a song as playlists
do.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from random import Random
from typing import Literal

from sandbox.standins import words

NUM_SONGS = 1_200
NUM_ARTISTS = 240
FIRST_ID = 1_000
FIRST_DECOY_ID = 50_000

Kind = Literal["song", "karaoke", "translation", "sequel", "remix", "namesake"]


@dataclass(frozen=True)
class Song:
    """One entry of a source: a song, or a decoy that stands beside one."""

    id: int
    artist: str
    title: str
    duration_s: int
    tongue: str
    kind: Kind = "song"
    is_instrumental: bool = False
    on_genius: bool = True
    is_complete: bool = True
    """Whether Genius says that it has all the words."""
    is_challenged: bool = False
    """Whether its page at Genius asks robots to go away."""
    on_lrclib: bool = True

    @property
    def text(self) -> str:
        """The words, with `[Verse 1]` and such above each section; empty when nobody sings."""
        return "" if self.is_instrumental else lyric(self.id, self.tongue)

    @property
    def path(self) -> str:
        """Of its page at Genius."""
        return f"/{slug(f'{self.artist} {self.title}')}-{self.id}-lyrics"


def slug(text: str) -> str:
    """Letters of an address: `Zoë & the Foxes` is `zoe-the-foxes`; nothing is left of other scripts."""
    latin = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", latin).strip("-") or "song"


class Catalogue:
    """All songs and decoys, by number and by word."""

    @cached_property
    def songs(self) -> tuple[Song, ...]:
        """The songs themselves, in the order of their numbers."""
        taken: set[tuple[str, str]] = set()
        return tuple(_song(number, taken) for number in range(NUM_SONGS))

    @cached_property
    def decoys(self) -> tuple[Song, ...]:
        """What stands beside them and is not them."""
        names = {(song.artist, song.title) for song in self.songs}
        found = (decoy for number, song in enumerate(self.songs) for decoy in _decoys(number, song))
        return tuple(decoy for decoy in found if (decoy.artist, decoy.title) not in names)

    @cached_property
    def by_id(self) -> dict[int, Song]:
        """Songs and decoys."""
        return {song.id: song for song in (*self.songs, *self.decoys)}

    @cached_property
    def _index(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for song in self.by_id.values():
            for word in set(_words(f"{song.artist} {song.title}")):
                found.setdefault(word, []).append(song.id)
        return found

    def search(self, query: str, *, most: int) -> list[Song]:
        """The songs that share words with a query, those that share most first.

        Of two that share as many, decoys of every other song stand before it: searches do that.
        """
        hits: dict[int, int] = {}
        wanted = set(_words(query))
        for word in wanted:
            for song_id in self._index.get(word, ()):
                hits[song_id] = hits.get(song_id, 0) + 1
        enough = [song_id for song_id, num_shared in hits.items() if num_shared * 2 >= len(wanted)]
        enough.sort(key=lambda song_id: (-hits[song_id], (song_id < FIRST_DECOY_ID) ^ (song_id % 2 == 0), song_id))
        return [self.by_id[song_id] for song_id in enough[:most]]


def _words(text: str) -> list[str]:
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return re.findall(r"\w+", bare.replace("'", "").replace("’", ""))


def _random(*of: object) -> Random:
    return Random(" ".join(map(str, ("ghost", *of))))  # noqa: S311 (the same songs every time)


def artist_name(number: int) -> str:
    """One of the invented artists."""
    random = _random("artist", number)
    first, last = random.choice(words.FIRST_NAMES), random.choice(words.LAST_NAMES)
    manner, creatures = random.choice(words.MANNERS), random.choice(words.CREATURES)
    return random.choice(
        (f"{first} {last}", f"The {manner} {creatures}", f"{first} & the {creatures}", f"{manner} {last}")
    )


def _tongue(number: int) -> str:
    return {7: "es", 17: "de", 27: "fr", 33: "ru", 37: "ja", 38: "el"}.get(number % 40, "en")


def _song(number: int, taken: set[tuple[str, str]]) -> Song:
    tongue = _tongue(number)
    for attempt in range(100):
        random = _random("song", number, attempt)
        if tongue == "en":
            artist, title = artist_name(number * 7 % NUM_ARTISTS), _title(random)
        else:
            of = words.TONGUES[tongue]
            artist, title = random.choice(of["artists"]), random.choice(of["titles"])
            if attempt > 5:  # a small tongue runs out of titles
                title = f"{title}: {random.choice(of['openings'] + of['endings'])}"
        if (artist.casefold(), title.casefold()) not in taken:
            break
    taken.add((artist.casefold(), title.casefold()))
    is_nowhere = number % 50 == 13
    return Song(
        id=FIRST_ID + number,
        artist=artist,
        title=title,
        duration_s=random.randrange(125, 320),
        tongue=tongue,
        is_instrumental=number % 33 == 5,
        on_genius=not is_nowhere and number % 10 != 4,
        is_complete=number % 100 != 41,
        is_challenged=number % 50 == 29,
        on_lrclib=not is_nowhere and number % 4 != 1,
    )


def _title(random: Random) -> str:
    thing, other = random.sample(words.THINGS, 2)
    place, place2 = random.sample(words.PLACES, 2)
    return random.choice(words.TITLE_SHAPES).format(
        Thing=thing.title(),
        Other=other.title(),
        Place=place.title(),
        Place2=place2.title(),
        Manner=random.choice(words.MANNERS),
    )


def _decoys(number: int, song: Song) -> Iterable[Song]:
    def beside(place: int, kind: Kind, artist: str, title: str, *, is_instrumental: bool = False) -> Song:
        song_id = FIRST_DECOY_ID + number * 4 + place
        return Song(song_id, artist, title, song.duration_s + 1, song.tongue, kind, is_instrumental)

    if number % 9 == 0:
        yield beside(0, "karaoke", "Karaoke Lantern Club", f"{song.title} (Karaoke Version)", is_instrumental=True)
    if number % 9 == 3:
        title = f"{song.artist} - {song.title} (Traducción al Español)"
        yield beside(0, "translation", "Genius Traducciones al Español", title)
    if number % 9 == 6:
        yield beside(0, "sequel", song.artist, f"{song.title}, Pt. 2")
    if number % 11 == 0:
        yield beside(1, "namesake", artist_name((number * 7 + 101) % NUM_ARTISTS), song.title)
    if number % 13 == 0:
        yield beside(2, "remix", song.artist, f"{song.title} (Night Bus Remix)")


@lru_cache(maxsize=512)
def lyric(number: int, tongue: str) -> str:
    """The words of song `number`: 12 to 40 lines, in couplets, with a chorus that comes again."""
    random = _random("lyric", number)
    num_verses = random.choice((2, 2, 3, 3, 4))
    chorus = _stanza(random, tongue, 4)
    sections = []
    for verse in range(1, num_verses + 1):
        sections.append((f"Verse {verse}", _stanza(random, tongue, random.choice((4, 4, 6)))))
        if num_verses < 4 or verse % 2 == 0:
            sections.append(("Chorus", chorus))
    if random.random() < 0.4:
        sections.insert(-1, ("Bridge", _stanza(random, tongue, random.choice((2, 4)))))
    return "\n\n".join("\n".join((f"[{label}]", *lines)) for label, lines in sections)


def _stanza(random: Random, tongue: str, num_lines: int) -> list[str]:
    families: tuple[tuple[str, ...], ...] = words.ENDINGS
    openings: tuple[str, ...] = words.OPENINGS
    if tongue != "en":
        openings, every = words.TONGUES[tongue]["openings"], words.TONGUES[tongue]["endings"]
        families = (every[: len(every) // 2], every[len(every) // 2 :])
    endings = [ending for _ in range(num_lines // 2) for ending in random.sample(random.choice(families), 2)]
    return [
        f"{_filled(opening, random)}{'' if tongue == 'ja' else random.choice((' ', ', '))}{ending}"
        for opening, ending in zip(random.sample(openings, num_lines), endings, strict=True)
    ]


def _filled(opening: str, random: Random) -> str:
    thing, other = random.sample(words.THINGS, 2)
    place, place2 = random.sample(words.PLACES, 2)
    manner = random.choice(words.MANNERS).lower()
    return opening.format(thing=thing, other=other, place=place, place2=place2, manner=manner)


def noisy(song: Song) -> tuple[str, str, int]:
    """Artist, title and seconds of a song as a playlist has them: with releases, guests, places and slips."""
    random = _random("noise", song.id)
    artist, title, duration_s = song.artist, song.title, song.duration_s + random.choice((-2, -1, 0, 0, 0, 1, 2))
    guest, year = artist_name(random.randrange(NUM_ARTISTS)), random.randrange(1969, 2024)
    place = random.choice(words.PLACES).title()
    shapes = (
        title, title, title, title,
        f"{title} - Remastered {year}", f"{title} - {year} Remaster", f"{title} (Remastered)", f"{title} - Radio Edit",
        f"{title} (feat. {guest})", f"{title} ft. {guest}", f"{title} (with {guest})", f"{title} [Explicit]",
        f"{title} - Single Version", f"{title} (Deluxe Edition)", f"{title} - Mono / Remastered {year}",
        f"{title} - Live at the {place}", f"{title} (Live)", f"{title} - Acoustic", f"{title} (Album Version)",
        f"{title} (From \"The {place}\" Soundtrack)", f"{title} - Original Mix", f"{title} (Bonus Track)",
        title.upper(), title.lower(), title.replace("'", "’"), _without_marks(title), _with_a_slip(title, random),
    )  # fmt: skip
    title = random.choice(shapes)
    if song.is_instrumental and random.random() < 0.3:
        title = f"{song.title} - Instrumental"
    if random.random() < 0.15:
        artist = random.choice((
            artist.removeprefix("The "), artist.replace(" & ", " and "), _without_marks(artist), artist.upper(),
            f"{artist} feat. {guest}",
        ))  # fmt: skip
    if "Live" in title:
        duration_s += random.choice((0, 3, 20))
    return artist, title, duration_s


def _without_marks(text: str) -> str:
    """`Zoë` as people type it who lack the key. Only Latin letters: elsewhere a mark makes another letter."""
    return "".join(
        unicodedata.normalize("NFKD", c)[0] if unicodedata.name(c, "").startswith("LATIN") else c for c in text
    )


def _with_a_slip(title: str, random: Random) -> str:
    """Two neighbouring letters of the longest word change places."""
    word = max(title.split(), key=len)
    if len(word) < 7:
        return title
    at = random.randrange(2, len(word) - 2)
    return title.replace(word, word[:at] + word[at + 1] + word[at] + word[at + 2 :], 1)


CATALOGUE = Catalogue()
