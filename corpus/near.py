"""Songs that are the same as another, or nearly: told by MinHash over runs of words, so that texts need not be kept.

Source: Broder, On the Resemblance and Containment of Documents (1997); bands after Leskovec, Rajaraman & Ullman, Mining
of Massive Datasets, ch. 3. Memory is 512 bytes a song and what its id takes.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from lyrics.clean import normalised_words, stanzas_of

NEAR = 0.7
"""Share of runs of words that two songs have in common, from which on they count as one. Estimated to within 0.04."""
RUN = 3  # words
NUM_HASHES = 128
_BANDS, _ROWS = 25, 5  # finds 99 % of pairs at 0.7, and all but one in 10,000 at 0.8
_BATCH = 1_024

Signature = NDArray[np.uint32]


def duplicates(songs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """For each song that is a copy, the id of the one that is kept: the first like it. Songs are id and text.

    Case, marks, spacing and names of sections make no difference. A song without words is nobody's copy. Read once, in
    order; nothing of a text is held but its signature.

    >>> verse = "the tide is low and the boats are in\\nand nobody asks where the sailor has been\\n"
    >>> duplicates([("a", verse), ("b", "[Verse 1]\\n" + verse.upper()), ("c", "another song about other things")])
    {'b': 'a'}
    """
    copies: dict[str, str] = {}
    ids: list[str] = []
    first_with: dict[bytes, int] = {}
    batches: list[Signature] = []
    rows: list[Signature] = []
    for song_id, text in songs:
        words = normalised_words("\n".join(line for stanza in stanzas_of(text) for line in stanza))
        if not words:
            continue
        exact = hashlib.blake2b(" ".join(words).encode(), digest_size=16).digest()
        kept = first_with.setdefault(exact, len(ids))
        if kept < len(ids):
            copies[song_id] = ids[kept]
            continue
        ids.append(song_id)
        rows.append(signature(words))
        if len(rows) == _BATCH:
            batches.append(np.stack(rows))
            rows = []
    if rows:
        batches.append(np.stack(rows))
    if not batches:
        return {}
    first_with.clear()
    near = _near(np.concatenate(batches))
    # What is exactly like a near copy is kept by that which the near copy is kept by
    resolved = {ids[copy]: ids[kept] for copy, kept in near.items()}
    return {copy: resolved.get(kept, kept) for copy, kept in copies.items()} | resolved


def signature(words: tuple[str, ...]) -> Signature:
    """MinHash of the runs of words of a song; of all its words where it is shorter than a run."""
    from datasketch import MinHash

    runs = {" ".join(words[at : at + RUN]).encode() for at in range(max(1, len(words) - RUN + 1))}
    hashed = MinHash(num_perm=NUM_HASHES, seed=1, hashfunc=zlib.crc32, scheme="affine32")
    hashed.update_batch(sorted(runs))
    return np.asarray(hashed.hashvalues, dtype=np.uint32)


def likeness(one: Signature, other: Signature) -> float:
    """The estimated share of runs that two songs have in common, 0.0 to 1.0."""
    return float(np.mean(one == other))


def _near(signatures: Signature) -> dict[int, int]:
    """For each near copy, by its place, the place of the one that is kept."""
    kept_in: defaultdict[tuple[int, int], list[int]] = defaultdict(list)  # songs that are kept, by band and group
    copies: dict[int, int] = {}
    for place, groups in _groups(signatures):
        candidates = sorted({kept for group in groups for kept in kept_in[group]})
        if candidates:
            alike = np.mean(signatures[candidates] == signatures[place], axis=1)
            best = int(np.argmax(alike))
            if alike[best] >= NEAR:
                copies[place] = candidates[best]
                continue
        for group in groups:
            kept_in[group].append(place)
    return copies


def _groups(signatures: Signature) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """For each song that shares a band with another, in order, the groups that it is in."""
    shared: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for band in range(_BANDS):
        part = np.ascontiguousarray(signatures[:, band * _ROWS : (band + 1) * _ROWS])
        keys = part.view(np.dtype((np.void, part.dtype.itemsize * _ROWS))).ravel()
        _, group_of, sizes = np.unique(keys, return_inverse=True, return_counts=True)
        for at in np.flatnonzero(sizes[group_of] > 1).tolist():
            shared[at].append((band, int(group_of[at])))
    for place in sorted(shared):
        yield place, shared[place]
