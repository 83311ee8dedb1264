"""Two voices compared blind: what is shown, what is not, and what the picks come to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from app.comparison import result, wilson
from contracts.bucket import LocalBucket
from contracts.manifest import checkpoint_manifest_key
from contracts.training import Measures
from models import Account, Adapter, Comparison, Generation, Pair
from tests.app.builders import ok, refusal
from tests.app.conftest import Caller
from tests.app.loop import PATIENCE_S, adapter_of, wait_for_voice
from tests.patience import until
from tests.services import TINY, InferenceService, publish_directory

OTHER = "tiny-other"


@pytest.fixture(scope="module")
def two_voices(inference: InferenceService) -> Iterator[InferenceService]:
    """A second name for the tiny checkpoint, while these tests last."""
    publish_directory(inference.home / "tiny", inference.home / "bucket", OTHER, inference.home)
    wait_for_voice(inference, OTHER)
    yield inference
    LocalBucket(inference.home / "bucket").delete(checkpoint_manifest_key(OTHER))


@pytest.fixture
def inference_url(two_voices: InferenceService) -> str:
    return two_voices.url


def begun(caller: Caller, num_pairs: int = 3, **more: Any) -> dict[str, Any]:
    body = {"voice_a": TINY, "voice_b": OTHER, "num_pairs": num_pairs} | more
    answer: dict[str, Any] = ok(caller("POST", "/comparisons", body), 201)
    return answer


def ready(caller: Caller, comparison_id: str) -> dict[str, Any]:
    """The comparison, once its open pair can be picked of."""

    def shown() -> dict[str, Any] | None:
        comparison: dict[str, Any] = ok(caller("GET", f"/comparisons/{comparison_id}"))
        return comparison if comparison["pair"]["is_ready"] else None

    return until(shown, PATIENCE_S) or {}


def picked(caller: Caller, comparison_id: str, number: int, side: str) -> dict[str, Any]:
    answer: dict[str, Any] = ok(caller("POST", f"/comparisons/{comparison_id}/pairs/{number}", {"pick": side}))
    return answer


def test_it_works(alice: Caller, engine: Engine) -> None:
    comparison_id = begun(alice)["id"]
    for number, side in enumerate(("left", "right", "tie"), start=1):
        shown = ready(alice, comparison_id)
        assert (shown["pair"]["number"], shown["num_picked"], shown["result"]) == (number, number - 1, None)
        shown = picked(alice, comparison_id, number, side)
    assert (shown["pair"], shown["num_picked"]) == (None, 3)
    with Session(engine) as session:
        left_is_a = list(session.scalars(select(Pair.left_is_a).order_by(Pair.number)))
    wins_a = [left_is_a[0], not left_is_a[1]].count(True)
    found = shown["result"]
    assert (found["wins_a"], found["wins_b"], found["ties"]) == (wins_a, 2 - wins_a, 1)
    assert "(1 tie)" in found["words"]
    assert [one["pick"] for one in shown["judged"]] == [
        "a" if left_is_a[0] else "b",
        "b" if left_is_a[1] else "a",
        "tie",
    ]
    assert ok(alice("GET", "/comparisons"))["comparisons"][0]["result"] == found


def test_both_write_with_the_same_seed_and_settings_and_are_charged(alice: Caller, engine: Engine) -> None:
    with Session(engine) as session:
        before = session.scalar(select(Account.tokens_left))
    comparison_id = begun(alice, num_pairs=1)["id"]
    ready(alice, comparison_id)
    with Session(engine) as session:
        texts = list(session.scalars(select(Generation)))
        assert {one.voice for one in texts} == {TINY, OTHER}
        assert texts[0].params == texts[1].params
        assert texts[0].prompt == texts[1].prompt
        assert texts[0].takes[0]["text"] == texts[1].takes[0]["text"]  # one checkpoint under two names
        assert before is not None
        assert session.scalar(select(Account.tokens_left)) == before - sum(one.tokens_used for one in texts)


def test_nothing_tells_which_is_which_before_the_end(alice: Caller, engine: Engine) -> None:
    """Whichever side a voice is on, every answer is the same to the byte: the two write the same text here."""
    first, second = begun(alice, num_pairs=2), begun(alice, num_pairs=2)
    with Session(engine) as session:
        one, two = (session.get_one(Comparison, UUID(begun["id"])) for begun in (first, second))
        two.prompts = one.prompts
        session.execute(update(Pair).where(Pair.comparison_id == one.id).values(left_is_a=True))
        session.execute(update(Pair).where(Pair.comparison_id == two.id).values(left_is_a=False))
        texts = {
            pair.comparison_id: pair
            for pair in session.scalars(select(Pair).where(Pair.number == 1).order_by(Pair.comparison_id))
        }
        # The other comparison shows what this one does: same beginnings, same texts, other sides.
        texts[two.id].generation_a, texts[two.id].generation_b = (
            texts[one.id].generation_a,
            texts[one.id].generation_b,
        )
        session.commit()
        secret = [str(found) for found in session.scalars(select(Generation.id))] + [str(one.seed), str(two.seed)]

    def told(begun: dict[str, Any]) -> str:
        shown = ready(alice, begun["id"])
        listed = ok(alice("GET", "/comparisons"))["comparisons"]
        shown["listed"] = next(row for row in listed if row["id"] == begun["id"])
        shown["picked"] = picked(alice, begun["id"], 1, "left")
        shown["picked"]["pair"] = None  # the second pair of each has a text of its own
        words = json.dumps(shown)
        assert not any(known in words for known in secret)
        for moment in (begun["id"], begun["created_at"]):
            words = words.replace(moment, "")
        return words

    assert told(first) == told(second)


def test_sides_are_drawn_and_neither_voice_always_stands_left(alice: Caller, engine: Engine) -> None:
    for _ in range(2):
        begun(alice, num_pairs=20)
    with Session(engine) as session:
        sides = list(session.scalars(select(Pair.left_is_a)))
    assert 5 < sum(sides) < 35


def test_a_form_is_kept_by_both(alice: Caller) -> None:
    comparison_id = begun(alice, num_pairs=1, form={"scheme": "AA", "syllables": 6})["id"]
    pair = ready(alice, comparison_id)["pair"]
    assert pair["form"].startswith("AA")
    assert len(pair["left"].split("\n")) == len(pair["right"].split("\n")) == 2


def test_an_earlier_pick_may_be_changed_until_the_last_one(alice: Caller) -> None:
    comparison_id = begun(alice, num_pairs=2)["id"]
    ready(alice, comparison_id)
    picked(alice, comparison_id, 1, "left")
    picked(alice, comparison_id, 1, "tie")
    ready(alice, comparison_id)
    assert picked(alice, comparison_id, 2, "tie")["result"]["ties"] == 2
    assert refusal(alice("POST", f"/comparisons/{comparison_id}/pairs/1", {"pick": "left"}))[:2] == (
        409,
        "comparison_over",
    )


def test_a_pair_that_was_not_shown_cannot_be_picked(alice: Caller) -> None:
    comparison_id = begun(alice)["id"]
    ready(alice, comparison_id)
    path = f"/comparisons/{comparison_id}/pairs"
    assert refusal(alice("POST", f"{path}/2", {"pick": "left"}))[:2] == (409, "not_shown")
    assert refusal(alice("POST", f"{path}/9", {"pick": "left"}))[0] == 404
    assert refusal(alice("POST", f"{path}/1", {"pick": "a"}))[:2] == (400, "unknown_pick")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"voice_b": TINY}, "same_voice"),
        ({"voice_b": "nobody"}, "unknown_voice"),
        ({"voice_b": "a\u0000"}, "unknown_voice"),
        ({"num_pairs": 41}, "too_many_pairs"),
        ({"num_pairs": 0}, "too_many_pairs"),
        ({"form": {"scheme": "?"}}, "bad_input"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_a_word_is_written(
    alice: Caller, engine: Engine, change: dict[str, Any], code: str
) -> None:
    body = {"voice_a": TINY, "voice_b": OTHER} | change
    assert refusal(alice("POST", "/comparisons", body))[:2] == (400, code)
    with Session(engine) as session:
        assert session.scalars(select(Generation)).all() == session.scalars(select(Comparison)).all() == []


def test_spent_allowance_is_said_and_the_comparison_goes_on_later(alice: Caller, engine: Engine) -> None:
    comparison_id = begun(alice, num_pairs=5)["id"]
    ready(alice, comparison_id)
    with Session(engine) as session:
        session.execute(update(Account).values(tokens_left=10))
        session.commit()
    for number in (1, 2, 3):
        ready(alice, comparison_id)
        shown = picked(alice, comparison_id, number, "tie")
    assert "tokens" in shown["pair"]["trouble"]
    assert refusal(alice("POST", f"/comparisons/{comparison_id}/go-on"))[:2] == (402, "allowance_spent")
    with Session(engine) as session:
        session.execute(update(Account).values(tokens_left=Account.tokens_allowance))
        session.commit()
    assert ok(alice("POST", f"/comparisons/{comparison_id}/go-on"))["pair"]["trouble"] == ""
    assert ready(alice, comparison_id)["pair"]["number"] == 4


def judged(caller: Caller, engine: Engine, voice_a: str, voice_b: str, wins_a: int, wins_b: int) -> None:
    """A comparison that is over."""
    sides = [True] * wins_a + [False] * wins_b
    row = Comparison(
        id=uuid4(),
        user_id=caller.user().id,
        voice_a=voice_a,
        voice_b=voice_b,
        seed=1,
        prompts=[],
        finished_at=datetime.now(UTC),
    )
    with Session(engine) as session:
        session.add(row)
        session.flush()
        session.add_all(
            Pair(comparison_id=row.id, number=number, left_is_a=side, pick="left")
            for number, side in enumerate(sides, start=1)
        )
        session.commit()


def test_a_version_that_was_liked_less_is_published_with_a_reason_only(alice: Caller, engine: Engine) -> None:
    first, second = adapter_of(alice, "Harbour", 1), adapter_of(alice, "Harbour", 2)
    with Session(engine) as session:
        same = dict.fromkeys(Measures.model_fields, 0.5) | {"num_lines": 10, "longest_copy": 1}
        session.execute(update(Adapter).values(card={"table": {"bare": same, "adapter": same}}))
        session.commit()
    ok(alice("POST", f"/adapters/{first}/publish", {}))
    judged(alice, engine, first, second, wins_a=12, wins_b=8)
    shown = ok(alice("GET", f"/adapters/{second}"))
    assert (shown["compared"], shown["worse"]) == ("Harbour v1 won 12 of 20, interval 39 to 78 %: not sure yet", [])
    judged(alice, engine, second, first, wins_a=3, wins_b=17)
    (worse,) = ok(alice("GET", f"/adapters/{second}"))["worse"]
    assert worse == "Unseen it was liked less: Harbour v1 won 17 of 20, interval 64 to 95 %: better."
    assert refusal(alice("POST", f"/adapters/{second}/publish", {}))[:2] == (409, "is_worse")
    assert ok(alice("GET", f"/adapters/{first}"))["is_live"]
    assert ok(alice("POST", f"/adapters/{second}/publish", {"reason": "It rhymes."}))["is_live"]


def test_nobody_else_sees_it(alice: Caller, bob: Caller, charlie: Caller) -> None:
    comparison_id = begun(alice)["id"]
    ready(alice, comparison_id)
    for stranger in (bob, charlie):
        assert refusal(stranger("GET", f"/comparisons/{comparison_id}"))[0] == 404
        assert refusal(stranger("POST", f"/comparisons/{comparison_id}/go-on"))[0] == 404
        assert refusal(stranger("POST", f"/comparisons/{comparison_id}/pairs/1", {"pick": "left"}))[0] == 404
        assert ok(stranger("GET", "/comparisons"))["comparisons"] == []


@pytest.mark.parametrize(
    ("wins", "num", "low", "high"),
    [(14, 20, 0.481, 0.855), (20, 20, 0.839, 1.0), (0, 5, 0.0, 0.434), (50, 100, 0.404, 0.596)],
)
def test_the_interval_is_wilsons(wins: int, num: int, low: float, high: float) -> None:
    """Source of the figures: the R function binom::binom.wilson."""
    assert wilson(wins, num) == pytest.approx((low, high), abs=0.001)


def test_the_words_are_the_same_whichever_voice_came_first() -> None:
    assert result(14, 6, 2, "v2", "v1").words == "v2 won 14 of 20 (2 ties), interval 48 to 85 %: not sure yet"
    assert result(6, 14, 2, "v1", "v2").words == result(14, 6, 2, "v2", "v1").words
    assert result(3, 17, 0, "v2", "v1").words == "v1 won 17 of 20, interval 64 to 95 %: better"
    assert result(0, 0, 4, "v2", "v1").words == "Nothing between v2 and v1: all 4 were ties"
