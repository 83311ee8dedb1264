"""How numbers are said: years in pairs, clock times, area codes digit by digit, money and ordinals."""

from __future__ import annotations

import re

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_IRREGULAR = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
# Numbers that songs say in a way of their own.
_CODES = {"808": "eight oh eight", "187": "one eighty seven", "101": "one oh one", "007": "double oh seven",
          "911": "nine one one", "411": "four one one", "404": "four oh four", "247": "twenty four seven"}  # fmt: skip


def spoken_number(token: str) -> tuple[str, ...]:
    """The words of a number as it stands in a line: digits with `$`, `,`, `.`, `%`, `k`, `s`, `'s` or an ordinal's end.

    >>> spoken_number("1999"), spoken_number("808s"), spoken_number("$1,500")
    (('nineteen', 'ninety', 'nine'), ('eight', 'oh', 'eights'), ('fifteen', 'hundred', 'dollars'))
    >>> spoken_number("22nd"), spoken_number("0.5"), spoken_number("90's"), spoken_number("100k")
    (('twenty', 'second'), ('zero', 'point', 'five'), ('nineties',), ('one', 'hundred', 'k'))
    """
    found = re.fullmatch(r"(\$?)([\d,]*)(?:\.(\d+))?(st|nd|rd|th|'?s|k|%)?", token)
    if found is None:
        raise ValueError(f"{token!r} is no number")
    money, digits, decimals, ending = found[1], found[2].replace(",", ""), found[3], found[4] or ""
    words = _whole(digits, is_plain="," not in found[2] and not money)
    if decimals:
        words += ["point", *(_ONES[int(digit)] for digit in decimals)]
    if ending in ("st", "nd", "rd", "th"):
        words[-1] = _ordinal(words[-1])
    elif ending.endswith("s"):
        words[-1] = _plural(words[-1])
    elif ending:
        words.append("k" if ending == "k" else "percent")
    return (*words, *(["dollar" if digits == "1" else "dollars"] if money else []))


def _whole(digits: str, *, is_plain: bool) -> list[str]:
    if digits in _CODES and is_plain:
        return _CODES[digits].split()
    number = int(digits or "0")
    if len(digits) == 4 and 1100 <= number <= 9999 and number % 1000 >= 100 and number // 100 % 10 != 0:
        century, rest = divmod(number, 100)
        return [*_cardinal(century), *(["hundred"] if rest == 0 else [] if rest >= 10 else ["oh"]), *_tail(rest)]
    if (len(digits) > 1 and digits[0] == "0") or len(digits) > 15:
        return ["oh" if digit == "0" else _ONES[int(digit)] for digit in digits]
    return _cardinal(number)


def _tail(rest: int) -> list[str]:
    return _cardinal(rest) if rest else []


def _cardinal(number: int) -> list[str]:
    if number < 20:
        return [_ONES[number]]
    if number < 100:
        return [_TENS[number // 10], *_tail(number % 10)]
    scale, name = next((scale, name) for scale, name in _SCALES if number >= scale)
    return [*_cardinal(number // scale), name, *_tail(number % scale)]


def _ordinal(word: str) -> str:
    if word.endswith("y"):
        return word[:-1] + "ieth"
    return _IRREGULAR.get(word, word + "th")


def _plural(word: str) -> str:
    if word.endswith("y"):
        return word[:-1] + "ies"
    return word + ("es" if word == "six" else "s")
