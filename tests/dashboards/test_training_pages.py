"""The pages of training and voices as Dash sends them: what is on them, and what strangers get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from app import generation
from app.db import unit_of_work
from app.errors import BadInput
from app.run import EventView, RunView
from app.web import create_app
from contracts.settings import Settings
from contracts.training import Effort, Measures, Probe, Quote, Table, TrainRequest, quote, resolve
from dashboards import board, mount, train
from models import Adapter, Dataset, DatasetVersion, Job, JobState, Run
from models.run import Told, tell
from models.user import user_by_email
from tests.dashboards.test_dataset_pages import Person, every, page, prop, signed_up, texts
from tests.dashboards.test_pages import callback, interactive
from tests.services import free_port

__all__ = ["signed_up"]  # a fixture

SECRET = "Secret title"
PROBE = Probe(device="cpu", tokens_per_s=1_000, load_s=1, evaluate_s=2, judge_s=10, num_tokens=60_000, peak_bytes=10**9)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def server(database_url: str, engine: Engine, tmp_path: Path) -> Iterator[Flask]:
    """The web with the studio on it and a bucket, and no inference service."""
    settings = Settings(
        database_url=database_url,
        bucket_url=f"file://{tmp_path}",
        secret_key="key of the tests",
        service_secret="secret of the tests",
        inference_url=f"http://127.0.0.1:{free_port()}",
    )
    server = create_app(settings, engine=engine)
    mount(server)
    yield server
    generation.relay().close()


def measures(bits_per_byte: float, copied_share: float = 0.0) -> Measures:
    return Measures(
        bits_per_byte=bits_per_byte,
        rhyme_rate=0.2,
        metre_rate=0.3,
        copied_share=copied_share,
        longest_copy=3,
        distinct_2=0.9,
        explicit_share=0.0,
        num_lines=200,
    )


def make_run(email: str, state: JobState = JobState.DONE, *, copied_share: float = 0.0) -> UUID:
    """A run of this person with curves and a sample, as a worker leaves it; one that is done has made a voice."""
    request = TrainRequest(checkpoint="tiny-llama", effort=Effort.QUICK)
    config = resolve(request, PROBE.num_tokens)
    run_id = uuid4()
    with unit_of_work() as session:
        user = user_by_email(session, email)
        assert user
        job = Job(user_id=user.id, kind="train", request={"run_id": str(run_id)}, state=state, stage="train")
        job.error = "The loss was not a number." if state is JobState.FAILED else None
        session.add(job)
        session.flush()
        session.add(
            Run(
                id=run_id,
                user_id=user.id,
                job_id=job.id,
                title=SECRET,
                number=1,
                request=request.model_dump(mode="json"),
                config=config.model_dump(mode="json"),
                quote=quote(config, PROBE, cents_a_minute=2).model_dump(mode="json"),
                minutes_reserved=5,
            )
        )
        session.flush()
        tell(session, run_id, told())
        if state is JobState.DONE:
            table = Table(bare=measures(1.3), adapter=measures(1.2, copied_share))
            card = {"table": table.model_dump(mode="json"), "config": config.model_dump(mode="json")}
            values = {"card": card, "manifest": {}, "base": "tiny-llama", "bits_per_byte": 1.2}
            session.add(Adapter(id=run_id, user_id=user.id, title=SECRET, number=1, **values))
    return run_id


def told() -> list[Told]:
    """What a short training says."""
    steps = [Told("step", step, 0, {"loss": 3 - step / 10, "seconds": 1.0, "tokens": 4096}) for step in (1, 2, 3)]
    looks = [Told("validation", step, 0, {"loss": 3.0, "bits_per_byte": 1.3 - step / 100}) for step in (0, 3)]
    sample = {"prompt": "A lantern", "text": "<b>on the wall</b>", "rhymes": 0.5, "metre": 1.0, "copied": 0.25}
    return [*steps, *looks, Told("sample", 3, 0, sample | {"longest_copy": 7})]


def views(events: list[Told]) -> list[EventView]:
    return [EventView(*event, NOW) for event in events]


def ids(node: Any) -> set[str]:
    return {str(one["props"]["id"]) for one in every(node) if one["props"].get("id")}


def test_it_works(signed_up: Person) -> None:
    alice = signed_up("alice")
    run_id = make_run("alice@example.org")
    shown, title = page(alice, f"/runs/{run_id}")
    assert title == f"{SECRET} v1"
    assert {"run-loss", "run-bits", "run-samples", "run-log", "run-voice", "run-again"} <= ids(shown)
    words = " ".join(texts(shown))
    assert "Step 3: 2.700 in training" in words
    assert "25% copied" in words
    assert "<b>on the wall</b>" in words  # text, whatever stands in it


def test_who_has_nothing_is_told_how_to_begin(signed_up: Person) -> None:
    alice = signed_up("alice")
    assert "No voice of yours yet." in texts(page(alice, "/voices")[0])
    assert "Nothing has been trained yet." in texts(page(alice, "/runs")[0])
    assert "There is no frozen version yet." in texts(page(alice, "/train")[0])


def test_a_stranger_sees_nothing_and_moves_nothing(signed_up: Person) -> None:
    signed_up("alice")
    bob = signed_up("bob")
    run_id = make_run("alice@example.org")
    for path in (f"/runs/{run_id}", f"/runs/{run_id}/again", f"/voices/{run_id}", f"/voices/{run_id}/again"):
        shown, title = page(bob, path)
        assert title == "Nothing here"
        assert SECRET not in json.dumps(shown)
    for name, prefix in (("run-delete", "run"), ("voice-delete", "voice"), ("voice-retire", "voice")):
        _press(bob, name, {f"{prefix}-id": str(run_id)})
    with unit_of_work() as session:
        assert session.get_one(Run, run_id).deleted_at is None
        assert session.get_one(Adapter, run_id).deleted_at is None


def test_its_owner_deletes_a_run_with_its_voice(signed_up: Person) -> None:
    alice = signed_up("alice")
    run_id = make_run("alice@example.org")
    _press(alice, "run-delete", {"run-id": str(run_id)})
    with unit_of_work() as session:
        assert session.get_one(Run, run_id).deleted_at is not None
        assert session.get_one(Adapter, run_id).deleted_at is not None


def _press(client: FlaskClient, button: str, state: dict[str, str]) -> None:
    """Press a button. The output's name may end in a hash of its inputs: ask the page for it."""
    known = client.get("/_dash-dependencies").get_json()
    found = next(one for one in known if [given["id"] for given in one["inputs"]] == [button])
    names = found["output"].strip(".").split("...")
    told = [dict(zip(("id", "property"), name.rpartition(".")[::2], strict=True)) for name in names]
    given = [prop(one["id"], one["property"], state.get(one["id"])) for one in found["state"]]
    callback(client, found["output"], told if len(told) > 1 else told[0], [prop(button, "n_clicks", 1)], given)


@pytest.mark.parametrize("path", ["/runs", "/runs/{}", "/voices", "/voices/{}", "/train"])
def test_everything_that_can_be_pressed_has_an_id(signed_up: Person, path: str) -> None:
    alice = signed_up("alice")
    run_id = make_run("alice@example.org", copied_share=0.2)
    with unit_of_work() as session:
        user = user_by_email(session, "alice@example.org")
        assert user
        made = Dataset(user_id=user.id, name="Harbour songs")
        session.add(made)
        session.flush()
        session.add(DatasetVersion(dataset_id=made.id, number=1, content_sha256="0" * 64, manifest=manifest(made.id)))
    shown, _ = page(alice, path.format(run_id))
    kinds = ("Textarea", "Select", "Checkbox", "Summary")
    found = [*interactive(shown), *(node["props"] for node in every(shown) if node["type"] in kinds)]
    assert found
    assert [props for props in found if not props.get("id")] == []


def manifest(dataset_id: UUID) -> dict[str, Any]:
    """As much of a version's manifest as a list of versions reads."""
    none: dict[str, int] = {}
    return {
        "dataset_id": str(dataset_id),
        "number": 1,
        "content_sha256": "0" * 64,
        "counts": {"songs": 3, "lines": 9, "words": 40},
        "splits": {"train": 2, "validation": 1},
        "sources": none,
        "rights": {"mine": 3},
        "rules_off": [],
        "files": [],
    }


def test_a_voice_that_is_worse_asks_for_a_reason(signed_up: Person) -> None:
    alice = signed_up("alice")
    run_id = make_run("alice@example.org", copied_share=0.2)
    words = " ".join(texts(page(alice, f"/voices/{run_id}")[0]))
    assert "20.0% of its lines stand in the training songs" in words
    assert "Why publish it all the same?" in words


def test_a_run_says_what_can_be_done_about_it(signed_up: Person) -> None:
    alice = signed_up("alice")
    broken, _ = page(alice, f"/runs/{make_run('alice@example.org', JobState.FAILED)}")
    assert {"run-resume", "run-again", "run-delete"} <= ids(broken)
    assert "run-cancel" not in ids(broken)
    assert "The loss was not a number." in texts(broken)


def test_what_is_over_is_not_asked_for_again(signed_up: Person) -> None:
    alice = signed_up("alice")
    shown, _ = page(alice, f"/runs/{make_run('alice@example.org')}")
    poll = next(node["props"] for node in every(shown) if node["props"].get("id") == "run-poll")
    assert poll["disabled"] is True


def test_stages_say_where_a_run_is() -> None:
    def at(view: RunView) -> list[str]:
        return [step.className for step in board.stages(view).children]

    waiting = run_view(state="queued", position=2)
    assert at(waiting)[:2] == ["stage current", "stage ahead"]
    assert board.in_words(waiting) == "Number 2 in the queue."
    training = run_view(state="running", stage="train", num_done=12, num_total=30, eta_s=100.0)
    assert at(training).index("stage current") == 3  # queue, load, tokenise, train
    assert board.in_words(training) == "Step 12 of 30, about 2 minutes left."
    paused = run_view(state="queued", position=1, num_done=12, num_total=30)
    assert board.in_words(paused) == "Paused at step 12 of 30; next in the queue."
    assert set(at(run_view(state="done", stage="publish"))) == {"stage done"}


def run_view(**values: Any) -> RunView:
    """A run of nobody in particular."""
    request = TrainRequest(checkpoint="tiny-llama", effort=Effort.QUICK)
    config = resolve(request, PROBE.num_tokens)
    usual = dict.fromkeys(RunView._fields) | {
        "config": config.model_dump(mode="json"),
        "stage": "",
        "num_done": 0,
        "stop_asked": False,
        "cancel_asked": False,
    }
    return RunView(**(usual | values))


def test_curves_are_of_what_was_told() -> None:
    figure, words = board.loss(views(told()))
    assert [list(line.x) for line in figure.data] == [[1, 2, 3], [0, 3]]
    assert words == "Step 3: 2.700 in training; 3.000 on the held-out songs, the best 3.000 at step 0."
    _, words = board.bits(views(told()))
    assert words == "1.270 bits for a byte of songs that it has not read, 2.3% below the start."
    assert board.loss([])[1] == "The first step has not been taken."


def dials(**given: Any) -> Iterator[Any]:
    """The form's values in its order."""
    usual = {"version": f"{uuid4()}/3", "checkpoint": "tiny-llama", "effort": "quick", "phonemes": 20}
    for name in (*train.DIALS, *train.NUMBERS, *train.SWITCHES):
        yield (usual | given).get(name)


def test_the_form_asks_for_what_stands_in_it() -> None:
    wanted = train.asked(*dials(**{"has-phonemes": True, "epochs": 7, "dtype": train.NOTHING, "eight_bit": True}))
    assert wanted.number == 3
    assert wanted.request.phonemes == pytest.approx(0.2)
    assert wanted.request.advanced.epochs == 7
    assert wanted.request.advanced.eight_bit is True
    assert wanted.request.advanced.dtype is None
    assert train.asked(*dials()).request.phonemes == 0
    with pytest.raises(BadInput, match="epochs"):
        train.asked(*dials(epochs=900))
    with pytest.raises(BadInput, match="Choose the songs"):
        train.asked(*dials(version=None))


def test_efforts_say_what_they_take_once_that_is_known() -> None:
    request = TrainRequest(checkpoint="tiny-llama", effort=Effort.QUICK)
    known: Quote = quote(resolve(request, PROBE.num_tokens), PROBE, cents_a_minute=2)
    labels = [one["label"] for one in train.effort_cards({Effort.QUICK: known})]
    assert "1 minute, $" in labels[0]
    assert "$" not in labels[1]


def test_a_training_begins_only_with_a_title_and_a_quote() -> None:
    assert train.dress("Harbour", None)[0] is True
    assert train.dress("Harbour", {"why": "The quote is being measured."}) == (True, "The quote is being measured.")
    assert train.dress(" ", {"max_minutes": 3, "why": ""}) == (True, "Give the voice a title.")
    assert train.dress("Harbour", {"max_minutes": 3, "why": ""})[0] is False
