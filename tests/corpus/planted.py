"""Songs of which it is known what they are about, how long their lines are and how they rhyme."""

from __future__ import annotations

from random import Random

import numpy as np

from corpus.drift import Sung, passages_of

SEA = ["boat", "tide", "salt", "gull", "rope", "mast", "sail", "dock", "pier", "reef", "wave", "foam"]
RANCH = ["horse", "herd", "dust", "trail", "brand", "calf", "spur", "hay", "barn", "mule", "steer", "fence"]
LITTLE = ["the", "a", "and", "my", "your", "some", "this", "that", "each", "no", "one", "when"]
RHYMES = [
    "night light bright sight",
    "day way say grey",
    "low go snow show",
    "tree sea free me",
    "rain train plain chain",
]
ENDS = [group.split() for group in RHYMES]
COUPLETS, CROSSED = (0, 0, 1, 1), (0, 1, 0, 1)
DIMENSIONS = 24


def song(number: int, nouns: list[str] = SEA, length: int = 8, scheme: tuple[int, ...] = COUPLETS) -> Sung:
    """An invented song of short words, about these things, with so many syllables a line, in this scheme."""
    random = Random(number)  # noqa: S311
    stanzas = []
    for _ in range(4):
        groups = [random.sample(ends, 4) for ends in random.sample(ENDS, 2)]
        lines = []
        for rhyme in scheme:
            words = [
                random.choice(nouns if at % 2 else LITTLE) for at in range(length + random.choice((-2, 0, 0, 1)) - 1)
            ]
            lines.append(" ".join([*words, groups[rhyme].pop()]))
        stanzas.append("\n".join(lines))
    text = "[Verse]\n" + "\n\n".join(stanzas)
    # What a network would say of it: near its topic's own direction, each passage somewhere else.
    noise = np.random.default_rng(number).normal(0, 0.3, (len(passages_of(text)), DIMENSIONS))
    noise[:, SEA.index("boat") if nouns is SEA else 1 + random.randrange(2)] += 2.0
    return Sung(text, noise)
