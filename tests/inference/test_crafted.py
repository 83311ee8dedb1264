"""Texts under forms, in one batch with others; and crafted mode: judged, ranked, distinct, the same for a seed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from contracts.wire import SamplingParams
from inference.crafted import DeadEnd, Line, Studio, craft
from inference.delivery import Postman
from inference.engine import Engine, Formed
from inference.forms import Prepared
from inference.speller import Speller
from lyrics.clean import normalised_words
from lyrics.explicit import is_explicit
from lyrics.originality import OriginalityIndex
from tests.inference.engines import Oracle, Reader, serving
from tests.inference.walks import ready

LOW = "Midnight on the corner and the neon's running low\n"


def failures(prepared: Prepared, text: str) -> list[Any]:
    return [failure for line in prepared.judge(text, is_whole=True) for failure in line.failures]


async def _lines(engine: Engine, prepared: Prepared, seed: int, num: int | None, temperature: float) -> list[Line]:
    postman = Postman(asyncio.get_running_loop())
    params = SamplingParams(max_tokens=min(prepared.max_tokens, 380), temperature=temperature)
    studio = Studio(
        engine,
        postman.drop,
        lambda text: engine.encode(prepared.prompt + text),
        f"r{seed}",
        params,
        seed,
        5.0,
        asyncio.Semaphore(2),
    )
    found: list[Line] = []
    stream = craft(studio, prepared)
    async for line in stream:
        if line:
            found.append(line)
        if num is not None and len(found) >= num:
            break
    await stream.aclose()
    return found


def crafted(
    engine: Engine, prepared: Prepared, seed: int = 1, *, num: int | None = None, temperature: float = 1.0
) -> list[Line]:
    """The lines of a crafted text; the reader leaves after `num`."""
    return asyncio.run(_lines(engine, prepared, seed, num, temperature))


def idle(engine: Engine) -> bool:
    """Whether the slots are free once the engine has taken another request through."""
    reader = Reader(engine)
    reader.ask("another", "la", max_tokens=2)
    reader.wait()
    stats = engine.stats()
    return (stats.num_running, stats.num_waiting) == (0, 0)


def test_it_works(oracle: Oracle, speller: Speller) -> None:
    prepared = ready(
        speller, prompt=LOW, scheme="A", rhymes={"A": ["low"]}, syllables=9, mode="crafted", alternatives=3
    )
    with serving(oracle.directory, num_slots=12) as engine:
        found = crafted(engine, prepared)
        assert idle(engine)
    assert [line.alternative for line in found] == [0, 1, 2]
    assert all(line.is_last and not line.evidence.failures for line in found)
    assert all(failures(prepared, line.text) == [] for line in found)
    assert len({line.text for line in found}) == 3
    ends = [normalised_words(line.text)[-1] for line in found]
    assert len(set(ends)) > 1
    assert found[0].score == max(line.score for line in found)
    assert all(line.evidence.partner and line.evidence.partner.word == "low" for line in found)


def test_a_seed_brings_the_same_lines(oracle: Oracle, speller: Speller) -> None:
    one_line = ready(speller, prompt=LOW, scheme="X", syllables=7, mode="crafted", alternatives=3)
    stanza = ready(speller, prompt=LOW, scheme="ABAB", syllables=5, mode="crafted", alternatives=1)
    with serving(oracle.directory, num_slots=12) as engine:
        for prepared in (one_line, stanza):
            texts = []
            for seed in (1, 1, 2):
                texts.append([line.text for line in crafted(engine, prepared, seed)])
                assert idle(engine)  # what it gave up is let go before the same names come again
            assert texts[0] == texts[1] != texts[2]


def test_a_stanza_comes_line_by_line_and_keeps_its_form(oracle: Oracle, speller: Speller) -> None:
    prepared = ready(speller, prompt=LOW, scheme="ABBA", syllables=6, mode="crafted", alternatives=2)
    with serving(oracle.directory, num_slots=8) as engine:
        found = crafted(engine, prepared)
    texts = ["".join(line.text for line in found if line.alternative == place) for place in (0, 1)]
    assert texts[0] != texts[1]
    for place, text in enumerate(texts):
        assert failures(prepared, text) == []
        mine = [line for line in found if line.alternative == place]
        assert [line.evidence.number for line in mine] == [1, 2, 3, 4]
        assert [line.is_last for line in mine] == [False, False, False, True]
        assert [line.num_tokens for line in mine] == sorted(line.num_tokens for line in mine)


def test_a_half_typed_word_is_crafted_on(oracle: Oracle, speller: Speller) -> None:
    prepared = ready(
        speller, prompt=LOW + "I keep my eyes on the ro", scheme="AA", syllables=11, mode="crafted", alternatives=2
    )
    with serving(oracle.directory) as engine:
        found = crafted(engine, prepared)
    for place in (0, 1):
        text = "".join(line.text for line in found if line.alternative == place)
        assert failures(prepared, text) == []
        assert next(line for line in found if line.alternative == place).evidence.text.startswith(
            "I keep my eyes on the ro"
        )


@pytest.mark.parametrize("asked", [{"scheme": "X"}, {"scheme": "ABAB"}])
def test_the_slots_are_free_when_the_reader_leaves(oracles: dict[str, Oracle], speller: Speller, asked: Any) -> None:
    prepared = ready(speller, prompt=LOW, syllables=8, mode="crafted", alternatives=3, **asked)
    with serving(oracles["llama"].directory, num_slots=4) as engine:
        crafted(engine, prepared, num=1)
        assert idle(engine)


def test_a_stopped_engine_is_told(oracles: dict[str, Oracle], speller: Speller) -> None:
    prepared = ready(speller, prompt=LOW, scheme="AABB", syllables=8, mode="crafted", alternatives=2)
    with serving(oracles["llama"].directory) as engine:
        pass
    with pytest.raises((DeadEnd, RuntimeError)):
        crafted(engine, prepared)


def test_one_batch_holds_every_kind_of_request_and_each_text_is_its_own(oracle: Oracle, speller: Speller) -> None:
    """In float32: rows without a form do not change by neighbours under forms, nor those by each other."""
    forms: dict[str, dict[str, Any] | None] = {
        "free": None,
        "couplet": {"scheme": "AA", "syllables": 7},
        "iambs": {"scheme": "ABAB", "syllables": 6, "metre": "iambic"},
        "plain": None,
        "near": {"scheme": "AA", "strictness": "near", "syllables": {"min": 5, "max": 8}, "include": ["moon"]},
        "inner": {"scheme": "X", "syllables": 8, "internal_rhyme": True},
    }
    prepared = {name: form and ready(speller, **form) for name, form in forms.items()}

    def ask(reader: Reader, name: str) -> None:
        form = prepared[name]
        formed = Formed(form.begin) if form else None
        reader.ask(name, LOW, seed=len(name), n=2, max_tokens=300 if form else 80, temperature=1.2, formed=formed)

    texts: list[dict[tuple[str, int], str]] = []
    for num_slots, is_together in ((1, False), (12, True)):
        with serving(oracle.directory, num_slots=num_slots) as engine:
            reader = Reader(engine)
            for name in forms:
                ask(reader, name)
                if not is_together:
                    reader.wait()
            reader.wait()
            texts.append({(name, index): reader.text(name, index) for name in forms for index in (0, 1)})
    assert texts[0] == texts[1]
    for (name, _), text in texts[0].items():
        form = prepared[name]
        assert form is None or failures(form, text) == []


def test_explicit_words_never_come_however_hot(oracles: dict[str, Oracle], speller: Speller) -> None:
    prepared = ready(speller, scheme="X" * 16, syllables={"min": 4, "max": 8})
    texts = []
    with serving(oracles["gpt_neo"].directory, num_slots=16) as engine:
        reader = Reader(engine)
        for nth in range(2):
            reader.ask(
                f"{nth}",
                "what the f",
                seed=nth * 100,
                n=8,
                max_tokens=700,
                temperature=2.0,
                formed=Formed(prepared.begin),
            )
        reader.wait()
        texts = [reader.text(f"{nth}", index) for nth in range(2) for index in range(8)]
    lines = [line for text in texts for line in text.split("\n")]
    assert len(lines) == 256
    assert not any(map(is_explicit, texts))


def test_no_known_run_comes(oracles: dict[str, Oracle], speller: Speller, tmp_path: Path) -> None:
    """What a network writes becomes the index; with the same seed it must write something else, and near to it."""
    asked = {"scheme": "AA", "syllables": 12}
    free = ready(speller, **asked)
    with serving(oracles["llama"].directory) as engine:
        reader = Reader(engine)
        reader.ask("known", LOW, seed=3, n=4, max_tokens=300, temperature=0.7, formed=Formed(free.begin))
        reader.wait()
        known = [reader.text("known", index) for index in range(4)]
        OriginalityIndex.build("\n".join(known).split("\n"), "known").save(tmp_path / "known")
        kept = ready(speller, indexes=tmp_path, originality={"dataset": "known", "n": 4}, **asked)
        reader.ask("new", LOW, seed=3, n=4, max_tokens=300, temperature=0.7, formed=Formed(kept.begin))
        reader.wait()
        new = [reader.text("new", index) for index in range(4)]
    old = normalised_words("\n".join(known))
    runs = {old[at : at + 4] for at in range(len(old) - 3)}
    for text in new:
        words = normalised_words(text)
        assert not runs & {words[at : at + 4] for at in range(len(words) - 3)}
        assert [failure.rule for failure in failures(kept, text) if failure.rule == "originality"] == []
    assert any(text[:6] == other[:6] for text, other in zip(new, known, strict=True))
    assert json.loads((tmp_path / "known" / "manifest.json").read_text())["name"] == "known"
