"""Where singers disagree on how many syllables a word has, although each dictionary knows only one answer."""

from __future__ import annotations

import re

from lyrics.arpabet import Phones

WOBBLES = tuple(
    re.compile(rf"(?:^| ){pattern}(?: |$)")
    for pattern in (
        r"(?:AY|AW|OY)[012] (?:AH|ER)0",  # fire, power, lion: one syllable or two
        r"(?:IY|EY|UW|OW)[12] (?:AH|ER)0",  # real, idea, cruel, poem, layer
        r"(?:IY|UW|IH)0 (?:AH|ER)0",  # curious, actual, experience
        r"[B-Z]+ Y (?:AH|ER)0",  # million, canyon
        r"[B-Z]+ ER0 (?:AH|IH|IY)0",  # memory, wandering
        r"[AEIOU][A-Z][12] [B-Z ]*AH0 [LNR] (?:AH|IH|IY|ER)0",  # family, opening
    )
)


def has_wobble(phones: Phones) -> bool:
    """Whether the word's vowels run together in some mouths.

    >>> has_wobble(("M", "IH1", "L", "Y", "AH0", "N")), has_wobble(("B", "EH1", "T", "ER0"))
    (True, False)
    """
    spoken = " ".join(phones)
    return any(pattern.search(spoken) for pattern in WOBBLES)
