"""A book of songs falls into its songs, and nothing that is not sung is in any of them.

The book is laid out as Project Gutenberg does it; its songs are our own.
"""

from __future__ import annotations

import pytest

from corpus.books import split_book

HEADER = """\
The Project Gutenberg EBook of Harbour Songs, by Various

This eBook is for the use of anyone anywhere at no cost and with
almost no restrictions whatsoever.  You may copy it, give it away or
re-use it under the terms of the Project Gutenberg License included
with this eBook or online at www.gutenberg.org


Title: Harbour Songs

Author: AUTHOR

Language: English

*** START OF THIS PROJECT GUTENBERG EBOOK HARBOUR SONGS ***




Produced by The Online Proofreading Team at
http://www.example.org. Music transcribed by Somebody.


[Transcriber's notes:
-Page vii: a word was unclear.]




                             HARBOUR SONGS


                    Nine lamps along the water,
                    And nobody to see.




CONTENTS
                                                  PAGE

LOW TIDE                                            3

NINE LAMPS, THE                                    12

SALT ROAD                                          15




PREFACE


These songs were heard along the quay in the years when there were still
boats enough to need them, and they are printed here as they were sung to
the editor, who has changed nothing but the names of those who owed money.

  Nine lamps, nine lamps, and none for me,
  And none for the boats that are out at sea.

                                             THE EDITOR.




HARBOUR SONGS




LOW TIDE[1]


  The tide is low and the boats are in,
  And nobody asks where the sailor has been;
  He has been to the bottom and up to the moon and he never came home by
      the afternoon.

    "O leave me a lamp," said he, "said he,
    A lamp on the landward side."

  CHORUS.

  Nine lamps, nine _lamps_ for me,
  And all of them for the tide.


[Footnote 1: The chorus comes after each stanza, as it
does in other songs of this coast.]



Low Tide (Mus. Not.)


  The tide is low and the bo-ats are in, and
  no-bo-dy asks where the sai-lor has be-en.




THE NINE LAMPS

BY NORA VALE


1. Nine lamps are burning along the quay,
   And I know which of them burns for me.

2. Eight lamps are burning, and one went out,
   And nobody knows what it was about.




Salt Road.

Words by Ada Quill. Music by N. V.


[Music]

Salt on the road and salt in the bread,
  And salt on the words that the old man said.

       *       *       *       *       *

Salt in the well and salt in the wine,
  And the road goes on to the end of the line.

The road is still shown to visitors, who are told that nobody ever came
to the end of it; the editor did, and found there a house where they sold
him bread without any salt in it at all.




[Illustration: THE GULL]


[Music:

The gull is a fool and the gull is a king,
And that is the whole of the song that we sing.]

[Illustration: THE GULL]




THE DRUNKEN PILOT

(Air: Low Tide.)


  He steered by a star that was only a lamp,
  He slept on the deck and he woke in the damp.
"""

FOOTER = """



GLOSSARY


Quay, where boats are tied.
Lamp, what is lit there.




End of the Project Gutenberg EBook of Harbour Songs, by Various

*** END OF THIS PROJECT GUTENBERG EBOOK HARBOUR SONGS ***

***** This file should be named 0.txt *****

*** START: FULL LICENSE ***

THE FULL PROJECT GUTENBERG LICENSE
PLEASE READ THIS BEFORE YOU DISTRIBUTE OR USE THIS WORK

To protect the Project Gutenberg-tm mission of promoting the free
distribution of electronic works, you agree to comply with all the terms.
"""

BOOK = (HEADER + FOOTER).replace("AUTHOR", "Various")


def test_it_works() -> None:
    songs = split_book(BOOK)
    assert songs is not None
    assert [(song.title, song.artist) for song in songs] == [
        ("Low Tide", ""),
        ("The Nine Lamps", "Nora Vale"),
        ("Salt Road", "Ada Quill"),
        ("The Gull", ""),
        ("The Drunken Pilot", ""),
    ]
    assert {song.source for song in songs} == {"Harbour Songs"}
    assert [BOOK.splitlines()[(song.line or 0) - 1].strip() for song in songs][:3] == [
        "LOW TIDE[1]",
        "THE NINE LAMPS",
        "Salt Road.",
    ]


def test_a_song_has_its_lines_and_stanzas_and_no_more() -> None:
    low, nine, salt, gull, pilot = (song.text for song in split_book(BOOK) or [])
    assert low == (
        "The tide is low and the boats are in,\nAnd nobody asks where the sailor has been;\n"
        "He has been to the bottom and up to the moon and he never came home by the afternoon.\n\n"
        '"O leave me a lamp," said he, "said he,\nA lamp on the landward side."\n\n'
        "CHORUS.\n\nNine lamps, nine lamps for me,\nAnd all of them for the tide."
    )
    assert nine.startswith("Nine lamps are burning along the quay,\n")
    assert "\n\nEight lamps are burning" in nine
    assert salt.count("\n\n") == 1
    assert salt.endswith("the end of the line.")
    assert gull.endswith("the song that we sing.")
    assert pilot.count("\n") == 1


@pytest.mark.parametrize(
    "word",
    ["gutenberg", "license", "footnote", "transcriber", "glossary", "editor", "bo-ats", "illustration", "produced"],
)
def test_nothing_that_is_not_sung_is_in_a_song(word: str) -> None:
    for song in split_book(BOOK) or []:
        assert word not in song.text.casefold()
        assert word not in song.title.casefold()


def test_an_author_has_the_songs_that_name_nobody_else() -> None:
    songs = split_book(BOOK.replace("Author: Various", "Author: Nora Quay")) or []
    assert [song.artist for song in songs] == ["Nora Quay", "Nora Vale", "Ada Quill", "Nora Quay", "Nora Quay"]


def test_a_book_that_was_cut_off_keeps_what_arrived() -> None:
    songs = split_book(BOOK[: BOOK.index("GLOSSARY")])
    assert songs is not None
    assert len(songs) == 5
    cut = split_book(BOOK[: BOOK.index("Eight lamps")])
    assert cut is not None
    assert [song.title for song in cut] == ["Low Tide", "The Nine Lamps"]


def test_line_ends_of_any_kind_make_no_difference() -> None:
    assert split_book(BOOK.replace("\n", "\r\n")) == split_book(BOOK) == split_book(BOOK.replace("\n", "\r"))


def test_a_song_is_no_book() -> None:
    song = "[Verse 1]\nThe tide is low\nThe boats are in\n\n\n[Chorus]\nNine lamps\n\n\n\nOH NO\n\nOh no\nNine lamps\n"
    assert split_book(song) is None
    assert split_book("") is None


def test_a_book_without_songs_is_empty_and_not_a_song() -> None:
    start, end = BOOK.index("LOW TIDE[1]"), BOOK.index("GLOSSARY")
    assert split_book(BOOK[:start] + BOOK[end:]) == []


def test_songs_of_one_title_are_all_kept() -> None:
    twice = BOOK.replace("THE DRUNKEN PILOT", "THE GULL")
    assert [song.title for song in split_book(twice) or []].count("The Gull") == 2


def test_speech_between_the_songs_of_a_play_is_no_song() -> None:
    air = (
        "AIR NUMBER. The NAME's Tune, &c.\n\n[Music]\n\n  The NAME goes up and the NAME goes down,\n"
        "    And that is the way of the NAME of the town.\n\n_Pilot._ What dost thou know of any NAME, who hast never\n"
        "been farther from home than the end of the quay? I have seen them all.\n\n  Enter _Filch_.\n\n_Filch._ And I."
    )
    names = {"I": "lamp", "II": "boat", "III": "gull", "IV": "tide", "V": "moon"}
    play = "\n\n\n".join(air.replace("NUMBER", number).replace("NAME", name) for number, name in names.items())
    songs = split_book(play)
    assert songs is not None
    assert [song.title for song in songs][:2] == ["AIR I. The lamp's Tune, &c", "AIR II. The boat's Tune, &c"]
    assert songs[4].text == "The moon goes up and the moon goes down,\nAnd that is the way of the moon of the town."
