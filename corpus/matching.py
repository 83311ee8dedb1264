"""Whether what a source found is the song that was wanted, judged by artist, title and length.

Titles carry much that is no part of the song's name: "Harbour Lights - Remastered 2011", "Harbour Lights (feat. Ada
Quill) [Live at the Pier]". `read_title` takes them apart once, and everything else here works on the parts. Pure:
knows no source and no network.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rapidfuzz import fuzz

from corpus.song import Track

Verdict = Literal["found", "check", "no"]

SAME_S = 7.0
"""Releases of one recording differ by less than this; fades and silences account for it."""
SURELY_SAME_S = 3.0
TITLE_FOUND = 0.96
"""Below, two names of one length differ by more than a letter in 25."""
TITLE_FOUND_WITH_DURATION = 0.88
TITLE_CHECK = 0.76
OTHER_WORD = 0.6
"""The most that two names are alike which differ in a whole word."""
SLIP = 0.62
"""Two words less alike than this are two words; `umbrella` and `umberlla` are 0.88."""
ARTIST_FOUND = 0.88
ARTIST_CHECK = 0.70

_BRACKETED = re.compile(r"\s*[(\[{（【〔「]([^()\[\]{}（）【】〔〕「」]*)[)\]}）】〕」]")
_DASHED = re.compile(r"\s+[-–—~|/]\s+(?=\S)")
_FEATURING = re.compile(r"\b(?:feat\.?|ft\.|featuring|f/)\s+\S", re.IGNORECASE)
_FEATURED_PART = re.compile(r"^(?:feat|ft|featuring|with|w/|con|avec|mit|prod)\b\.?", re.IGNORECASE)

_LANGUAGES = (
    "english|spanish|french|german|italian|portuguese|japanese|korean|chinese|mandarin|cantonese|russian|polish|dutch|"
    "swedish|turkish|arabic|hindi|español|espanol|française|deutsche|italiana|inglés"
)
_TRANSLATED = r"translat(?:ions?|ed)|traducci[oó]n(?:es)?|tradu[cç](?:[aã]o|[oõ]es)|traduzion[ei]|traductions?|" + (
    r"[uü]bersetzung(?:en)?|[cç]eviri(?:leri)?|перевод\w*|romani[sz](?:ed|ations?)"
)
_ANOTHER_SONG = re.compile(
    rf"\b(?:karaoke|tribute(?: to)?|cover version|covered by|made (?:famous|popular) by|originally performed|in the "
    rf"style of|lullaby (?:version|rendition)|8[ -]?bit|backing track|sing[ -]?along|parody|{_TRANSLATED})\b|"
    r"^cover$|^cover of\b|\bcover$",
    re.IGNORECASE,
)
_ANOTHER_ARTIST = re.compile(rf"\b(?:karaoke|tribute|covers?|lullab(?:y|ies)|8[ -]?bit|{_TRANSLATED})\b", re.IGNORECASE)
_INSTRUMENTAL = re.compile(r"\binstrumental\b|\bkaraoke\b|\bbacking track\b", re.IGNORECASE)
_OTHER_WORDS = re.compile(
    rf"\b(?:remix|rmx|mash-?up|medley|freestyle|skit|snippet)\b|\b(?:{_LANGUAGES})\b.*\b(?:ver\b|versi|mix\b|edit\b)|"
    r"\bversión en\b",
    re.IGNORECASE,
)
_OTHER_PERFORMANCE = re.compile(
    r"^live$|^live[ ,]+(?:at|in|from|on|version|session|acoustic|\d)|\b(?:recorded|performed) live\b|\b(?:unplugged|"
    r"acoustic|stripped|orchestral|a cappella|sped up|slowed|en vivo|en directo|ao vivo|alternate take|outtake)\b|"
    r"\b(?:demo|piano|band|rehearsal)(?: version)?(?: (?:19|20)\d\d)?$|\bsessions?(?: (?:19|20)\d\d)?$|^take \d+$",
    re.IGNORECASE,
)
_RELEASE_SURELY = frozenset(
    "remaster remastered remasterizado remasterisé edit mono stereo version mix explicit clean deluxe reissue "
    "soundtrack anniversary bonus lyrics lyric official".split()
)
_RELEASE_PERHAPS = frozenset(
    "re radio single album lp ep main original extended full short long video audio new studio digital recorded club "
    "dance 12 7 inch track edition the film movie motion picture and from us uk vinyl cd special limited".split()
)
_NUMBER = re.compile(r"\d+(?:st|nd|rd|th)?", re.IGNORECASE)
_FROM = re.compile(
    r"^(?:music |theme |song )?from (?:the )?.*(?:soundtrack|picture|series|film|movie|musical|[\"“])", re.I
)
_NUMBERED = re.compile(r"\b(part|parts|pt|vol|volume|chapter|act|teil) ?([0-9]{1,4}|[ivx]+|one|two|three|four)\b")
_ROMAN = {
    "xi": 11,
    "xii": 12,
    "i": 1,
    "ii": 2,
    "iii": 3,
    "iv": 4,
    "v": 5,
    "vi": 6,
    "vii": 7,
    "viii": 8,
    "ix": 9,
    "x": 10,
}
_PARTS = {"pt": "part", "parts": "part", "vol": "volume"}
_SPELLED = {"one": 1, "two": 2, "three": 3, "four": 4}
_CREDITS = re.compile(
    r"\s*(?:[,;/+]|\s&\s|\band\b|\bx\b|\bvs\.?|\bwith\b|\bund\b|\by\b|\bfeat\.?|\bft\.|\bfeaturing\b)\s*", re.I
)
# Letters that Unicode does not take for a letter with a mark on it.
_PLAIN_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "’": "'", "ʼ": "'"}
)


@dataclass(frozen=True, slots=True)
class TrackKey:
    """What is the same for two spellings of one track."""

    artist: str
    title: str

    def __str__(self) -> str:
        return f"{self.artist}\x1f{self.title}"


@dataclass(frozen=True, slots=True)
class Match:
    """How well what was found is what was wanted."""

    score: float
    """0 to 1."""
    verdict: Verdict
    why: str
    """For people: what was left out, or what is doubtful."""


@dataclass(frozen=True, slots=True)
class TitleParts:
    """A title taken apart. All but `name` is as it was written."""

    name: str
    """The song's own name, as it was written."""
    release: tuple[str, ...]
    """`Remastered 2011`, `Radio Edit`: the same recording."""
    performance: tuple[str, ...]
    """`Live at the Pier`: the same words, sung another time."""
    other_words: tuple[str, ...]
    """`Night Remix`: the words may differ."""
    another_song: tuple[str, ...]
    """`Karaoke Version`, `English Translation`: not what was wanted, unless it was."""
    featured: tuple[str, ...]
    aside: tuple[str, ...]
    """What stood in brackets and may belong to the name: `(I Will Not) Wait`."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is no part of the name and changes nothing in the words."""
        return self.release + self.performance + self.featured


@lru_cache(maxsize=65_536)
def read_title(title: str) -> TitleParts:
    """Take a title apart.

    >>> read_title("Harbour Lights - Remastered 2011").name
    'Harbour Lights'
    >>> read_title("Harbour Lights (feat. Ada Quill) [Live at the Pier]").left_out
    ('Live at the Pier', 'feat. Ada Quill')
    >>> read_title("(I Will Not) Wait").name
    '(I Will Not) Wait'
    """
    kinds: dict[str, list[str]] = {kind: [] for kind in TitleParts.__slots__ if kind != "name"}
    title = " ".join(title.split())

    def take(match: re.Match[str]) -> str:
        kind = _kind(match[1])
        kinds[kind].append(match[1].strip())
        return match[0] if kind == "aside" else " "

    name = _BRACKETED.sub(take, title)
    # Brackets that were never closed, or are nested, are left to the comparison of letters.
    parts = _DASHED.split(name)
    kept = [parts[0]]
    for part in parts[1:]:
        kind = _kind(part)
        if kind == "aside":
            kept.append(part)
        else:
            kinds[kind].append(part.strip())
    name = " - ".join(kept)
    if (featuring := _FEATURING.search(name)) and name[: featuring.start()].strip():
        kinds["featured"].append(name[featuring.start() :].strip())
        name = name[: featuring.start()]
    name = " ".join(name.split()).rstrip(" ([{-") or title
    return TitleParts(name, **{kind: tuple(found) for kind, found in kinds.items()})


def _kind(part: str) -> str:
    part = part.strip()
    if _FEATURED_PART.match(part):
        return "featured"
    if _ANOTHER_SONG.search(part) or _INSTRUMENTAL.search(part):
        return "another_song"
    if _OTHER_WORDS.search(part):
        return "other_words"
    if _OTHER_PERFORMANCE.search(part):
        return "performance"
    return "release" if _is_release(part) else "aside"


def _is_release(part: str) -> bool:
    """Whether a part says nothing but how the recording came out: `2011 Digital Remaster`, `Ada's Version`."""
    words = re.findall(r"\w+", part.casefold().replace("'s ", "s ").replace("’s ", "s "))
    if not words:
        return False
    if all(_NUMBER.fullmatch(word) for word in words):
        return len(words) == 1 and re.fullmatch(r"(?:19|20)\d\d", words[0]) is not None
    if _FROM.match(part) or (words[-1] == "version" and len(words) <= 3):
        return True
    known = [word for word in words if word in _RELEASE_SURELY]
    return bool(known) and all(
        word in _RELEASE_SURELY or word in _RELEASE_PERHAPS or _NUMBER.fullmatch(word) for word in words
    )


def says_instrumental(title: str) -> bool:
    """Whether a title itself says that nobody sings.

    >>> says_instrumental("Harbour Lights - Instrumental")
    True
    >>> says_instrumental("Instrumental Rage")
    False
    """
    return any(_INSTRUMENTAL.search(part) for part in read_title(title).another_song)


@lru_cache(maxsize=65_536)
def plain(text: str) -> str:
    """Letters and numbers alone, small, without marks on Latin letters; other scripts keep theirs.

    >>> plain("Café del Mar!"), plain("Don’t Stop"), plain("Ягода"), plain("がんばれ")
    ('cafe del mar', 'dont stop', 'ягода', 'がんばれ')
    >>> plain("???")
    '???'
    """
    letters: list[str] = []
    drops_marks = True  # a mark on nothing is none
    small = unicodedata.normalize("NFKD", text).casefold()  # in this order: ᴬ is a capital only after
    for letter in unicodedata.normalize("NFKD", small).translate(_PLAIN_LETTERS):
        category = unicodedata.category(letter)
        if category == "Mn":
            # Russian writes ё as е, Greek capitals drop their accents; elsewhere a mark makes another letter.
            if not drops_marks and letter != "\u0308":
                letters.append(letter)
        elif category == "Cf" or letter in "'`´":
            continue
        elif category[0] in "LNM":
            drops_marks = letter < "\u0250" or "\u0370" <= letter < "\u0400"
            letters.append(letter)
        elif letter == "$" and letters and letters[-1].isalpha():
            letters.append("s")  # A$AP
        else:
            drops_marks = True
            letters.append(" and " if letter == "&" else " ")
    return " ".join(unicodedata.normalize("NFC", "".join(letters)).split()) or text.casefold().strip()


@lru_cache(maxsize=65_536)
def _plain_artist(artist: str) -> str:
    featuring = _FEATURING.search(artist)
    if featuring and artist[: featuring.start()].strip(" ([,"):
        artist = artist[: featuring.start()]
    text = plain(artist)
    return text.removeprefix("the ") or text


def key(artist: str, title: str) -> TrackKey:
    """What a cache knows a track by: without releases, performances and guests, but with whatever changes the words.

    >>> key("The Lanterns", "Harbour Lights - Remastered 2011") == key("Lanterns", "HARBOUR LIGHTS (feat. Ada Quill)")
    True
    >>> key("Lanterns", "Harbour Lights (Night Remix)") == key("Lanterns", "Harbour Lights")
    False
    """
    parts = read_title(title)
    return TrackKey(_plain_artist(artist), plain(" ".join((parts.name, *parts.other_words, *parts.another_song))))


def bare_title(title: str) -> str:
    """A title as one would ask a search for it.

    >>> bare_title("Harbour Lights - 2011 Remaster")
    'Harbour Lights'
    """
    return read_title(title).name


def first_artist(artist: str) -> str:
    """The artist without guests, as one would ask a search for them.

    >>> first_artist("The Lanterns feat. Ada Quill")
    'The Lanterns'
    """
    featuring = _FEATURING.search(artist)
    return (artist[: featuring.start()].strip(" ([,") if featuring else "") or artist.strip()


def match(track: Track, artist: str, title: str, duration_s: float | None = None) -> Match:
    """How well a source's artist, title and length are those of a wanted track.

    >>> match(Track("The Lanterns", "Harbour Lights - Remastered 2011"), "The Lanterns", "Harbour Lights")
    Match(score=1.0, verdict='found', why='“Remastered 2011” was left out.')
    >>> match(Track("The Lanterns", "Harbour Lights"), "Karaoke Nights", "Harbour Lights").verdict
    'no'
    """
    wanted, got = read_title(track.title), read_title(title)
    artists = _artist_likeness(track.artist, artist)
    titles = _title_likeness(wanted, got)
    score = round(0.6 * titles + 0.4 * artists, 3)

    refusal = _refusal(track.artist, artist, wanted, got, artists, titles)
    if refusal is not None:
        return Match(min(score, 0.5), "no", refusal)

    doubts = _doubts(track, artist, title, titles, artists)
    apart = None if duration_s is None or track.duration_s is None else duration_s - track.duration_s
    if wanted.other_words != got.other_words and {*map(plain, wanted.other_words)} != {*map(plain, got.other_words)}:
        doubts.append(f"“{(wanted.other_words + got.other_words)[0]}” may have other words.")
    if apart is not None and abs(apart) > SAME_S:
        doubts.append(f"It is {abs(apart):.0f} s {'longer' if apart > 0 else 'shorter'}.")
        score = round(score * 0.9, 3)
    is_exact = titles >= TITLE_FOUND or (
        titles >= TITLE_FOUND_WITH_DURATION and apart is not None and abs(apart) <= SURELY_SAME_S
    )
    if doubts or not is_exact or artists < ARTIST_FOUND:
        return Match(min(score, 0.95), "check", " ".join(doubts) or f"It is called “{title}” there.")
    return Match(score, "found", _notes(track, artist, title, wanted, got))


def _refusal(
    wanted_artist: str, artist: str, wanted: TitleParts, got: TitleParts, artists: float, titles: float
) -> str | None:
    """Why it cannot be the song, or None."""
    if got.another_song and not wanted.another_song:
        return f"It is another version: “{got.another_song[0]}”."
    if (made := _ANOTHER_ARTIST.search(artist)) and not _ANOTHER_ARTIST.search(wanted_artist):
        return f"It is by “{artist}” ({made[0].lower()}), not by {wanted_artist}."
    if artists < ARTIST_CHECK and not (titles >= TITLE_FOUND and _scripts_differ(wanted_artist, artist)):
        return f"It is by “{artist}”, not by {wanted_artist}."
    if titles < TITLE_CHECK:
        return f"It is another song: “{got.name}”."
    return None


def _doubts(track: Track, artist: str, title: str, titles: float, artists: float) -> list[str]:
    doubts = []
    if titles < TITLE_FOUND_WITH_DURATION:
        doubts.append(f"It is called “{title}” there.")
    if artists < ARTIST_CHECK:
        doubts.append(f"The artist is written “{artist}” there, in other letters.")
    elif artists < ARTIST_FOUND:
        doubts.append(f"It is by “{artist}”; you asked for {track.artist}.")
    return doubts


def _notes(track: Track, artist: str, title: str, wanted: TitleParts, got: TitleParts) -> str:
    """What a builder should know of a song that was found."""
    left_out = list(dict.fromkeys(wanted.left_out + got.left_out))
    notes = []
    if left_out:
        notes.append(f"{' and '.join(f'“{part}”' for part in left_out)} {'were' if left_out[1:] else 'was'} left out.")
    if plain(wanted.name) != plain(got.name):
        notes.append(f"It is called “{title}” there.")
    if _plain_artist(track.artist) != _plain_artist(artist):
        notes.append(f"The artist is “{artist}” there.")
    return " ".join(notes) or "Artist and title are the same."


def _title_likeness(wanted: TitleParts, got: TitleParts) -> float:
    """0 to 1; 0 where numbers differ, as a song and its second part."""
    best = 0.0
    for is_short, left in enumerate((_name(wanted.name), _name(_without_asides(wanted)))):
        for is_other_short, right in enumerate((_name(got.name), _name(_without_asides(got)))):
            likeness = _likeness(left, right)
            # A name that agrees only without its brackets agrees less.
            best = max(best, likeness * (0.97 if is_short != is_other_short else 1.0))
    numbers, others = _numbers(wanted), _numbers(got)
    if numbers != others:
        # A song may be called part one only since there is a second.
        return min(best, TITLE_CHECK + 0.05) if numbers ^ others == {"1"} else 0.0
    return best


def _without_asides(parts: TitleParts) -> str:
    name = _BRACKETED.sub(" ", parts.name)
    return " ".join(name.split()) or parts.name


def _numbers(parts: TitleParts) -> frozenset[str]:
    return frozenset(re.findall(r"\b[0-9]{1,9}\b", _name(parts.name)))


def _name(text: str) -> str:
    """A name in plain letters, its parts numbered in one way: `Ferry, Pt. II` is `ferry part 2`."""
    return _NUMBERED.sub(lambda found: f"{_PARTS.get(found[1], found[1])} {_value(found[2])}", plain(text))


def _value(number: str) -> int | str:
    return int(number) if number.isdigit() else _ROMAN.get(number) or _SPELLED.get(number) or number


def _likeness(left: str, right: str) -> float:
    if left == right or left.replace(" ", "") == right.replace(" ", ""):
        return 1.0
    likeness = max(fuzz.ratio(left, right), 0.98 * fuzz.token_sort_ratio(left, right)) / 100
    return min(likeness, OTHER_WORD) if _is_other_word(left, right) else likeness


def _is_other_word(left: str, right: str) -> bool:
    """Whether each has a word that is no slip of the other's: `when the valley sings`, `when the market sings`."""
    only_left = [word for word in left.split() if word not in right.split()]
    only_right = [word for word in right.split() if word not in left.split()]
    one, other = " ".join(only_left), " ".join(only_right)
    if not one or not other or one.startswith(other) or other.startswith(one):  # `b dylan` is `bob dylan`
        return False
    return fuzz.ratio(one, other) < SLIP * 100


def _artist_likeness(wanted: str, got: str) -> float:
    """0 to 1. One of several credited artists, alone on the other side, is nearly as good as all of them."""
    one, other = _plain_artist(wanted), _plain_artist(got)
    best = _likeness(one, other)
    if best == 1.0:
        return best
    left, right = _credited(wanted), _credited(got)
    if one in right or other in left or left == right:
        return max(best, 0.95)
    parts = [*(_likeness(one, part) for part in right), *(_likeness(part, other) for part in left)]
    return max(best, 0.95 * max(parts, default=0.0))


@lru_cache(maxsize=65_536)
def _credited(artist: str) -> frozenset[str]:
    """Each of the artists without the whole, and each other name in brackets: `宇多 (Uta)`."""
    names = [*_BRACKETED.findall(artist), _BRACKETED.sub(" ", artist)]
    parts = [part for name in names for part in (name, *_CREDITS.split(name)) if part.strip()]
    return frozenset(map(_plain_artist, parts))


def _scripts_differ(left: str, right: str) -> bool:
    """Whether two names share no script, so that their letters cannot be compared."""
    return not (_scripts(left) & _scripts(right))


def _scripts(text: str) -> set[str]:
    return {unicodedata.name(letter, "?").split()[0] for letter in text if letter.isalpha()}
