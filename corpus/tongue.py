"""Which language a text is in. Knows nothing of its meaning, and says so when there is too little to tell."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from lyrics.clean import is_heading

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

UNKNOWN = "und"
"""ISO 639-2 for a language that cannot be told."""
MIN_LETTERS = 20
MAX_CHARS = 4_000
"""Of the sung lines; more would not change the answer."""


def language(text: str) -> tuple[str, float]:
    """ISO 639-1 code and how likely it is, 0.0 to 1.0; names of sections do not count.

    >>> language("[Verse 1]\\nThe moon is low and the river is wide")[0]
    'en'
    >>> language("Der Mond ist auf dem Fluss zu sehen")[0]
    'de'
    >>> language("la la la")
    ('und', 0.0)
    """
    sung = "\n".join(line for line in text[: 2 * MAX_CHARS].splitlines() if not is_heading(line))[:MAX_CHARS]
    words = {word for word in sung.lower().split() if any(map(str.isalpha, word))}  # a refrain tells a thing once
    if sum(map(len, words)) < MIN_LETTERS:
        return UNKNOWN, 0.0
    code, confidence = _identifier().classify(sung)
    return str(code), round(float(confidence), 4)


@cache
def _identifier() -> LanguageIdentifier:
    """Reads 5 MB the first time."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
