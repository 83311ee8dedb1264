"""Every kind of file is read into songs; what is broken says so in its place, and nothing else is lost."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from docx import Document
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.song import Draft, Problem
from corpus.uploads import MAX_JSONL_BYTES, MAX_SONG_LINES, MAX_UPLOAD_BYTES, MAX_ZIP_MEMBERS, read_upload
from tests.corpus.test_books import BOOK

SONG = "The tide is low and the boats are in\nAnd nobody asks where the sailor has been\n"
ACCENTED = "Le café ferme à l’aube d’été\nEt la mer a déjà tout emporté, ma chère Noëlle\n"


def read(tmp_path: Path, name: str, data: bytes | str) -> list[Draft | Problem]:
    path = tmp_path / "upload"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return list(read_upload(name, path))


def songs(found: list[Draft | Problem]) -> list[Draft]:
    return [song for song in found if isinstance(song, Draft)]


def problems(found: list[Draft | Problem]) -> list[Problem]:
    return [problem for problem in found if isinstance(problem, Problem)]


def zipped(members: dict[str, bytes | str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def document(*paragraphs: tuple[str, str]) -> bytes:
    written = Document()
    for style, text in paragraphs:
        written.add_paragraph(text, style=style)
    saved = io.BytesIO()
    written.save(saved)
    return saved.getvalue()


def test_it_works(tmp_path: Path) -> None:
    assert read(tmp_path, "Ada Quill - Low Tide.txt", SONG) == [
        Draft("Ada Quill", "Low Tide", SONG, "Ada Quill - Low Tide.txt")
    ]


def test_a_table_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    table = f'Title,Lyrics,Artist\nLow Tide,"{SONG}",Ada Quill\nTwo,"a ""b""\nc",Nora\n'
    found = songs(read(tmp_path, "all.csv", table))
    assert [(song.artist, song.title, song.line) for song in found] == [
        ("Ada Quill", "Low Tide", 2),
        ("Nora", "Two", 5),
    ]
    assert found[0].text == SONG
    assert found[1].text == 'a "b"\nc'


def test_json_lines_are_read_by_any_usual_names(tmp_path: Path) -> None:
    lines = [
        {"artist": "Ada Quill", "title": "Low Tide", "lyrics": SONG, "url": "https://example.org/1"},
        {"artists": [{"name": "Ada"}, {"name": "Nora"}], "song": "1979", "text": SONG},
        {"text": SONG},
    ]
    found = songs(read(tmp_path, "my_songs.jsonl", "\n".join(map(json.dumps, lines))))
    assert [(song.artist, song.title) for song in found] == [
        ("Ada Quill", "Low Tide"),
        ("Ada, Nora", "1979"),
        ("", "my songs 3"),
    ]
    assert found[0].url == "https://example.org/1"


def test_an_archive_gives_its_songs_and_names_what_it_may_not_hold(tmp_path: Path) -> None:
    packed = zipped(
        {
            "songs/Ada Quill - Low Tide.txt": SONG,
            "songs/lamps.lrc": "[ar:Nora Vale]\n[ti:Nine Lamps]\n[00:01.00]Nine lamps\n[00:05.00]Nine ships\n",
            "__MACOSX/._x.txt": b"\x00",
            "songs/.DS_Store": b"\x00",
            "cover.jpg": b"\xff\xd8\xff",
            "inner.zip": zipped({"a.txt": SONG}),
        }
    )
    found = read(tmp_path, "songs.zip", packed)
    assert [(song.artist, song.title) for song in songs(found)] == [
        ("Ada Quill", "Low Tide"),
        ("Nora Vale", "Nine Lamps"),
    ]
    assert [problem.where for problem in problems(found)] == ["songs.zip/cover.jpg", "songs.zip/inner.zip"]


def test_a_document_is_one_song_or_one_a_heading(tmp_path: Path) -> None:
    one = document(("Title", "Low Tide"), ("Normal", "The tide is low"), ("Normal", "The boats are in"))
    assert read(tmp_path, "x.docx", one) == [Draft("", "Low Tide", "The tide is low\nThe boats are in", "x.docx")]
    two = document(
        ("Heading 1", "Low Tide"), ("Normal", "The tide\nis low"), ("Heading 1", "High Tide"), ("Normal", "Up\nand up")
    )
    assert [(song.title, song.text) for song in songs(read(tmp_path, "y.docx", two))] == [
        ("Low Tide", "The tide\nis low"),
        ("High Tide", "Up\nand up"),
    ]


def test_a_book_falls_into_its_songs_alone_and_in_an_archive(tmp_path: Path) -> None:
    for name, data in (("book.txt", BOOK.encode("latin-1")), ("books.zip", zipped({"book.txt": BOOK}))):
        found = read(tmp_path, name, data)
        assert len(songs(found)) == 5
        assert problems(found) == []
        assert all("Harbour Songs" in song.source and name in song.source for song in songs(found))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
)
@pytest.mark.parametrize("ending", [".txt", ".csv", ".jsonl"])
def test_any_usual_encoding_is_read(tmp_path: Path, encoding: str, ending: str) -> None:
    text = ACCENTED.replace("’", "'") if encoding == "latin-1" else ACCENTED
    whole = {
        ".txt": text,
        ".csv": f'artist,title,text\nZoë,Été,"{text}"\n',
        ".jsonl": json.dumps({"artist": "Zoë", "title": "Été", "text": text}, ensure_ascii=False),
    }[ending]
    found = read(tmp_path, f"Zoë - Été{ending}", whole.encode(encoding))
    assert [(song.artist, song.title, song.text) for song in songs(found)] == [("Zoë", "Été", text)]


@pytest.mark.parametrize("encoding", ["cp1251", "shift_jis"])
def test_other_alphabets_are_guessed(tmp_path: Path, encoding: str) -> None:
    text = {
        "cp1251": "Девять огней горят над тихой рекой\nИ ни один не горит надо мной, дорогой\n" * 3,
        "shift_jis": "波の音が聞こえる夜に灯りはもう消えてしまった\nけれど私はまだここにいる\n" * 3,
    }[encoding]
    assert [song.text for song in songs(read(tmp_path, "song.txt", text.encode(encoding)))] == [text]


@pytest.mark.parametrize("name", ["song.txt", "song.csv", "song.jsonl", "song.lrc"])
@pytest.mark.parametrize(
    "data", [bytes(range(256)) * 9, b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(90), b"\x00" * 99]
)
def test_a_binary_that_is_called_a_text_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    (problem,) = read(tmp_path, name, data)
    assert isinstance(problem, Problem)
    assert "no text" in problem.message


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("big.txt", 200_000_000, "200 MB and a .txt may have 64 MB"),
        ("big.zip", MAX_UPLOAD_BYTES + 1, "may have 64 MB"),
        ("big.jsonl", MAX_JSONL_BYTES + 1, "may have 256 MB"),
    ],
)
def test_too_large_a_file_is_refused_by_its_size(tmp_path: Path, name: str, size: int, words: str) -> None:
    path = tmp_path / "upload"
    with path.open("wb") as file:
        file.truncate(size)
    path.chmod(0)  # it need not even be readable
    (problem,) = read_upload(name, path)
    assert isinstance(problem, Problem)
    assert words in problem.message


def test_11_000_rows_with_broken_quotes_lose_no_other_row(tmp_path: Path) -> None:
    rows = [
        f'Artist {n},"Title {n},"{SONG}"' if n % 100 == 0 else f'Artist {n},Title {n},"{SONG}"'
        for n in range(1, 11_001)
    ]
    found = read(tmp_path, "many.csv", "artist,title,text\n" + "\n".join(rows))
    read_titles = {song.title for song in songs(found)}
    assert read_titles == {f"Title {n}" for n in range(1, 11_001) if n % 100}
    assert len(problems(found)) == 110
    assert problems(found)[0].where.startswith("many.csv, lines 299 to ")
    assert "no partner" in problems(found)[0].message


def test_a_table_without_lyrics_says_where_it_belongs(tmp_path: Path) -> None:
    (problem,) = read(tmp_path, "list.csv", "artist,title\nAda,Low Tide\n")
    assert isinstance(problem, Problem)
    assert "track list" in problem.message


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    data = zipped({"a.txt": SONG, "bomb.txt": b" " * 60_000_000})
    tracemalloc.start()
    (problem,) = read(tmp_path, "bomb.zip", data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(problem, Problem)
    assert "bomb.txt unpacks to far more" in problem.message
    assert peak < 5_000_000


def test_a_zip_that_lies_of_its_sizes_is_not_unpacked_either(tmp_path: Path) -> None:
    data = bytearray(zipped({"bomb.txt": b" " * 60_000_000}))
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = (1_000).to_bytes(4, "little")
    tracemalloc.start()
    (problem,) = read(tmp_path, "bomb.zip", bytes(data))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(problem, Problem)
    assert peak < 5_000_000


def test_an_archive_of_too_many_files_is_refused_by_its_directory(tmp_path: Path) -> None:
    found = read(tmp_path, "many.zip", zipped({f"{n}.txt": "a\nb" for n in range(MAX_ZIP_MEMBERS + 1)}))
    assert len(found) == 1
    assert "may hold 20,000" in problems(found)[0].message


@pytest.mark.parametrize("name", ["../up.txt", "a/../../up.txt", "/etc/up.txt", "C:/up.txt"])
def test_a_name_that_leads_out_of_the_archive_is_left_out(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, "songs.zip", zipped({name: SONG, "good.txt": SONG}))
    assert [song.title for song in songs(found)] == ["good"]
    assert "leads out" in problems(found)[0].message
    assert not (tmp_path.parent / "up.txt").exists()


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ["songs.zip", "song.docx"])
def test_a_packed_file_that_was_cut_off_says_so(tmp_path: Path, name: str, share: float) -> None:
    lines = [("Normal", line) for line in SONG.splitlines()]
    data = document(*lines) if name == "song.docx" else zipped({f"{n}.txt": SONG for n in range(50)})
    (problem,) = read(tmp_path, name, data[: int(len(data) * share)])
    assert isinstance(problem, Problem)
    assert "part of it arrived" in problem.message


def test_json_lines_that_were_cut_off_keep_what_arrived(tmp_path: Path) -> None:
    whole = "".join(
        json.dumps({"title": f"Sång {n}", "text": SONG}, ensure_ascii=False) + "\n" for n in range(10)
    ).encode()
    found = read(tmp_path, "songs.jsonl", whole[: len(whole) - 60])
    assert len(songs(found)) == 9
    (problem,) = problems(found)
    assert problem.where == "songs.jsonl, line 10"
    assert "cut off" in problem.message
    at = whole.index("å".encode(), 300) + 1  # in the middle of a letter
    assert [song.title for song in songs(read(tmp_path, "songs.jsonl", whole[:at]))][:2] == ["Sång 0", "Sång 1"]


@pytest.mark.parametrize(
    "line", ["{", "[]", '"text"', "null", '{"title": "x"}', '{"text": 5}', "[" * 5_000, '{"text": "one"}']
)
def test_a_bad_line_of_json_costs_itself_alone(tmp_path: Path, line: str) -> None:
    good = json.dumps({"title": "Low Tide", "text": SONG})
    found = read(tmp_path, "s.jsonl", f"{good}\n{line}\n\n{good}\n")
    assert [song.line for song in songs(found)] == [1, 4]
    assert [problem.where for problem in problems(found)] == ["s.jsonl, line 2"]


def test_markup_in_titles_is_text(tmp_path: Path) -> None:
    title = '<script>alert("x")</script><b>Low</b>'
    found = read(tmp_path, "s.jsonl", json.dumps({"title": title, "artist": "<img src=x>", "text": SONG}))
    assert [(song.title, song.artist) for song in songs(found)] == [(title, "<img src=x>")]


@pytest.mark.parametrize(
    ("num_lines", "words"),
    [(0, "no lines"), (1, "1 line "), (MAX_SONG_LINES + 1, "2,001 lines"), (20_000, "20,000 lines")],
)
@pytest.mark.parametrize("ending", [".txt", ".csv", ".jsonl", ".zip", ".lrc"])
def test_a_song_is_of_two_lines_or_more_and_of_2_000_at_most(
    tmp_path: Path, ending: str, num_lines: int, words: str
) -> None:
    text = " \n" + "".join(f"la la la {n * n}\n" for n in range(num_lines))
    data: bytes | str = {
        ".csv": f'title,text\nLa,"{text}"\nGood,"{SONG}"\n',
        ".jsonl": json.dumps({"title": "La", "text": text}),
        ".zip": zipped({"la.txt": text}),
    }.get(ending, text)
    found = read(tmp_path, f"la{ending}", data)
    if ending == ".csv":
        assert [song.title for song in songs(found)] == ["Good"]
    if ending != ".csv" or num_lines <= MAX_SONG_LINES:
        assert words in problems(found)[0].message
    assert len(problems(found)) == 1


def test_the_longest_and_the_shortest_song_are_read(tmp_path: Path) -> None:
    for num_lines in (2, MAX_SONG_LINES):
        assert len(songs(read(tmp_path, "la.txt", "la la\n" * num_lines))) == 1


@pytest.mark.parametrize("name", ["song.pdf", "song", "song.doc", ".txt.exe"])
def test_other_files_are_refused_with_what_may_be_brought(tmp_path: Path, name: str) -> None:
    (problem,) = read(tmp_path, name, SONG)
    assert isinstance(problem, Problem)
    assert ".txt, .zip, .csv, .jsonl, .docx, .lrc" in problem.message


def test_what_no_database_stores_is_taken_out(tmp_path: Path) -> None:
    line = '{"title": "Low\\u0000 \\ud800Tide", "text": "one\\u0000\\ntwo \\udfff"}'
    (song,) = songs(read(tmp_path, "s.jsonl", line))
    assert "\0" not in song.title + song.text
    assert (song.title + song.text).encode()


def test_many_songs_are_read_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    line = json.dumps({"title": "Low Tide", "text": SONG * 20})
    path.write_text(f"{line}\n" * 5_000)
    tracemalloc.start()
    num = sum(isinstance(song, Draft) for song in read_upload("s.jsonl", path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert num == 5_000
    assert path.stat().st_size > 7_000_000
    assert peak < 5_000_000


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["a.txt", "a.zip", "a.csv", "a.jsonl", "a.docx", "a.lrc"]),
    st.binary(max_size=300) | st.text(max_size=200).map(str.encode),
    st.sampled_from([b"", b"PK\x05\x06", b"artist,title,text\n", b'{"text": "', b"\xff\xfe", b"\xef\xbb\xbf"]),
)
def test_no_file_is_an_error(tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes, before: bytes) -> None:
    path = tmp_path_factory.mktemp("upload") / "file"
    path.write_bytes(before + data)
    assert all(isinstance(found, Draft | Problem) for found in read_upload(name, path))
