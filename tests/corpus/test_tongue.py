"""The language of a text is told where there is enough of it."""

from __future__ import annotations

import pytest

from corpus.tongue import UNKNOWN, language


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "[Chorus]\nNine lamps are burning along the quay\nAnd none of them is burning for me"),
        ("de", "Neun Lampen brennen am Hafen heut Nacht\nUnd keine hat je an mich gedacht"),
        ("fr", "Neuf lampes brûlent le long du quai\nEt pas une seule ne brûle pour moi"),
        ("es", "Nueve faroles arden en el muelle\nY ninguno de ellos arde por mí"),
        ("ru", "Девять огней горят над рекой\nИ ни один не горит надо мной"),
        ("ja", "波の音が聞こえる夜に、灯りはもう消えてしまったけれど、私はまだここにいる"),
    ],
)
def test_it_works(code: str, text: str) -> None:
    found, confidence = language(text)
    assert found == code
    assert 0.5 < confidence <= 1.0


@pytest.mark.parametrize("text", ["", "[Verse 1]", "la la la la la la la la la la la la", "1 2 3", "!!!"])
def test_too_little_to_tell_is_said(text: str) -> None:
    assert language(text) == (UNKNOWN, 0.0)
