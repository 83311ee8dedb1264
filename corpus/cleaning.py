"""What is no part of a song taken out of its text, and the rest written one way, by rules that can each be off.

Pure. Knows nothing of where a text is from; a rule that has nothing to do leaves a text as it is, and rules change
nothing more the second time.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import ftfy

_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u00ad]")
_FTFY = ftfy.TextFixerConfig(uncurl_quotes=False, fix_latin_ligatures=True, explain=False)

_CONTRIBUTORS = re.compile(r"\A\s*\d[\d,.]*\+?[ \t]*Contributors?(?P<rest>[^\n]*)")
_LYRICS_OF = re.compile(r"\A\s*[^\n\[]{1,120}? Lyrics[ \t]*(?=\n?\[)")
_READ_MORE = re.compile(r"\A[^\n]{0,600}(?:…|\.\.\.)[ \t\u00a0]*Read More[ \t]*\n?")
_TICKETS = re.compile(r"See [^\n]{1,80}? Live[ \t]*\n?[ \t]*Get tickets as low as [$£€]\d+(?:[.,]\d+)?")
_LIKE = re.compile(r"You might also like(?=[ \t]*(?:\n|\Z)|[A-Z\[\"'“(¿¡])")
_EMBED = re.compile(r"(?:(?<![ \t\d])\d{1,6}(?:[.,]\d{1,3})?[KM]?)?(?<![ \t])Embed(?:Share[^\n]{0,60})?\Z")
_TAIL = 100  # characters in which it stands

_STAMP = re.compile(r"[\[<](\d{1,3}):(\d\d)(?:[.:](\d{1,3}))?[\]>]")
_STAMPS = re.compile(r"\s*(?:\[\d{1,3}:\d\d(?:[.:]\d{1,3})?\]\s*)+")
_LRC_TAG = re.compile(
    r"[ \t]*\[(?:ar|ti|al|au|by|re|ve|la|id|offset|length|tool|encoding):[^\]\n]*\][ \t]*", re.IGNORECASE
)

_LABELS = {
    "pre-chorus": "Pre-Chorus", "prechorus": "Pre-Chorus", "pre chorus": "Pre-Chorus", "post-chorus": "Post-Chorus",
    "postchorus": "Post-Chorus", "post chorus": "Post-Chorus", "verse": "Verse", "vers": "Verse", "verso": "Verse",
    "strophe": "Verse", "couplet": "Verse", "estrofa": "Verse", "strofa": "Verse", "chorus": "Chorus",
    "estribillo": "Chorus", "refrão": "Chorus", "ritornello": "Chorus", "coro": "Chorus", "refrain": "Refrain",
    "burden": "Refrain", "hook": "Hook", "bridge": "Bridge", "pont": "Bridge", "puente": "Bridge", "ponte": "Bridge",
    "intro": "Intro", "introduction": "Intro", "outro": "Outro", "interlude": "Interlude", "breakdown": "Breakdown",
    "break": "Break", "instrumental": "Instrumental", "solo": "Solo", "guitar solo": "Solo", "skit": "Skit",
    "spoken": "Spoken", "drop": "Drop", "coda": "Coda", "ending": "Outro",
}  # fmt: skip
_ONLY_IN_BRACKETS = frozenset(
    "vers verso strophe pont ponte puente coro break solo skit spoken drop ending coda".split()
)
_NUMERALS = {
    word: str(number)
    for words in ("one two three four five six seven eight nine ten", "i ii iii iv v vi vii viii ix x")
    for number, word in enumerate(words.split(), start=1)
}
_NAME = "|".join(sorted(map(re.escape, _LABELS), key=len, reverse=True))
_NUMBER = r"\d{1,2}|" + "|".join(sorted(_NUMERALS, key=len, reverse=True))
_BRACKETED = re.compile(
    rf"\s*(?:[\[({{<*#_]+\s*)(?P<name>{_NAME})s?\b[\s#.]*(?P<number>{_NUMBER})?\b[^\])}}>\n]{{0,120}}[\])}}>*#_.:\s]*",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"\s*(?P<name>{_NAME})\b[ \t#.]*(?P<number>{_NUMBER})?[ \t]*(?:[x×]\s*\d+)?[ \t]*[:.]*\s*", re.IGNORECASE
)
_WITH_WORDS = re.compile(
    rf"\s*(?P<name>chorus|refrain|hook|verse|bridge)[ \t]*(?P<number>{_NUMBER})?[ \t]*:[ \t]+(?P<words>\S.*)",
    re.IGNORECASE,
)

_QUOTES = str.maketrans({"‘": "'", "’": "'", "‚": "'", "‛": "'", "ʼ": "'", "´": "'", "`": "'", "′": "'", "“": '"',
                         "”": '"', "„": '"', "‟": '"', "″": '"', "…": "..."})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is put right. `title` is for people, after "Take out" or "Put right"."""

    name: str
    title: str
    apply: Callable[[str], str]


class Cleaned(NamedTuple):
    """A clean text, and how many lines each rule changed; rules that changed none are not named."""

    text: str
    changes: dict[str, int]


class DiffLine(NamedTuple):
    """A line that stayed (" "), went ("-") or came ("+")."""

    kind: Literal[" ", "-", "+"]
    text: str


def clean(text: str, off: frozenset[str] = frozenset()) -> Cleaned:
    """The text by all rules that are not off, in the order of `RULES`.

    Raises:
        ValueError: a name in `off` is no rule's.

    >>> clean("12 ContributorsLow Tide Lyrics[Verse 1: Ada Quill]\\nThe tide is  low5Embed").text
    '[Verse 1]\\nThe tide is low'
    >>> clean("The tide is  low5Embed", off=frozenset({"embed"}))
    Cleaned(text='The tide is low5Embed', changes={'whitespace': 1})
    """
    unknown = off - {rule.name for rule in RULES}
    if unknown:
        known = ", ".join(rule.name for rule in RULES)
        raise ValueError(f"there is no cleaning rule named {', '.join(sorted(unknown))}: the rules are {known}")
    changes: dict[str, int] = {}
    for rule in RULES:
        after = text if rule.name in off else rule.apply(text)
        if after != text:
            changes[rule.name] = _num_changed(text, after)
            text = after
    return Cleaned(text, changes)


def diff(before: str, after: str) -> list[DiffLine]:
    """Line by line, what a change took out and what it put in.

    >>> [tuple(line) for line in diff("one\\ntwo", "one\\n2")]
    [(' ', 'one'), ('-', 'two'), ('+', '2')]
    """
    old, new = before.splitlines(), after.splitlines()
    lines: list[DiffLine] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            lines += [DiffLine(" ", line) for line in old[a:b]]
        else:
            lines += [DiffLine("-", line) for line in old[a:b]]
            lines += [DiffLine("+", line) for line in new[c:d]]
    return lines


def _num_changed(before: str, after: str) -> int:
    old, new = Counter(before.split("\n")), Counter(after.split("\n"))
    return max(1, (old - new).total())


def _encoding(text: str) -> str:
    """Letters that were read in the wrong encoding, marks nobody sees, and all ways to break a line as one.

    >>> _encoding("donâ€™t\\r\\nstop, cafÃ©")
    'don’t\\nstop, café'
    """
    return _UNSEEN.sub("", ftfy.fix_text(text, _FTFY))


def _contributors(text: str) -> str:
    """The header of a lyrics page: how many wrote, what the song is called, the story of the song.

    >>> _contributors("3 ContributorsTranslationsLow Tide Lyrics“Low Tide” is a song about… Read More\\nThe tide")
    'The tide'
    """
    found = _CONTRIBUTORS.match(text)
    if found:
        at = found["rest"].rfind("Lyrics")
        text = (found["rest"][at + len("Lyrics") :] if at >= 0 else "") + text[found.end() :]
        return _READ_MORE.sub("", text.lstrip())
    header = _LYRICS_OF.match(text)
    return text[header.end() :].lstrip() if header else text


def _tickets(text: str) -> str:
    """
    >>> _tickets("We sail\\nSee Ada Quill LiveGet tickets as low as $49You might also like\\nAt noon")
    'We sail\\nYou might also like\\nAt noon'
    """
    return _without(_TICKETS, text)


def _you_might(text: str) -> str:
    """
    >>> _you_might("We sailYou might also like[Chorus]\\nYou might also like the sea")
    'We sail\\n[Chorus]\\nYou might also like the sea'
    """
    return _without(_LIKE, text, glued="\n")


def _embed(text: str) -> str:
    """
    >>> _embed("until the end12Embed"), _embed("page 5Embed"), _embed("what you embed")
    ('until the end', 'page 5', 'what you embed')
    """
    body = text.rstrip()
    found = _EMBED.search(body, max(0, len(body) - _TAIL))
    return body[: found.start()] if found else text


def _without(what: re.Pattern[str], text: str, glued: str = "") -> str:
    """The text without something; a line that was nothing else goes, too."""
    if not what.search(text):
        return text

    def cut(found: re.Match[str]) -> str:
        before, after = text[: found.start()], text[found.end() :]
        starts, ends = before.endswith("\n") or not before, after[:1] in ("\n", "")
        if starts and ends:
            return "\0"
        return "" if starts or ends else glued

    return re.sub(r"(?:^\0\n|\n\0(?=\n|\Z)|\0)", "", what.sub(cut, text.replace("\0", "")), flags=re.MULTILINE)


def _stamps(text: str) -> str:
    """Times of singing; a line with several is sung at each of them.

    >>> _stamps("[ti:Low Tide]\\n[00:01.00][00:09.00]Low tide\\n[00:05.00]<00:05.10>High <00:05.90>tide")
    'Low tide\\nHigh tide\\nLow tide'
    """
    lines = text.split("\n")
    if not any(_STAMP.search(line) or _LRC_TAG.fullmatch(line) for line in lines):
        return text
    sung: list[tuple[float, str]] = []
    now, is_repeated = 0.0, False
    for line in lines:
        if _LRC_TAG.fullmatch(line):
            continue
        begin = _STAMPS.match(line)
        times = [_seconds(stamp) for stamp in _STAMP.finditer(begin.group())] if begin else [now]
        is_repeated |= len(times) > 1
        now = times[0]
        words, num_stamps = _STAMP.subn(" ", line[begin.end() if begin else 0 :])
        sung += [(time, " ".join(words.split()) if begin or num_stamps else words) for time in times]
    if is_repeated:
        sung.sort(key=lambda timed: timed[0])
    return "\n".join(words for _, words in sung)


def _seconds(stamp: re.Match[str]) -> float:
    return int(stamp[1]) * 60 + int(stamp[2]) + float(f"0.{stamp[3] or 0}")


def _sections(text: str) -> str:
    """Names of sections as `[Verse 1]`, a blank line before each.

    >>> _sections("VERSE ONE:\\nLow tide\\n(Chorus x2)\\nHigh tide\\nBridge: No tide")
    '[Verse 1]\\nLow tide\\n\\n[Chorus]\\nHigh tide\\n\\n[Bridge]\\nNo tide'
    """
    lines: list[str] = []
    for line in text.split("\n"):
        for part in _labelled(line):
            if part.startswith("[") and part != line and lines and lines[-1].strip():
                lines.append("")
            lines.append(part)
    return "\n".join(lines)


def _labelled(line: str) -> Iterator[str]:
    """The line, or the label that it is, or the label that it begins with and its words."""
    found = _BRACKETED.fullmatch(line) or _BARE.fullmatch(line)
    if found and (found.re is _BRACKETED or found["name"].lower() not in _ONLY_IN_BRACKETS):
        yield _label(found)
        return
    glued = re.match(r"\s*\[[^\]\n]{1,120}\](?=\S)", line)  # [Chorus]We sail
    found = _BRACKETED.fullmatch(glued.group()) if glued else None
    if glued and found:
        yield _label(found)
        yield line[glued.end() :]
        return
    found = _WITH_WORDS.fullmatch(line)
    if found:
        yield _label(found)
        yield found["words"]
        return
    yield line


def _label(found: re.Match[str]) -> str:
    number = found["number"] or ""
    return f"[{_LABELS[found['name'].lower()]} {_NUMERALS.get(number.lower(), number)}".rstrip() + "]"


def _quotes(text: str) -> str:
    """
    >>> _quotes("“Don’t go…”")
    '"Don\\'t go..."'
    """
    return text.translate(_QUOTES)


def _whitespace(text: str) -> str:
    """One space between words, none at the ends, one blank line between stanzas.

    >>> _whitespace("  Low\\u00a0 tide \\n\\n\\n\\nHigh\\ttide\\n")
    'Low tide\\n\\nHigh tide'
    """
    lines = "\n".join(" ".join(line.split()) for line in re.split(r"\r\n|[\n\r\v\f\x85\u2028\u2029]", text))
    return re.sub(r"\n{3,}", "\n\n", lines).strip("\n")


RULES: tuple[Rule, ...] = (
    Rule("encoding", "letters read in the wrong encoding (â€™ for ’)", _encoding),
    Rule("contributors", 'the header "12 Contributors ... Lyrics"', _contributors),
    Rule("tickets", 'ticket lines ("See ... Live")', _tickets),
    Rule("you-might", '"You might also like"', _you_might),
    Rule("embed", '"Embed" and its number at the end', _embed),
    Rule("stamps", "times of singing ([00:12.50])", _stamps),
    Rule("sections", "names of sections, as [Verse 1]", _sections),
    Rule("quotes", "typographic quotation marks and apostrophes", _quotes),
    Rule("whitespace", "spaces and blank lines", _whitespace),
)
"""In the order in which they are applied."""
