"""Letters to phones for words that no dictionary and no rule knows: the recurrent network of g2p-en, in numpy.

Two gated recurrent units of 256: one reads the letters, one writes the phones greedily. Right for most words that are
spelled as English is, a guess for the others: nothing it says may stand in rhyme position.

Source: Cho et al. 2014, https://arxiv.org/abs/1406.1078; weights of g2p-en 2.1.0 (Kyubyong Park and Jongseok Kim,
Apache-2.0), rounded to 8 bits a weight by `lyrics.dictionary.build`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyrics.arpabet import CONSONANTS, VOWELS, Phones, num_syllables

WEIGHTS = Path(__file__).parent / "dictionary" / "g2p.npz"
MAX_PHONES = 24
# g2p-en numbers its phones alphabetically, each vowel with its three stresses and UW a fourth time without.
_PHONES = (
    *("<pad>", "<unk>", "<s>", "</s>"),
    *sorted([*CONSONANTS, *(vowel + stress for vowel in VOWELS for stress in "012"), "UW"]),
)
_START, _END = 2, 3
_LETTERS = {letter: index for index, letter in enumerate("abcdefghijklmnopqrstuvwxyz", start=3)}
_LETTERS_END = 2

Array = NDArray[np.float32]


def guess(word: str) -> Phones:
    """The likeliest phones of a lower-case word; other signs than a-z are not heard. () when there is no vowel in it.

    >>> " ".join(guess("skrrt")), " ".join(guess("blorple"))
    ('S K R AA1 R T', 'B L AO1 R P AH0 L')
    """
    weights = _weights()
    letters = [_LETTERS[letter] for letter in word if letter in _LETTERS]
    if not letters:
        return ()
    state = np.zeros(256, np.float32)  # [hidden]
    for letter in (*letters, _LETTERS_END):
        state = _step(weights, "enc", weights["enc_emb"][letter], state)
    phones: list[str] = []
    last = _START
    for _ in range(MAX_PHONES):
        state = _step(weights, "dec", weights["dec_emb"][last], state)
        last = int((weights["fc_w"] @ state + weights["fc_b"]).argmax())
        if last <= _END:
            break
        phones.append("UW1" if _PHONES[last] == "UW" else _PHONES[last])
    return tuple(phones) if num_syllables(tuple(phones)) else ()


def _step(weights: dict[str, Array], side: str, vector: Array, state: Array) -> Array:
    """One step of a gated recurrent unit; rows of its matrices are reset, update, candidate.  # [hidden]"""
    given = weights[f"{side}_w_ih"] @ vector + weights[f"{side}_b_ih"]  # [3 * hidden]
    kept = weights[f"{side}_w_hh"] @ state + weights[f"{side}_b_hh"]  # [3 * hidden]
    reset, update = 1 / (1 + np.exp(-(given[:512] + kept[:512]).reshape(2, 256)))
    candidate = np.tanh(given[512:] + reset * kept[512:])
    mixed: Array = (1 - update) * candidate + update * state
    return mixed


@cache
def _weights() -> dict[str, Array]:
    with np.load(WEIGHTS, allow_pickle=False) as stored:
        return {
            name: stored[name].astype(np.float32) * stored[f"{name}.scale"]
            for name in stored.files
            if not name.endswith(".scale")
        }
