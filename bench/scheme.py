"""The rhyme detector against stanzas with known schemes, and the fitting of its odds.

`python -m bench.scheme FILE` prints pairwise precision, recall, F1 and the share of stanzas that are exact, in two
folds by poem: what judges a poem was fitted on other poems. `--shipped` judges with the shipped odds, `--fit` writes
them, from all of FILE. FILE has a stanza in three lines (a poem's name and the last words; the scheme in numbers; a
second opinion) and a blank line between stanzas: the format of the English rhyme corpus of Reddy & Knight (2011).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lyrics.likeness import ODDS_FILE, Likeness
from lyrics.phones import Lexicon
from lyrics.scheme import Detector, Scheme, canonical, distances_of

Odds = dict[str, dict[str, float]]
MAX_STANZAS_A_POEM = 12  # what one poem may weigh in how schemes go on
PAIR_DISTANCE = 8


class Stanza(NamedTuple):
    """The last words of a stanza, its scheme, and the poem that it is from."""

    poem: str
    words: tuple[str, ...]
    scheme: Scheme


def read_stanzas(path: Path) -> Iterator[Stanza]:
    """All stanzas whose scheme has as many lines as their words; the others are broken in the source."""
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        poem, *words = block.strip().splitlines()[0].split()
        groups = block.strip().splitlines()[1].split()
        if len(words) == len(groups):
            yield Stanza(poem, tuple(words), canonical(groups))


def fit(stanzas: Sequence[Stanza], lexicon: Lexicon) -> Odds:
    """Weights of a logistic regression over pairs with their base rate taken off, and counts of how schemes go on."""
    like = Likeness(lexicon, {})
    seen: Counter[tuple[tuple[str, ...], bool]] = Counter()
    for _, words, scheme in stanzas:
        for first in range(len(words)):
            for second in range(first + 1, min(len(words), first + PAIR_DISTANCE + 1)):
                features = like.features(*sorted((words[first], words[second])))
                seen[features, scheme[first] == scheme[second]] += 1
    return {"pair": _logistic(seen), "next": _continuations(stanzas)}


def _logistic(seen: Counter[tuple[tuple[str, ...], bool]], ridge: float = 1.0) -> dict[str, float]:
    """Newton's method on the penalised likelihood."""
    rows = sorted({features for features, _ in seen})
    names = sorted({name for features in rows for name in features})
    column = {name: index for index, name in enumerate(names)}
    table = np.zeros((len(rows), len(names)))  # [num_rows, num_features]
    for index, features in enumerate(rows):
        table[index, [column[name] for name in features]] = 1
    yes = np.array([seen[features, True] for features in rows], float)  # [num_rows]
    total = yes + np.array([seen[features, False] for features in rows], float)
    penalty = np.full(len(names), ridge)
    penalty[column["always"]] = 1e-6
    weights = np.zeros(len(names))
    for _ in range(50):
        rates = 1 / (1 + np.exp(-table @ weights))
        slope = table.T @ (yes - total * rates) - penalty * weights
        curve = (table * (total * rates * (1 - rates))[:, None]).T @ table + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        weights += step
        if np.abs(step).max() < 1e-8:
            break
    base = yes.sum() / total.sum()
    weights[column["always"]] -= math.log(base / (1 - base))
    return {name: round(float(weights[column[name]]), 3) for name in names}


def _continuations(stanzas: Sequence[Stanza]) -> dict[str, float]:
    num_of = Counter(stanza.poem for stanza in stanzas)
    counts: dict[str, float] = defaultdict(float)
    for stanza in stanzas:
        weight = min(1.0, MAX_STANZAS_A_POEM / num_of[stanza.poem])
        distances = (-1, -1, *distances_of(stanza.scheme))
        for before, between, distance in zip(distances, distances[1:], distances[2:], strict=False):
            counts[f"{before} {between} {distance}"] += weight
            counts[f"{between} {distance}"] += 0.3 * weight
    return {key: round(num, 3) for key, num in sorted(counts.items())}


def judge(stanzas: Sequence[Stanza], found: Sequence[Scheme]) -> dict[str, float]:
    """Precision, recall and F1 over all pairs of lines of a stanza, and the share of exact stanzas."""
    hits = wrong = missed = exact = 0
    for stanza, scheme in zip(stanzas, found, strict=True):
        exact += stanza.scheme == scheme
        for second in range(len(scheme)):
            for first in range(second):
                said, true = scheme[first] == scheme[second], stanza.scheme[first] == stanza.scheme[second]
                hits, wrong, missed = hits + (said and true), wrong + (said and not true), missed + (true and not said)
    return {
        "precision": hits / max(1, hits + wrong),
        "recall": hits / max(1, hits + missed),
        "f1": 2 * hits / max(1, 2 * hits + wrong + missed),
        "exact": exact / len(stanzas),
    }


def detect(stanzas: Sequence[Stanza], detector: Detector, whole: str) -> list[Scheme]:
    """Schemes when the detector sees a `stanza`, a `poem` or the whole `file` at a time."""
    texts: dict[object, list[int]] = defaultdict(list)
    for index, stanza in enumerate(stanzas):
        texts[{"stanza": index, "poem": stanza.poem, "file": 0}[whole]].append(index)
    found: dict[int, Scheme] = {}
    for indices in texts.values():
        found.update(zip(indices, detector.schemes([stanzas[index].words for index in indices]), strict=True))
    return [found[index] for index in range(len(stanzas))]


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--fit", action="store_true", help="write the odds that are shipped, from all of FILE")
    parser.add_argument("--shipped", action="store_true", help="judge with the shipped odds, no folds")
    parser.add_argument("--whole", default="stanza,poem", help="what is seen at a time: stanza, poem, file")
    given = parser.parse_args()
    stanzas, lexicon = list(read_stanzas(given.file)), Lexicon()
    if given.fit:
        ODDS_FILE.write_text(json.dumps(fit(stanzas, lexicon), indent=0, sort_keys=True) + "\n", encoding="utf-8")
        print(f"wrote {ODDS_FILE.name} from {len(stanzas)} stanzas")
        return
    fold_of = {poem: index % 2 for index, poem in enumerate(sorted({stanza.poem for stanza in stanzas}))}
    folds = [[stanza for stanza in stanzas if fold_of[stanza.poem] == fold] for fold in (0, 1)]
    print(f"{len(stanzas)} stanzas, {len(fold_of)} poems; {'shipped odds' if given.shipped else 'two folds by poem'}")
    for whole in given.whole.split(","):
        found: list[Scheme] = []
        start = time.perf_counter()
        for fold, tested in enumerate(folds):
            odds = None if given.shipped else fit(folds[1 - fold], lexicon)
            found += detect(tested, Detector(lexicon, odds), whole)
        row = judge(folds[0] + folds[1], found)
        seconds = time.perf_counter() - start
        print(
            f"a {whole:6} at a time  " + "  ".join(f"{name} {value:.4f}" for name, value in row.items()),
            f" {seconds:.0f} s",
        )


if __name__ == "__main__":
    main()
