"""Generations that keep a form: what goes to the inference service, and what comes back of its evidence and refusals.

The other side is a plain server that speaks the protocol, so that each answer can be chosen.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import Engine, text

from contracts.wire import (
    Choice,
    Completion,
    ErrorBody,
    ErrorResponse,
    LineEvidence,
    Offer,
    Partner,
    SpokenWord,
    Usage,
    VoiceCard,
    VoiceList,
)
from lyrics.form import Form
from tests.app.conftest import Caller
from tests.app.test_generations import follow, tokens_left
from tests.patience import until

VOICE = "speaker"
LYRIC = "So here I stand and all is low"
COUPLET = {"scheme": "AA", "syllables": 8}
OFFER = Offer(words="near rhymes", form=Form(scheme="AA", strictness="near", syllables=8).model_dump(mode="json"))
REFUSAL = ErrorResponse(
    error=ErrorBody(code="impossible_form", message="nothing rhymes with 'orange'", field="form", offers=[OFFER])
).model_dump_json()


def evidence(number: int, line: str) -> LineEvidence:
    return LineEvidence(
        number=number,
        text=line,
        num_syllables=8,
        stresses=[0, 1] * 4,
        words=[SpokenWord(word="go", phones=["G", "OW1"])],
        partner=Partner(line=0, word="low", kind="perfect"),
    )


def row(*choices: Choice, num_tokens: int = 9) -> str:
    usage = Usage(prompt_tokens=5, completion_tokens=num_tokens, total_tokens=5 + num_tokens)
    return Completion(id="c", created=0, model=VOICE, choices=list(choices), usage=usage).model_dump_json()


class Speaker(ThreadingHTTPServer):
    """An inference service that says what a test tells it to say, and remembers what it was asked."""

    status = 200
    rows: tuple[str, ...] = ()
    _asked: dict[str, Any] | None = None

    @property
    def asked(self) -> dict[str, Any]:
        """What it was asked, once it was: the relay asks beside the request that began it."""
        return until(lambda: self._asked, 20.0) or {}

    @asked.setter
    def asked(self, body: dict[str, Any]) -> None:
        self._asked = body

    @property
    def body(self) -> bytes:
        return "".join(f"data: {row}\n\n" for row in self.rows).encode()


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        voices = VoiceList(data=[VoiceCard(id=VOICE)])
        self._say(200, voices.model_dump_json().encode())

    def do_POST(self) -> None:
        assert isinstance(self.server, Speaker)
        self.server.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        refused = self.server.status != 200
        self._say(self.server.status, self.server.rows[0].encode() if refused else self.server.body)

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def speaker() -> Iterator[Speaker]:
    server = Speaker(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def inference_url(speaker: Speaker) -> str:
    return f"http://127.0.0.1:{speaker.server_port}"


def asked(**changes: Any) -> dict[str, Any]:
    return {"voice": VOICE, "prompt": LYRIC, "form": COUPLET} | changes


def test_it_works(alice: Caller, speaker: Speaker, engine: Engine) -> None:
    before = tokens_left(engine, alice)
    first, second = "I hear the wind and rivers flow", "and that is all I need to know"
    speaker.rows = (
        row(Choice(index=0, text=first[:9])),
        row(Choice(index=0, text=first[9:] + "\n", lines=[evidence(1, first)])),
        row(Choice(index=0, text=second, lines=[evidence(2, second)], finish_reason="stop"), num_tokens=20),
        "[DONE]",
    )
    answer = alice("POST", "/generations", asked())
    assert (answer.status_code, answer.json["placed"]) == (201, None)
    events = [(kind, data) for _, kind, data in follow(alice, answer.json["id"])]
    assert [kind for kind, _ in events] == ["token", "token", "line", "token", "line", "done"]
    assert events[2][1] == {"take": 0} | evidence(1, first).model_dump()
    assert events[-1][1]["takes"] == [{"take": 0, "finish_reason": "stop", "score": None}]
    shown = alice("GET", f"/generations/{answer.json['id']}").json
    assert shown["takes"][0]["text"] == f"{first}\n{second}"
    assert [line["text"] for line in shown["takes"][0]["lines"]] == [first, second]
    assert (shown["form"]["scheme"], shown["deed"], shown["placed"]) == ("AA", None, None)
    assert before - tokens_left(engine, alice) == 20
    assert (speaker.asked["form"]["scheme"], speaker.asked["prompt"]) == ("AA", LYRIC)


def test_ranked_alternatives_come_with_their_scores(alice: Caller, speaker: Speaker) -> None:
    speaker.rows = (
        *(
            row(Choice(index=i, text=f"take {i}", lines=[evidence(1, f"take {i}")], finish_reason="stop", score=-i))
            for i in range(9)
        ),
        "[DONE]",
    )
    crafted = COUPLET | {"mode": "crafted", "alternatives": 10}
    generation_id = alice("POST", "/generations", asked(form=crafted)).json["id"]
    done = follow(alice, generation_id)[-1][2]
    assert [(take["take"], take["score"]) for take in done["takes"]] == [(i, -i) for i in range(9)]
    takes = alice("GET", f"/generations/{generation_id}").json["takes"]
    assert [(take["text"], take["score"], len(take["lines"])) for take in takes] == [
        (f"take {i}", -i, 1) for i in range(9)
    ]


def test_the_evidence_is_retold_when_the_events_were_cleared_away(
    alice: Caller, speaker: Speaker, engine: Engine
) -> None:
    speaker.rows = (row(Choice(index=0, text="one", lines=[evidence(1, "one")], finish_reason="stop")), "[DONE]")
    generation_id = alice("POST", "/generations", asked()).json["id"]
    told = follow(alice, generation_id)
    with engine.begin() as connection:
        connection.execute(text("delete from generation_event"))
    assert follow(alice, generation_id) == told


def test_a_deed_is_worked_out_from_its_line(alice: Caller, speaker: Speaker) -> None:
    speaker.rows = (row(Choice(index=0, text="and here I go", finish_reason="stop")), "[DONE]")
    deed = {"kind": "next_line", "line": 2}
    answer = alice("POST", "/generations", asked(prompt=f"[Verse]\n{LYRIC}\n\nanother", deed=deed)).json
    placed = {
        "kind": "next_line",
        "line": 3,
        "replaces": False,
        "starts_stanza": False,
        "num_lines": 1,
        "words": "A, strict; 8 syllables; A rhymes with low",
    }
    assert answer["placed"] == placed
    assert speaker.asked["prompt"] == f"[Verse]\n{LYRIC}\n"
    assert (speaker.asked["form"]["scheme"], speaker.asked["form"]["rhymes"]) == ("A", {"A": ["low"]})
    follow(alice, answer["id"])
    shown = alice("GET", f"/generations/{answer['id']}").json
    assert (shown["deed"], shown["placed"], shown["form"]["scheme"]) == (deed, placed, "AA")
    assert shown["prompt"] == f"[Verse]\n{LYRIC}\n\nanother"


def test_a_verse_may_begin_a_song(alice: Caller, speaker: Speaker) -> None:
    speaker.rows = (row(Choice(index=0, text="one", finish_reason="stop")), "[DONE]")
    answer = alice("POST", "/generations", asked(prompt="", deed={"kind": "verse", "line": 1}))
    assert (answer.status_code, answer.json["placed"]["num_lines"]) == (201, 2)
    assert speaker.asked["prompt"] == ""
    follow(alice, answer.json["id"])


def test_a_writer_s_own_pronunciations_travel_along(alice: Caller, bob: Caller, speaker: Speaker) -> None:
    speaker.rows = (row(Choice(index=0, text="one", finish_reason="stop")), "[DONE]")
    alice("PUT", "/pronunciations/chair", {"like": "fear"})
    for caller, own in ((alice, {"chair": "CH IH1 R"}), (bob, {})):
        follow(caller, caller("POST", "/generations", asked()).json["id"])
        assert speaker.asked["pronunciations"] == own
    follow(alice, alice("POST", "/generations", asked(form=None)).json["id"])
    assert (speaker.asked["form"], speaker.asked["pronunciations"]) == (None, {})


def test_an_impossible_form_is_refused_with_what_could_be(alice: Caller, speaker: Speaker, engine: Engine) -> None:
    before = tokens_left(engine, alice)
    speaker.status, speaker.rows = 422, (REFUSAL,)
    answer = alice("POST", "/generations", asked())
    error = answer.json["error"]
    assert (answer.status_code, error["code"], error["field"]) == (422, "impossible_form", "form")
    assert [Form(**offer["form"]) for offer in error["offers"]] == [Form(**OFFER.form)]
    assert "orange" in error["message"]
    while tokens_left(engine, alice) < before:  # the recorder settles it at its next turn
        pass


def test_a_late_refusal_is_the_last_event_and_is_told_again(alice: Caller, speaker: Speaker, engine: Engine) -> None:
    before = tokens_left(engine, alice)
    speaker.rows = (row(Choice(index=0, text="one")), REFUSAL)
    generation_id = alice("POST", "/generations", asked()).json["id"]
    _, kind, failure = follow(alice, generation_id)[-1]
    assert (kind, failure["code"], failure["offers"]) == ("error", "impossible_form", [OFFER.model_dump()])
    assert alice("GET", f"/generations/{generation_id}").json["error"] == failure
    assert follow(alice, generation_id, after=99)[-1][2] == failure
    assert tokens_left(engine, alice) == before


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"form": {"scheme": "AA", "syllables": 8}}, 2 * (3 * 8 + 4)),
        ({"form": {"scheme": "AA", "syllables": 8}, "n": 3}, 3 * 2 * (3 * 8 + 4)),
        ({"form": {"scheme": "AA", "syllables": 8, "mode": "crafted"}, "n": 3}, 5 * 2 * (3 * 8 + 4)),
        ({"form": {"scheme": "A" * 64}}, 1024),
        ({"form": COUPLET, "deed": {"kind": "next_line", "line": 1}}, 3 * 8 + 4),
        ({"form": COUPLET, "deed": {"kind": "verse", "line": 1}}, 2 * (3 * 8 + 4)),
    ],
    ids=str,
)
def test_what_the_form_can_hold_is_reserved(
    alice: Caller, speaker: Speaker, engine: Engine, changes: dict[str, Any], needed: int
) -> None:
    speaker.rows = (row(Choice(index=0, text="one", finish_reason="stop"), num_tokens=9), "[DONE]")
    follow(alice, alice("POST", "/generations", asked(**changes)).json["id"])
    with engine.begin() as connection:
        assert connection.scalar(text("select tokens_reserved from generation")) == needed
        connection.execute(text("update account set tokens_left = :left"), {"left": needed - 1})
    assert alice("POST", "/generations", asked(**changes)).status_code == 402


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"form": "AABB"}, "bad_input", "form"),
        ({"form": {"scheme": "?"}}, "bad_input", "form.scheme"),
        ({"form": {"syllables": 0}}, "bad_input", "form.syllables"),
        ({"form": None, "deed": {"kind": "fill", "line": 1}}, "bad_input", "form"),
        ({"deed": {"kind": "fill", "line": 9}}, "misplaced", "deed.line"),
        ({"deed": {"kind": "fill", "line": 0}}, "bad_input", "deed.line"),
        ({"deed": {"kind": "fill", "line": 10**9}}, "bad_input", "deed.line"),
        ({"deed": {"kind": "sing", "line": 1}}, "bad_input", "deed.kind"),
        ({"deed": {"kind": "fill"}}, "bad_input", "deed.line"),
        ({"deed": "fill"}, "bad_input", "deed"),
        ({"prompt": f"{LYRIC}\n", "deed": {"kind": "rewrite", "line": 2}}, "misplaced", "deed.line"),
        ({"prompt": "", "deed": {"kind": "next_line", "line": 1}}, "empty_prompt", "prompt"),
        ({"prompt": "x" * 20_001, "deed": {"kind": "verse", "line": 1}}, "prompt_too_long", "prompt"),
    ],
    ids=str,
)
def test_bad_forms_and_deeds_name_the_field_and_cost_nothing(
    alice: Caller, engine: Engine, changes: dict[str, Any], code: str, field: str
) -> None:
    before = tokens_left(engine, alice)
    answer = alice("POST", "/generations", asked(**changes))
    assert (answer.status_code, answer.json["error"]["code"], answer.json["error"]["field"]) == (400, code, field)
    assert tokens_left(engine, alice) == before


def test_a_deed_at_the_end_of_the_longest_lyric_is_placed(alice: Caller, speaker: Speaker) -> None:
    speaker.rows = (row(Choice(index=0, text="one", finish_reason="stop")), "[DONE]")
    lyric = "a\n" * 9_999
    answer = alice("POST", "/generations", asked(prompt=lyric, deed={"kind": "next_line", "line": 9_999}))
    assert answer.json["placed"]["line"] == 10_000
    follow(alice, answer.json["id"])
