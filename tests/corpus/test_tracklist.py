"""A pasted list of songs is read, and every line of it is a track or a problem."""

from __future__ import annotations

import pytest

from corpus.song import Track
from corpus.tracklist import MAX_TRACKS, read_tracks, seconds


def test_it_works() -> None:
    found = read_tracks("Ada Quill - Low Tide\nThe Brass Larks – Nine Lamps (3:25)\n\nNora Vale\tSalt Road")
    assert found.tracks == [
        Track("Ada Quill", "Low Tide"),
        Track("The Brass Larks", "Nine Lamps", 205.0),
        Track("Nora Vale", "Salt Road"),
    ]
    assert found.problems == []


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_are_found_by_their_names_in_any_order(separator: str) -> None:
    text = "Duration|Title|Year|Artist\n3:05|Low Tide|1999|Ada"
    assert read_tracks(text.replace("|", separator)).tracks == [Track("Ada", "Low Tide", 185.0)]


def test_what_playlist_exporters_write_is_read() -> None:
    header = '"Track URI","Track Name","Album Name","Artist Name(s)","Duration (ms)"'
    found = read_tracks(f'{header}\n"spotify:track:1","Low Tide, Part 2","Piers","Ada Quill, Nora Vale","205000"')
    assert found.tracks == [Track("Ada Quill, Nora Vale", "Low Tide, Part 2", 205.0)]


def test_two_columns_need_no_header() -> None:
    assert read_tracks('"Quill, Ada",Low Tide\nNora Vale,Salt Road,4:00').tracks == [
        Track("Quill, Ada", "Low Tide"),
        Track("Nora Vale", "Salt Road", 240.0),
    ]


def test_numbers_before_the_lines_of_a_list_go_but_names_keep_theirs() -> None:
    assert [track.artist for track in read_tracks("1. Ada - A\n2. 10cc - B\n3. Nora - C").tracks] == [
        "Ada",
        "10cc",
        "Nora",
    ]


def test_a_hyphen_in_a_name_parts_nothing() -> None:
    assert read_tracks("Jay-Lou - Re-entry - Live").tracks == [Track("Jay-Lou", "Re-entry - Live")]


def test_11_000_rows_with_broken_quotes_lose_none() -> None:
    rows = [f'Artist {n},"Title {n}' if n % 100 == 0 else f'Artist {n},"Title, {n}"' for n in range(1, 11_001)]
    found = read_tracks("artist,title\n" + "\n".join(rows))
    beyond, broken = found.problems[0], found.problems[1:]
    assert len(found.tracks) == MAX_TRACKS
    assert len(broken) == 110
    assert broken[0].where == "line 101"
    assert "no partner" in broken[0].message
    assert "890 more" in beyond.message
    assert beyond.where == "lines 10,103 to 11,000"
    assert Track("Artist 99", "Title, 99") in found.tracks
    assert Track("Artist 101", "Title, 101") in found.tracks


def test_a_list_of_nothing_but_bad_lines_does_not_flood_its_reader() -> None:
    problems = read_tracks("\n".join(["no separator"] * 5_000)).problems
    assert len(problems) == 1_001
    assert problems[-1].message.startswith("4,000 more lines")


@pytest.mark.parametrize("line", [" - Low Tide", "Ada Quill - ", "Harbour", "Ada - " + "x" * 301])
def test_a_line_that_is_no_track_is_a_problem_that_names_it(line: str) -> None:
    found = read_tracks(f"Nora Vale - Salt Road\n{line}\nNora Vale - Pier")
    assert len(found.tracks) == 2
    assert [problem.where for problem in found.problems] == ["line 2"]


def test_markup_in_names_is_text() -> None:
    found = read_tracks("<b>Ada</b> - <script>alert(1)</script>")
    assert found.tracks == [Track("<b>Ada</b>", "<script>alert(1)</script>")]


def test_a_duration_that_is_none_is_left_out() -> None:
    assert [seconds(text) for text in ("", "soon", "-3", "99:99:99", "1e9")] == [None] * 5
    assert read_tracks("artist,title,duration\nAda,Tide,soon").tracks == [Track("Ada", "Tide")]


def test_an_empty_list_is_empty() -> None:
    assert read_tracks("\ufeff \n\n") == ([], [])
    assert read_tracks("artist,title\n") == ([], [])
