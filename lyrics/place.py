"""Where in a lyric the next words go, and what they must keep: from the cursor and the form of a whole stanza.

A stanza is the sung lines that stand together; when they go on beyond the form without a blank line, the form begins
anew. A line that is written on its own must rhyme with the lines of its letter that are there, above and below it.
Knows nothing of voices and nothing of how a form is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from lyrics.clean import is_heading, normalised_words
from lyrics.form import FREE_LINE, MAX_RHYMES, MAX_SYLLABLES, MAX_WORDS, Form
from lyrics.syllables import words_of

Kind = Literal["next_line", "fill", "rewrite", "verse"]
MAX_WORD = 48  # characters of a word that a form can name


class Misplaced(ValueError):
    """Nothing can be written there; says what to do instead."""


class Placed(NamedTuple):
    """What is to be written, and where.

    `line` is the number, from 1, at which the new text will stand; it takes the place of that line when it `replaces`.
    What `starts_stanza` needs a blank line between itself and any sung line around it. `words` is what it must keep,
    as a writer reads it; `prompt` is what the voice goes on from, `form` what it keeps, `position` the place in
    the stanza of its first line, from 0.
    """

    kind: Kind
    line: int
    replaces: bool
    starts_stanza: bool
    num_lines: int
    words: str
    prompt: str
    form: Form
    position: int


class _Spot(NamedTuple):
    """A place among the lines: `at` counts from 0. `above` and `below` are the sung lines that it stands among."""

    at: int
    replaces: bool = False
    starts_stanza: bool = False
    above: Sequence[str] = ()
    below: Sequence[str] = ()


def place(text: str, form: Form, kind: Kind, line: int) -> Placed:
    """Work out a deed at line number `line` (from 1, blank lines count) of a lyric; `form` is that of a whole stanza.

    >>> form = Form(scheme="AABB", syllables=8)
    >>> placed = place("So here I stand\\nwith open hand\\nand all is low", form, "next_line", 3)
    >>> placed.line, placed.words, placed.form.rhymes
    (4, 'B, strict; 8 syllables; B rhymes with low', {'B': ('low',)})
    >>> place("one\\ntwo\\nthree\\nfour", form, "next_line", 4)[1:6]  # the stanza is full
    (6, False, True, 1, 'A, strict; 8 syllables')

    Raises:
        Misplaced: there is no such line, or it cannot be rewritten.
    """
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        raise Misplaced(f"line {line} is not in this text, which has {len(lines)}: put the cursor into the text")
    spot = _FINDERS[kind](lines, line - 1, form.num_lines)
    before = lines[: spot.at]
    if spot.starts_stanza and before and (spot.at > len(lines) or _is_sung(lines, spot.at - 1)):
        before = [*before, ""]
    others = _others(form.num_lines, spot)
    index = len(spot.above) % form.num_lines
    asked = form if kind == "verse" else _line_form(form, index, others)
    prompt = "".join(f"{kept}\n" for kept in before)
    return Placed(
        kind,
        spot.at + 1,
        spot.replaces,
        spot.starts_stanza,
        asked.num_lines,
        asked.in_words(),
        prompt if prompt.strip() else "",
        asked if kind == "verse" else _apart(asked, [text for _, text in others]),
        index,
    )


def as_stanza(stanza: Form, placed: Placed, offered: Form) -> Form:
    """The form of the whole stanza, changed as an offer changes what was placed in it: for the next try of the deed.

    >>> stanza = Form(scheme="AABB", syllables=(8, 6, 8, 6))
    >>> placed = place("I ate an orange", stanza, "next_line", 1)
    >>> as_stanza(stanza, placed, Form(scheme="A", strictness="near", syllables=6)).in_words()
    'AABB, near rhymes; 8-6-8-6 syllables'
    >>> as_stanza(stanza, placed, Form(scheme="X", syllables=6)).in_words()
    'AXBB, strict; 8-6-8-6 syllables'
    """
    if placed.kind == "verse":
        return offered
    asked, line = placed.form.model_dump(), offered.model_dump()
    changes = {name: line[name] for name in line if line[name] != asked[name] and name not in ("scheme", "rhymes")}
    for name in {"include", "exclude"} & changes.keys():
        gone = set(asked[name]) - set(line[name])
        changes[name] = tuple(word for word in getattr(stanza, name) if word not in gone)
    if "syllables" in changes and isinstance(stanza.syllables, tuple):
        limits = [*stanza.syllables, offered.line_forms()[0].min_syllables, offered.line_forms()[0].max_syllables]
        changes["syllables"] = {"min": min(limits), "max": max(limits)}
    if offered.scheme == FREE_LINE != stanza.scheme[placed.position]:
        letters = stanza.scheme[: placed.position] + FREE_LINE + stanza.scheme[placed.position + 1 :]
        rhymes = {letter: words for letter, words in stanza.rhymes.items() if letter in letters}
        changes |= {"scheme": letters, "rhymes": rhymes}
    return _changed(stanza, changes)


# --- where ------------------------------------------------------------------------------------------------------------


def _next_line(lines: Sequence[str], at: int, num_lines: int) -> _Spot:
    if _is_sung(lines, at):
        start, end = _run(lines, at)
        turn = start + (at - start) // num_lines * num_lines
        is_full = end - turn >= num_lines
        after = turn + num_lines if is_full else at + 1
        return _fresh(lines, end) if is_full and after == end else _within(lines, start, after, end)
    if _is_heading(lines, at):
        return _first_of(lines, at + 1, num_lines, replaces=False)
    if not _is_sung(lines, at - 1):
        return _first_of(lines, at, num_lines, replaces=True)
    start, _ = _run(lines, at - 1)
    if (at - start) % num_lines == 0:
        return _fresh(lines, at)
    return _Spot(at, replaces=not _is_sung(lines, at + 1), above=lines[start:at])


def _fill(lines: Sequence[str], at: int, num_lines: int) -> _Spot:
    if _is_sung(lines, at):
        start, end = _run(lines, at)
        return _within(lines, start, at + 1, end)
    if _is_blank(lines, at) and _is_sung(lines, at - 1) and _is_sung(lines, at + 1):
        start, end = _run(lines, at - 1)[0], _run(lines, at + 1)[1]
        return _Spot(at, replaces=True, above=lines[start:at], below=lines[at + 1 : end])
    return _next_line(lines, at, num_lines)


def _rewrite(lines: Sequence[str], at: int, _: int) -> _Spot:
    if not _is_sung(lines, at):
        kind = "a heading" if _is_heading(lines, at) else "blank"
        raise Misplaced(f"line {at + 1} is {kind}: put the cursor on the line that is to be written anew")
    start, end = _run(lines, at)
    return _Spot(at, replaces=True, above=lines[start:at], below=lines[at + 1 : end])


def _verse(lines: Sequence[str], at: int, _: int) -> _Spot:
    if _is_sung(lines, at):
        return _fresh(lines, _run(lines, at)[1])
    if _is_heading(lines, at):
        return _Spot(at + 1, starts_stanza=_is_sung(lines, at + 1))
    if _is_sung(lines, at - 1):
        return _fresh(lines, at)
    return _Spot(at, replaces=True, starts_stanza=not _is_heading(lines, at - 1) or _is_sung(lines, at + 1))


_FINDERS: dict[Kind, Callable[[Sequence[str], int, int], _Spot]] = {
    "next_line": _next_line,
    "fill": _fill,
    "rewrite": _rewrite,
    "verse": _verse,
}


def _within(lines: Sequence[str], start: int, at: int, end: int) -> _Spot:
    """Between two lines of those that stand together, or right after them."""
    return _Spot(at, above=lines[start:at], below=lines[at:end])


def _fresh(lines: Sequence[str], end: int) -> _Spot:
    """A new stanza after the sung lines that end before `end`: beyond the blank line, where there is one."""
    if end == len(lines) or _is_blank(lines, end):
        return _Spot(end + 1, replaces=_is_blank(lines, end + 1), starts_stanza=True)
    return _Spot(end, starts_stanza=True)


def _first_of(lines: Sequence[str], at: int, num_lines: int, *, replaces: bool) -> _Spot:
    """The first line of what follows, where that has room; else of a stanza of its own."""
    follows = at + 1 if replaces else at
    below = lines[slice(*_run(lines, follows))] if _is_sung(lines, follows) else []
    if below and len(below) < num_lines:
        return _Spot(at, replaces=replaces, below=below)
    return _Spot(at, replaces=replaces, starts_stanza=bool(below) or not _is_heading(lines, at - 1))


def _run(lines: Sequence[str], at: int) -> tuple[int, int]:
    """From where to before where sung lines stand together around one."""
    start, end = at, at + 1
    while _is_sung(lines, start - 1):
        start -= 1
    while _is_sung(lines, end):
        end += 1
    return start, end


def _is_blank(lines: Sequence[str], at: int) -> bool:
    return 0 <= at < len(lines) and not lines[at].strip()


def _is_heading(lines: Sequence[str], at: int) -> bool:
    return 0 <= at < len(lines) and is_heading(lines[at])


def _is_sung(lines: Sequence[str], at: int) -> bool:
    return 0 <= at < len(lines) and bool(lines[at].strip()) and not _is_heading(lines, at)


# --- what -------------------------------------------------------------------------------------------------------------


def _others(num_lines: int, spot: _Spot) -> list[tuple[int, str]]:
    """The other lines of the stanza and their places in it."""
    index = len(spot.above) % num_lines
    above = spot.above[len(spot.above) - index :]
    return [*enumerate(above), *enumerate(spot.below[: num_lines - index - 1], start=index + 1)]


def _line_form(form: Form, index: int, others: Sequence[tuple[int, str]]) -> Form:
    """The form of one line at its place in the stanza."""
    line, letter = form.line_forms()[index], form.scheme[index]
    partners = [_end(text) for place, text in others if form.scheme[place] == letter != FREE_LINE]
    ends = [*filter(None, partners)]
    given = dict.fromkeys((*form.rhymes.get(letter, ())[: MAX_RHYMES - len(ends)], *ends))
    changes: dict[str, Any] = {
        "scheme": letter,
        "rhymes": {letter: tuple(given)} if given else {},
        "include": _still_missing(form, [text for _, text in others]),
    }
    if (line.min_syllables, line.max_syllables) != (1, MAX_SYLLABLES):
        is_fixed = line.min_syllables == line.max_syllables
        many = {"min": line.min_syllables, "max": line.max_syllables}
        changes["syllables"] = line.min_syllables if is_fixed else many
    return _changed(form, changes)


def _apart(form: Form, others: Sequence[str]) -> Form:
    """The line's form with the ends of other lines among the words it must not hold, as far as a form can name them."""
    taken = {word for words in form.rhymes.values() for word in words} | set(form.exclude)
    wanted = {word for phrase in form.include for word in normalised_words(phrase)}
    ends = dict.fromkeys(map(_end, others))
    apart = [end for end in ends if end and end not in taken and wanted.isdisjoint(normalised_words(end))]
    return _changed(form, {"exclude": (*form.exclude, *apart)[:MAX_WORDS]}) if apart else form


def _still_missing(form: Form, others: Sequence[str]) -> tuple[str, ...]:
    """The share of this line in the words that the stanza must hold and does not yet."""
    sung = f" {' '.join(normalised_words(chr(10).join(others)))} "
    missing = [phrase for phrase in form.include if f" {' '.join(normalised_words(phrase))} " not in sung]
    num_lines_left = max(1, form.num_lines - len(others))
    return tuple(missing[: -(-len(missing) // num_lines_left)])


def _end(line: str) -> str:
    """The last word of a line as it is heard; "" where a form cannot name it."""
    words = words_of(line)
    return words[-1] if words and len(words[-1]) <= MAX_WORD else ""


def _changed(form: Form, changes: dict[str, Any]) -> Form:
    return Form.model_validate(form.model_dump() | changes)
