"""The bench of stanzas writes what it says it wrote, with GPT-2's own tokenizer, and its figures are the verifier's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.craft import main
from lyrics.form import Form
from lyrics.phones import Lexicon
from lyrics.verify import verify


def test_it_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.jsonl"
    main(f"--checkpoint gpt2-bpe-small-random --stanzas 6 --schemes ABAB,limerick --syllables 6-8 --out {out}".split())
    written = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(written) == 6
    for stanza in written:
        form = Form(scheme=stanza["scheme"], syllables=stanza["syllables"])
        assert verify("\n".join(stanza["lines"]), form, Lexicon()).is_kept
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (figures["form_accuracy"], figures["dead_ends"], figures["refusals"]) == (1.0, 0, 0)
    assert figures["lines"] == sum(len(stanza["lines"]) for stanza in written)
