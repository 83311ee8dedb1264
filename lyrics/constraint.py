"""A line as a row of syllable slots: which words may come next so that every line still can keep its form.

`WordTable` holds words and their sound as arrays. `Plan` is a form made ready: which words may end which line, and from
where a line can still be finished. `State` is where a writer stands in it; it never reaches a place that has no way on.
Pure numpy. Knows words and syllables; nothing of tokens, of networks or of the text that came before.

Words fall into *kinds* by the stresses of their syllables: within a kind, slots treat all words alike. A rule of the next
step is thus a set of words and a row of booleans, one a kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lyrics.arpabet import Phones, bare, is_vowel
from lyrics.clean import normalised_words
from lyrics.form import Form, LineForm
from lyrics.metre import STRONG
from lyrics.rhyme_class import NO_CLASS, ending_of, onset_of
from lyrics.table import WordSet, WordTable
