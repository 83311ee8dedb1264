"""Text comes out whole characters at a time, and never shows a stop string or a part of one."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from inference.detokenize import TextStream


def test_it_works() -> None:
    stream = TextStream()
    assert [stream.feed(part) for part in (b"ni", b"ght", b" \xf0\x9f", b"\x8c\x99")] == ["ni", "ght", " ", "🌙"]
    assert stream.finish() == ""


@given(text=st.text(), cuts=st.lists(st.integers(0, 200)))
def test_any_cut_of_any_text_gives_the_text(text: str, cuts: list[int]) -> None:
    spelt = text.encode(errors="replace")
    places = sorted({0, len(spelt), *(cut for cut in cuts if cut < len(spelt))})
    stream = TextStream()
    parts = [stream.feed(spelt[start:stop]) for start, stop in pairwise(places)]
    assert "".join(parts) + stream.finish() == spelt.decode()


@given(
    text=st.text(alphabet="abc\n", max_size=60),
    stops=st.lists(st.text(alphabet="abc\n", min_size=1, max_size=4), min_size=1, max_size=3),
    size=st.integers(1, 5),
)
def test_the_text_ends_before_the_first_stop_string_however_it_is_cut(text: str, stops: list[str], size: int) -> None:
    stream, shown = TextStream(stops), ""
    for start in range(0, len(text), size):
        shown += stream.feed(text[start : start + size].encode())
        assert not any(stop in shown for stop in stops)
        if stream.stopped:
            break
    else:
        shown += stream.finish()
    # The stop string that is complete first wins; of those that complete in one piece, the one that begins first.
    ends = [at + len(stop) for stop in stops if (at := text.find(stop)) >= 0]
    if not ends:
        assert shown == text
    else:
        fed = text[: -(-min(ends) // size) * size]
        assert shown == text[: min(fed.find(stop) for stop in stops if stop in fed)]


def test_what_looked_like_a_stop_string_is_shown_when_it_is_none() -> None:
    stream = TextStream(["\n\nEND"])
    assert stream.feed(b"one\n\nE") == "one"
    assert stream.feed(b"cho") == "\n\nEcho"
    assert stream.feed(b"\n\nEN") == ""
    assert stream.finish() == "\n\nEN"


def test_bytes_that_are_no_text_become_replacement_characters() -> None:
    stream = TextStream()
    assert stream.feed(b"a\xff\xfeb") == "a��b"
    assert stream.feed(b"\xe2\x82") == ""
    assert stream.finish() == "�"
