"""Books of songs split into songs: plain text as Project Gutenberg lays it out, or anything laid out like that.

A song is a title that stands apart, and the verse below it. What is prose, a list, a note, the licence or the same
words cut into syllables for the singer is left out. Knows nothing of files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from corpus.song import Draft

MIN_SONGS = 5  # below this, a text without the marks of Project Gutenberg is one song and no book
MIN_LINES = 2
FRONT = 0.25  # share of a book in which contents and prefaces make what stands before them front matter

_BEGIN = re.compile(r"^\s*\*\*\*\s*START OF (?:THE|THIS) PROJECT GUTENBERG.*$", re.IGNORECASE)
_END = re.compile(r"^\s*(?:\*\*\*\s*(?:END OF|START: FULL)\b.*|End of (?:the )?Project Gutenberg.*)$", re.IGNORECASE)
_LICENCE = re.compile(r"project gutenberg|gutenberg\.(?:org|net)", re.IGNORECASE)
_CREDIT = re.compile(r"^(?:produced by|e-text prepared by|music transcribed by)\b", re.IGNORECASE)

_PICTURE = re.compile(r"^\s*\[(?:illustration|picture)(?::\s*(?P<words>[^\]]+))?\]\s*$", re.IGNORECASE)
_REMARK = re.compile(
    r"^\s*\[(?:footnote|note|transcriber|illustration|music\b(?!:)|decoration|sidenote)", re.IGNORECASE
)
_FOOTNOTE_MARK = re.compile(r"\[(?:\d{1,3}|[A-Za-z*]|Pg? ?\d+)\]|\{\d+\}")
_STARS = re.compile(r"^[\s*.·_–—-]*$")

_NUMBERED_TITLE = re.compile(r"^(?:AIR|SONG|BALLAD|HYMN|CAROL|SHANTY|No\.)\s+(?:[IVXLC]+|\d+)\b")
_IN_BRACKETS = re.compile(r"^\s*\(.*\)\s*$")
_ROMAN = re.compile(r"^(?:[IVXLC]+|\d+)\.?$")
_SECTION = re.compile(
    r"^[\W_]*(?:chorus|refrain|burden|verse|bridge|hook|intro|outro|solo|all|omnes)s?\b[\s\d.:]*[\W_]*$", re.IGNORECASE
)
_BYLINE = re.compile(r"^[\s(]*(?:(?:words|written|lyrics?|verses?|poem)\s+)?by\s+(?P<who>[A-Za-z].*)", re.IGNORECASE)
_AFTER_NAME = re.compile(r"[.,;]?\s*(?:[(\"“]|\b(?:[Mm]usic|[Aa]ir|[Aa]rranged|[Tt]une|[Tt]heme)\b).*")
_REMARK_BELOW_TITLE = re.compile(
    r"^\s*(?:\(.*\)|\[.*\]|_?(?:air|tune)\b.*"
    r"|(?:music|words|by|written|arranged|parodied|to the (?:air|tune)|from|adapted|set to)\b.*)\s*$",
    re.IGNORECASE,
)
_STAGE = re.compile(r"^[\s\[(_]*(?:enter|re-enter|exit|exeunt|manet|scene|act)\b", re.IGNORECASE)
_SPEECH = re.compile(r"^_[A-Z][^_]{0,40}_\.? \S")
_PAGE_NUMBER = re.compile(r"(?:\s{2,}|\.{2,}\s*)(?:\d+|[ivxlc]+)\.?$|^\d+(?:, ?\d+)*\.\s+_.*_$")
_STANZA_NUMBER = re.compile(r"^(\s*)(?:\d{1,2}\.?|[IVX]{1,5}\.)(\s+)(?=\S)")
_SYLLABLES = re.compile(r"[a-z]-[a-z]")

_FRONT_MATTER = re.compile(
    r"(?:table of )?contents|(?:an? )?(?:alphabetical )?(?:index|list)\b.*|preface\b.*|introduction\b.*|foreword",
    re.IGNORECASE,
)
_NOT_SONGS = re.compile(
    r"introductory\b.*|prologue|dedication|(?:\w+'s )?notes?(?: (?:on|to|by|of|from)\b.*)?|glossary\b.*|errata\b.*"
    r"|bibliography|appendix\b.*|footnotes?|advertisements?|copyright\b.*|transcriber\b.*|illustrations"
    r"|acknowledge?ments?|dramatis person\w+|page|(?:act|scene)\s+(?:[ivx]+|\d+|the)\b.*",
    re.IGNORECASE,
)
_LAST = re.compile(r"(?:finis|the end|end)", re.IGNORECASE)
_NOBODY = re.compile(r"\b(?:various|anonymous|unknown|illustrated|edited|several)\b", re.IGNORECASE)
_SMALL = frozenset("a an and as at but by for from in is my nor o' o'er of on or the to with".split())


class _Paragraph(NamedTuple):
    """Lines without a blank one between, the number of the first, and how many blank ones stand before."""

    number: int
    gap: int
    lines: tuple[str, ...]
    is_picture: bool


@dataclass
class _Section:
    """A title and what stands below it, until the next title."""

    title: str
    number: int
    below: list[_Paragraph] = field(default_factory=list)


def split_book(text: str) -> list[Draft] | None:
    """The songs of a book, in its order; None where the text is no book, and [] for a book without songs.

    `source` of the drafts is the title of the book, or "" where it has none.

    >>> beasts = ("ANT", "BEE", "COW", "DOE", "EEL")
    >>> songs = [f"SONG OF THE {name}\\n\\nI saw a {name}\\nAnd it saw me" for name in beasts]
    >>> [song.title for song in split_book("\\n\\n\\n".join(songs))]
    ['Song of the Ant', 'Song of the Bee', 'Song of the Cow', 'Song of the Doe', 'Song of the Eel']
    >>> split_book("A night\\nA light") is None
    True
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    is_gutenberg = bool(_LICENCE.search(text[:20_000])) or any(map(_BEGIN.match, lines))
    first, last = _body(lines)
    book_title, author = _described(lines[:first])
    sections = _sections(_paragraphs(lines, first, last))
    songs = list(_songs(_without_front(sections, first, last), book_title, author))
    if not is_gutenberg and len(songs) < MIN_SONGS:
        return None
    return songs


def _body(lines: Sequence[str]) -> tuple[int, int]:
    """Where the book begins and ends in its file."""
    first = next((index + 1 for index, line in enumerate(lines) if _BEGIN.match(line)), 0)
    last = next((index for index in range(first, len(lines)) if _END.match(lines[index])), len(lines))
    return first, last


def _described(header: Sequence[str]) -> tuple[str, str]:
    """Title and author by the header; an author who only gathered or drew counts as nobody."""
    found: dict[str, str] = {}
    for line in header:
        name, colon, value = line.partition(":")
        if colon and name in ("Title", "Author"):
            found.setdefault(name, value.strip())
    author = found.get("Author", "")
    return found.get("Title", ""), "" if _NOBODY.search(author) else author


def _paragraphs(lines: Sequence[str], first: int, last: int) -> Iterator[_Paragraph]:
    gap, held, number, is_picture = 9, list[str](), 0, False
    for at, line, picture in _without_remarks(lines, first, last):
        blank = not line.strip()
        if held and (blank or picture):
            yield _Paragraph(number, gap, tuple(held), is_picture)
            held, gap = [], 0
        if blank:
            gap += 1
            continue
        if not held:
            number, is_picture = at + 1, picture
        held.append(line.rstrip())
        if picture:
            yield _Paragraph(number, max(gap, 2), tuple(held), True)
            held, gap = [], 0
    if held:
        yield _Paragraph(number, gap, tuple(held), is_picture)


def _without_remarks(lines: Sequence[str], first: int, last: int) -> Iterator[tuple[int, str, bool]]:
    """Numbered lines without what stands in brackets; the words below a picture are kept as a line of their own."""
    depth, in_music = 0, False
    for at in range(first, last):
        line = lines[at].expandtabs(8)
        if depth:
            depth = max(0, depth + line.count("[") - line.count("]"))
            continue
        picture = _PICTURE.match(line)
        if picture:
            if picture["words"]:
                yield at, picture["words"].strip(), True
            continue
        if _REMARK.match(line):
            depth = max(0, line.count("[") - line.count("]"))
            continue
        if line.lstrip().lower().startswith("[music:"):
            line, in_music = line.lstrip()[len("[music:") :], True
        line = _FOOTNOTE_MARK.sub("", line)
        if in_music and line.rstrip().endswith("]"):
            line, in_music = line.rstrip()[:-1], False
        yield at, "" if _STARS.match(line) else line, False


def _sections(paragraphs: Iterator[_Paragraph]) -> list[_Section]:
    found: list[_Section] = []
    gap = 0
    for paragraph in paragraphs:
        paragraph = paragraph._replace(gap=max(gap, paragraph.gap))
        # "(From the Globe.)" above a title belongs to it
        is_above = len(paragraph.lines) == 1 and paragraph.gap >= 3 and bool(_IN_BRACKETS.match(paragraph.lines[0]))
        gap = paragraph.gap if is_above else 0
        if is_above:
            continue
        if _is_title(paragraph):
            words = " ".join(line.strip() for line in paragraph.lines)
            if _LAST.fullmatch(words.strip(" .")):
                found.append(_Section("", paragraph.number))
            else:
                found.append(_Section(words, paragraph.number))
        elif found:
            found[-1].below.append(paragraph)
    return found


def _is_title(paragraph: _Paragraph) -> bool:
    words = " ".join(line.strip() for line in paragraph.lines).strip("_")
    letters = [letter for letter in words if letter.isalpha()]
    if len(paragraph.lines) > 3 or len(letters) < 2 or len(words) > 90:
        return False
    if _SECTION.match(words) or _ROMAN.match(words):
        return False
    if paragraph.is_picture:
        return True
    if _PAGE_NUMBER.search(paragraph.lines[-1]) or (paragraph.gap < 3 and _BYLINE.match(words)):
        return False
    if "".join(letters).isupper():
        return paragraph.gap >= 2
    if len(paragraph.lines) > 1:
        return False
    if _NUMBERED_TITLE.match(words) or (paragraph.gap >= 2 and _LAST.fullmatch(words.strip(" ."))):
        return True
    if paragraph.gap < 3 or paragraph.lines[0].startswith(" "):
        return False
    return _is_in_title_case(words) or (paragraph.gap >= 4 and words[0].isupper() and words[-1] in ".!?")


def _is_in_title_case(words: str) -> bool:
    if words[-1] in ",;:-—":
        return False
    long = [word for word in re.findall(r"[^\W\d_]+", words) if len(word) > 3]
    return bool(long) and sum(word[0].isupper() for word in long) >= 0.6 * len(long)


def _without_front(sections: list[_Section], first: int, last: int) -> list[_Section]:
    """What comes after the last list or preface at the front, and before the end that the book itself names."""
    border = first + FRONT * (last - first)
    fronts = [
        index
        for index, section in enumerate(sections)
        if section.number <= border and _FRONT_MATTER.fullmatch(section.title.strip(" .:_"))
    ]
    kept = sections[fronts[-1] :] if fronts else sections
    ends = [index for index, section in enumerate(kept) if not section.title and section.number > border]
    return kept[: ends[0]] if ends else kept


def _songs(sections: Sequence[_Section], book_title: str, author: str) -> Iterator[Draft]:
    before = ""
    for section in sections:
        title = _plain_title(section.title)
        name = title.casefold()
        if (
            not title
            or _FRONT_MATTER.fullmatch(title)
            or _NOT_SONGS.fullmatch(title)
            or (book_title and name == book_title.casefold())
        ):
            continue
        if _CREDIT.match(title) or _LICENCE.search(title):
            continue
        artist = ""
        verses: list[list[str]] = []
        num_told = 0  # words of prose before the first verse
        for paragraph in section.below:
            words = " ".join(line.strip() for line in paragraph.lines)
            if not verses and len(paragraph.lines) == 1 and _REMARK_BELOW_TITLE.match(words):
                who = _BYLINE.match(words)
                artist = artist or (_name(who["who"]) if who else "")
            elif _is_list(paragraph) or _LICENCE.search(words) or _CREDIT.match(words) or _ROMAN.match(words):
                continue
            elif _is_prose(paragraph):
                if verses:
                    break  # what is spoken after a song, or told about it
                num_told += len(words.split())
            else:
                verses.append(list(_verse(paragraph.lines)))
        verses = [verse for verse in verses if verse]
        num_words = sum(len(line.split()) for verse in verses for line in verse)
        if sum(map(len, verses)) < MIN_LINES or num_told > num_words:
            continue
        if _is_notation(verses) and _is_again(name, before):
            continue
        before = name
        text = "\n\n".join("\n".join(verse) for verse in verses)
        yield Draft(artist or author, _titled(title), text, book_title, line=section.number)


def _is_prose(paragraph: _Paragraph) -> bool:
    """Whether lines are filled to a margin, or said on a stage, and so not verse."""
    lines = paragraph.lines
    if len(lines) <= 2 and (_STAGE.match(lines[0]) or lines[0].lstrip().startswith(("[", "("))):
        return True
    if _SPEECH.match(lines[0]) and not lines[0].startswith(" "):
        return True
    if len(lines) == 1:
        return len(lines[0].strip()) >= 72
    num_lower = sum(line.lstrip()[:1].islower() for line in lines[1:] if not line.startswith("      "))
    width = sum(len(line) for line in lines[:-1]) / (len(lines) - 1)
    return width >= 50 and num_lower >= 0.2 * (len(lines) - 1)


def _is_list(paragraph: _Paragraph) -> bool:
    return sum(bool(_PAGE_NUMBER.search(line)) for line in paragraph.lines) * 2 >= len(paragraph.lines)


def _verse(lines: Sequence[str]) -> Iterator[str]:
    """Lines as they are sung: without the number of the stanza, marks of italics, and breaks only the page made."""
    held = ""
    for index, line in enumerate(lines):
        if index == 0:
            line = _STANZA_NUMBER.sub(lambda found: found[1] + found[2], line)
        words = line.strip()
        if len(held) >= 50 and words[:1].islower() and _indent(line) >= 4:
            held += " " + words
            continue
        if held:
            yield held
        held = re.sub(r"(?<!\w)_([^_]+)_|_([^_]+)_(?!\w)", lambda found: found[1] or found[2], words).strip(" _")
    if held:
        yield held


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _is_notation(verses: Sequence[Sequence[str]]) -> bool:
    """Whether words are parted into syllables, as below notes."""
    words = [word for verse in verses for line in verse for word in line.split()]
    return sum(bool(_SYLLABLES.search(word)) for word in words) > 0.06 * len(words)


def _is_again(name: str, before: str) -> bool:
    """Whether the second title says of the first that here it is with its notes."""
    bare, other = (re.sub(r"\(.*?\)|^(?:the|an?) |\W+", " ", title).split() for title in (name, before))
    return "mus. not" in name or bare == other


def _plain_title(title: str) -> str:
    """A title without marks of italics, and without a full stop unless it is short for something."""
    plain = " ".join(title.replace("_", "").split()).strip(" -—")
    return plain[:-1] if plain.endswith(".") and not re.search(r"\b[A-Z]\.$", plain) else plain


def _titled(title: str) -> str:
    """A title as it is written elsewhere, when it is in capitals.

    >>> _titled("THE COWBOY'S LAMENT, PART II"), _titled("FRECKLES. A FRAGMENT"), _titled("The U.S.A. recruit")
    ("The Cowboy's Lament, Part II", 'Freckles. A Fragment', 'The U.S.A. recruit')
    """
    letters = [letter for letter in title if letter.isalpha()]
    if sum(letter.isupper() for letter in letters) < 0.75 * len(letters):
        return title

    def written(found: re.Match[str]) -> str:
        word = found.group()
        before, after = title[: found.start()].rstrip(), title[found.end() : found.end() + 1]
        is_initial = len(word) == 1 and after == "."
        if before and before[-1] not in ".:!?-—" and word.lower() in _SMALL and not is_initial:
            return word.lower()
        return word if re.fullmatch(r"[IVX]{2,}", word) else word.capitalize()

    return re.sub(r"[^\W\d_]+(?:['’][^\W\d_]+)*", written, title)


def _name(who: str) -> str:
    name = _AFTER_NAME.sub("", " ".join(who.split())).strip(" ,;:_)")
    name = name if re.search(r"\b(?:[A-Z]|[Jj]r|[Ss]r)\.$", name) else name.rstrip(".")
    return _titled(name)
