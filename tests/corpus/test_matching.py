"""Which titles are one song: releases, guests, brackets, marks, other scripts, and what only looks alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.matching import bare_title, first_artist, key, match, plain, read_title, says_instrumental
from corpus.song import Track
from sandbox.standins.songs import CATALOGUE, noisy

ARTIST = "The Lanterns"
SAME_RECORDING = [
    " - Remastered 2011",
    " - 2011 Remaster",
    " - 2011 Digital Remaster",
    " (Remastered)",
    " [Remastered Version]",
    " - Radio Edit",
    " (Single Version)",
    " - Mono / Remastered 2009",
    " (Deluxe Edition)",
    " [Explicit]",
    " - Original Mix",
    " (Bonus Track)",
    " (20th Anniversary Edition)",
    ' (From "The Long Boat")',
    " - From The Long Boat Soundtrack",
    " (Ada's Version)",
    " - 1999",
    " (feat. Ada Quill)",
    " (with Ada Quill)",
    " ft. Ada Quill & Bram",
    " [Featuring Ada Quill]",
    " (Official Video)",
]
SAME_WORDS = [
    " - Live",
    " (Live at the Pier)",
    " - Live in Oslo / 1999",
    " (Acoustic)",
    " - Demo",
    " [Unplugged]",
    " (En Vivo)",
]


def test_it_works() -> None:
    found = match(Track(ARTIST, "Harbour Lights - Remastered 2011", 200), ARTIST, "Harbour Lights", 201)
    assert (found.verdict, found.score, found.why) == ("found", 1.0, "“Remastered 2011” was left out.")


@pytest.mark.parametrize("noise", SAME_RECORDING + SAME_WORDS)
def test_noise_after_a_title_is_left_out_and_told(noise: str) -> None:
    title = f"Harbour Lights{noise}"
    assert bare_title(title) == "Harbour Lights"
    assert key(ARTIST, title) == key(ARTIST, "Harbour Lights")
    for found in (
        match(Track(ARTIST, title), ARTIST, "Harbour Lights"),
        match(Track(ARTIST, "Harbour Lights"), ARTIST, title),
    ):
        assert found.verdict == "found"
        assert "left out" in found.why


@pytest.mark.parametrize(
    "title",
    [
        "With or Without", "Live Forever", "Cover Me", "1999", "Remaster", "Live", "Go (Long Live)", "A (Original Sin)",
        "(I Will) Wait", "Clean", "Radio", "Edit", "The Version", "Featherweight", "Left Alone", "Part of It",
        "Demo Tape", "Stay with Me", "Instrumental Rage",
    ],
)  # fmt: skip
def test_a_word_of_the_name_is_no_noise(title: str) -> None:
    assert bare_title(title) == title
    assert not says_instrumental(title)


@pytest.mark.parametrize(
    ("wanted", "artist", "title"),
    [
        (Track("The Lanterns", "Harbour Lights"), "Lanterns", "HARBOUR LIGHTS"),
        (Track("Zoë & the Foxes", "Café Après"), "Zoe and the Foxes", "Cafe Apres"),
        (Track("Łucja Ødegård", "Straße"), "Lucja Odegard", "Strasse"),
        (Track("Ася Берёзкина", "Ёлка"), "Ася Березкина", "Елка"),
        (Track("紙の灯台", "青いボタン"), "紙の灯台 (Kami no Todai)", "青いボタン"),
        (Track("Quill", "Don't Go"), "Quill", "Don’t Go"),
        (Track("Quill", "Nothin' Doing"), "Quill", "Nothin Doing"),
        (Track("Quill", "Colour of Rainfall"), "Quill", "Color of Rainfall"),
        (Track("A$AP Quill", "Go"), "ASAP Quill", "Go"),
        (Track("Ada Quill", "Ferry Song"), "Ada Quill & Bram Carrow", "Ferry Song"),
        (Track("Ada Quill feat. Bram", "Ferry Song"), "Ada Quill", "Ferry Song"),
        (Track("Quill", "(I Will Not) Wait for It"), "Quill", "I Will Not Wait for It"),
        (Track("Quill", "Night Bus (Tin Remix)"), "Quill", "Night Bus (Tin Remix)"),
        (Track("Quill", "Ferry, Part II"), "Quill", "Ferry Pt. 2"),
        (Track("Karaoke Club", "Ferry Song (Karaoke Version)"), "Karaoke Club", "Ferry Song (Karaoke Version)"),
    ],
)
def test_two_spellings_of_one_song_are_found(wanted: Track, artist: str, title: str) -> None:
    found = match(wanted, artist, title)
    assert found.verdict == "found", found


@pytest.mark.parametrize(
    ("wanted", "artist", "title", "duration_s", "says"),
    [
        (Track("Quill", "Ferry Song", 200), "Quill", "Ferry Song", 230.0, "30 s longer"),
        (Track("Quill", "Ferry Song", 200), "Quill", "Ferry Song (Live)", 180.0, "20 s shorter"),
        (Track("Quill", "Ferry Song"), "Quill", "Ferry Song (Tin Remix)", None, "may have other words"),
        (Track("Quill", "Ferry Song"), "Quill", "Ferry Song (Spanish Version)", None, "may have other words"),
        (Track("Quill", "Ferry at Night"), "Quill", "Ferry at Night, Pt. 1", None, "called “Ferry at Night, Pt. 1”"),
        (Track("Quill", "I Love You"), "Quill", "I Loved You", None, "called “I Loved You”"),
        (Track("紙の灯台", "青いボタン"), "Kami no Todai", "青いボタン", None, "in other letters"),
        (Track("Ada Quill", "Ferry Song"), "Quill", "Ferry Song", None, "you asked for Ada Quill"),
    ],
)
def test_what_is_doubtful_is_to_be_checked(
    wanted: Track, artist: str, title: str, duration_s: float | None, says: str
) -> None:
    found = match(wanted, artist, title, duration_s)
    assert found.verdict == "check", found
    assert says in found.why


@pytest.mark.parametrize(
    ("wanted", "artist", "title", "says"),
    [
        (Track("Quill", "Ferry Song"), "Bram Carrow", "Ferry Song", "by “Bram Carrow”, not by Quill"),
        (Track("Quill", "Ferry Song"), "Karaoke Club", "Ferry Song", "karaoke"),
        (Track("Quill", "Ferry Song"), "Quill", "Ferry Song (Karaoke Version)", "another version"),
        (Track("Quill", "Ferry Song"), "Quill", "Ferry Song (Instrumental)", "another version"),
        (Track("Quill", "Ferry Song"), "Genius Traducciones al Español", "Quill - Ferry Song", "Traducciones"),
        (Track("Quill", "Ferry Song"), "Quill", "Ferry Song (Traducción al Español)", "another version"),
        (Track("Quill", "Ferry Song"), "Quill Tribute Band", "Ferry Song", "tribute"),
        (Track("Quill", "Ferry Song"), "Quill", "Harbour Song", "another song"),
        (Track("Quill", "When the Market Was Ours"), "Quill", "When the Valley Was Ours", "another song"),
        (Track("Quill", "Ferry Song"), "Quill", "Ferry Song, Pt. 2", "another song"),
        (Track("Quill", "Ferry Song, Pt. 1"), "Quill", "Ferry Song, Pt. 2", "another song"),
        (Track("Greta & the Sailors", "Ferry"), "Zelda & the Sailors", "Ferry", "not by Greta"),
        (Track("Ada & Bram", "Ferry"), "Bram & Calla", "Ferry", "not by Ada"),
    ],
)
def test_what_only_looks_alike_is_refused_with_the_reason(wanted: Track, artist: str, title: str, says: str) -> None:
    found = match(wanted, artist, title)
    assert found.verdict == "no", found
    assert says in found.why


def test_a_known_length_settles_a_slip_of_the_pen() -> None:
    wanted = Track("Quill", "Ferry Umberlla", 200)
    assert match(wanted, "Quill", "Ferry Umbrella").verdict == "check"
    assert match(wanted, "Quill", "Ferry Umbrella", 201).verdict == "found"
    assert match(wanted, "Quill", "Ferry Umbrella", 206).verdict == "check"


def test_what_changes_the_words_changes_the_key() -> None:
    titles = ("Ferry", "Ferry (Tin Remix)", "Ferry (Karaoke Version)", "Ferry (Spanish Version)", "Ferry, Pt. 2")
    assert len({key("Quill", title) for title in titles}) == len(titles)


def test_guests_are_no_part_of_whom_one_asks_for() -> None:
    assert first_artist("The Lanterns feat. Ada Quill") == "The Lanterns"
    assert first_artist("Ada & the Foxes") == "Ada & the Foxes"


def test_untidy_titles_of_every_song_are_matched_and_no_decoy_is_found() -> None:
    """All 1,200 invented songs as a playlist writes them, against themselves and all that stands beside them."""
    verdicts = [
        match(Track(artist, title, duration_s), song.artist, song.title, song.duration_s).verdict
        for song in CATALOGUE.songs
        if not says_instrumental(noisy(song)[1])
        for artist, title, duration_s in [noisy(song)]
    ]
    assert verdicts.count("no") == 0
    assert verdicts.count("found") >= 0.97 * len(verdicts)
    for decoy in CATALOGUE.decoys:
        song = CATALOGUE.songs[(decoy.id - 50_000) // 4]
        artist, title, duration_s = noisy(song)
        found = match(Track(artist, title, duration_s), decoy.artist, decoy.title, decoy.duration_s)
        assert found.verdict != "found", (song, decoy, found)


names = st.text(st.characters(codec="utf-8"), max_size=40)


@given(names, names)
def test_any_song_matches_itself(artist: str, title: str) -> None:
    assert match(Track(artist, title, 100.0), artist, title, 100.0).verdict == "found"


@given(names, names, names, names)
def test_any_two_songs_can_be_compared(artist: str, title: str, other_artist: str, other_title: str) -> None:
    found = match(Track(artist, title), other_artist, other_title)
    assert 0 <= found.score <= 1
    assert found.why


@given(names)
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert plain(plain(text)) == plain(text)


@given(st.from_regex(r"[A-Za-zà-ÿ]{3,10}( [A-Za-zà-ÿ]{3,10}){0,3}", fullmatch=True), st.sampled_from(SAME_RECORDING))
def test_noise_changes_no_key(title: str, noise: str) -> None:
    if read_title(title).name == title:  # `Song ft Me` has noise of its own
        assert key(ARTIST, title + noise) == key(ARTIST, title)
