"""The referee: what another pronouncer, espeak-ng, hears in our words and lines. A tool of tests and benchmarks alone.

espeak-ng is under the GPL: no room of the product imports this, and it took no part in building the dictionary.

    python -m bench.referee                     the words allowed in rhymes and in counted lines
    python -m bench.referee --lines FILE.jsonl  stanzas as `bench.craft` writes them: syllables and perfect rhymes
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import espeakng_loader
from phonemizer.backend import EspeakBackend
from phonemizer.backend.espeak.wrapper import EspeakWrapper
from phonemizer.separator import Separator

from lyrics.arpabet import Phones, num_syllables
from lyrics.phones import Lexicon
from lyrics.rhyme import rhyming_part
from lyrics.syllables import words_of

# One match a syllable: diphthongs first, then single vowels, then consonants that carry a syllable.
NUCLEUS = re.compile("aɪ|aʊ|eɪ|oʊ|ɔɪ|[aæɐɑɒɔəɚɛɜɪᵻiʊuʌeo]|[nlm]\u0329")
WRITTEN_AT_WILL = str.maketrans({"ː": "", "ɾ": "t", "ʔ": "t", "ᵻ": "ə", "ɐ": "ə", "\u0329": ""})


class Heard(NamedTuple):
    """How many syllables espeak-ng says, and its rhyming part: from the last stress, in a word of one syllable from its
    vowel (`it`, `you`); "" where it stresses nothing of a longer one."""

    num_syllables: int
    rhyming_part: str


class Referee:
    """espeak-ng's American English. Makes one process-wide library ready; make one and keep it."""

    def __init__(self) -> None:
        EspeakWrapper.set_library(espeakng_loader.get_library_path())
        EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
        self._espeak = EspeakBackend("en-us", with_stress=True, words_mismatch="ignore")

    def hear(self, texts: Sequence[str]) -> list[Heard]:
        """What is heard, text by text."""
        spoken = self._espeak.phonemize(list(texts), separator=Separator(phone="", word=" ", syllable=""), strip=True)
        return [_heard(line) for line in spoken]


def _heard(spoken: str) -> Heard:
    plain = re.sub("[ˈˌː ]", "", spoken)
    last_word = spoken.split(" ")[-1]
    stress = max(last_word.rfind("ˈ"), last_word.rfind("ˌ"))
    is_short = len(NUCLEUS.findall(re.sub("[ː]", "", last_word))) == 1  # at a line's end it carries the beat: you, it
    part = last_word[stress + 1 :] if stress >= 0 else last_word if is_short else ""
    nucleus = NUCLEUS.search(part)
    return Heard(len(NUCLEUS.findall(plain)), part[nucleus.start() :] if nucleus else "")


def same_sound(a: str, b: str, *, strict: bool = False) -> bool:
    """Whether two rhyming parts are one; unless strict, whatever lengths, flaps and weak vowels espeak writes."""
    if strict or not a or not b:
        return bool(a) and a == b
    return _smooth(a) == _smooth(b)


def _smooth(part: str) -> str:
    plain = part.translate(WRITTEN_AT_WILL).replace("iə", "i").replace("əl", "l").replace("ən", "n")
    return plain[0] + plain[1:].replace("ɪ", "ə") if plain[1:2] not in "ɪʊ" else plain[:2] + plain[2:].replace("ɪ", "ə")


def judge_lexicon(referee: Referee, lexicon: Lexicon, num_pairs: int, seed: int) -> None:
    """Print how far the referee agrees with the words that verses are made of."""
    for name, words in (("rhyme position", lexicon.consensus()), ("counted lines", lexicon.steady())):
        heard = dict(zip(words, referee.hear(list(words)), strict=True))
        same = sum(heard[word].num_syllables == num_syllables(phones) for word, phones in words.items())
        print(f"{name}: syllables agree for {same:,} of {len(words):,} words ({same / len(words):.2%})")
        if name == "rhyme position":
            pairs = random_rhymes(words, num_pairs, seed)
            for strict in (False, True):
                agreed = sum(same_sound(heard[a].rhyming_part, heard[b].rhyming_part, strict=strict) for a, b in pairs)
                how = "sign by sign" if strict else "by ear"
                print(f"{name}: rhymes agree {how} for {agreed:,} of {len(pairs):,} pairs ({agreed / len(pairs):.2%})")


def random_rhymes(words: Mapping[str, Phones], num_pairs: int, seed: int) -> list[tuple[str, str]]:
    """Perfect rhymes by chance: any word, then another of its class."""
    classes: dict[Phones, list[str]] = defaultdict(list)
    for word, phones in words.items():
        classes[rhyming_part(phones)].append(word)
    mates = [word for members in classes.values() if len(members) > 1 for word in members]
    pairs: list[tuple[str, str]] = []
    chance = random.Random(seed)
    while len(pairs) < num_pairs:
        word = chance.choice(mates)
        other = chance.choice(classes[rhyming_part(words[word])])
        if word != other:
            pairs.append((word, other))
    return pairs


def judge_stanzas(referee: Referee, path: Path) -> None:
    """Print how far the referee agrees with stanzas: lines of the asked syllables, and pairs that the scheme rhymes."""
    num_lines = num_exact = num_pairs = num_rhymes = 0
    for record in map(json.loads, path.read_text().splitlines()):
        lines, letters = record["lines"], record["scheme"]
        heard = referee.hear(lines)
        num_lines += len(lines)
        num_exact += sum(line.num_syllables == asked for line, asked in zip(heard, record["syllables"], strict=True))
        ends = referee.hear([words_of(line)[-1] for line in lines])
        for one, other in combinations(range(len(lines)), 2):
            if letters[one] == letters[other]:
                num_pairs += 1
                num_rhymes += same_sound(ends[one].rhyming_part, ends[other].rhyming_part)
    print(f"syllables exact in {num_exact:,} of {num_lines:,} lines ({num_exact / max(1, num_lines):.2%})")
    print(f"rhymes heard in {num_rhymes:,} of {num_pairs:,} pairs ({num_rhymes / max(1, num_pairs):.2%})")


def main() -> None:
    """Read the dials, print the agreement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=Path, help="stanzas as bench.craft writes them")
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    dials = parser.parse_args()
    referee = Referee()
    if dials.lines:
        judge_stanzas(referee, dials.lines)
    else:
        judge_lexicon(referee, Lexicon(), dials.pairs, dials.seed)


if __name__ == "__main__":
    main()
