"""Completions over HTTP: plain, streamed, several takes, and what surrounds them."""

from __future__ import annotations

import json

import httpx

from contracts.wire import Completion
from tests.inference_service.conftest import SLOW, Serve, Served, events, joined
from tests.services import TINY


def test_it_works(served: Served) -> None:
    completion = served.write(max_tokens=12)
    assert completion.model == TINY
    assert [(choice.index, choice.finish_reason) for choice in completion.choices] == [(0, "length")]
    assert completion.choices[0].text
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (5, 12)
    assert completion.usage.total_tokens == 17


def test_a_stream_adds_up_to_the_plain_answer(served: Served) -> None:
    plain = served.write(max_tokens=40, n=3, seed=7)
    with served.streaming(max_tokens=40, n=3, seed=7) as answer:
        rows = events(answer)
    assert rows[-1] == "[DONE]"
    assert joined(rows) == {choice.index: choice.text for choice in plain.choices}
    last = Completion.model_validate_json(rows[-2])
    assert last.usage == plain.usage
    counts = [json.loads(row)["usage"]["completion_tokens"] for row in rows[:-1]]
    assert counts == sorted(counts)
    assert len({json.loads(row)["id"] for row in rows[:-1]}) == 1


def test_text_comes_while_it_is_made(serve: Serve) -> None:
    served = serve(voices=(SLOW,))
    with served.streaming(model=SLOW, max_tokens=64, seed=3) as answer:
        rows = events(answer)
    assert Completion.model_validate_json(rows[-2]).usage.completion_tokens == 64  # type: ignore[union-attr]
    assert len(rows) >= 20


def test_a_stream_says_that_nothing_may_hold_it_back(served: Served) -> None:
    with served.streaming() as answer:
        answer.read()
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"


def test_takes_differ_and_take_i_draws_with_seed_plus_i(served: Served) -> None:
    three = served.write(n=3, seed=5, temperature=1.5, max_tokens=30)
    alone = served.write(n=1, seed=7, temperature=1.5, max_tokens=30)
    texts = [choice.text for choice in three.choices]
    assert len(set(texts)) == 3
    assert texts[2] == alone.choices[0].text


def test_a_stop_string_ends_the_text_before_it(served: Served) -> None:
    free = served.write(max_tokens=30).choices[0].text
    stop = next(free[i : i + 2] for i in range(5, len(free)) if free[i : i + 2].isprintable())
    stopped = served.write(max_tokens=30, stop=stop).choices[0]
    assert stopped.text == free[: free.index(stop)]
    assert stopped.finish_reason == "stop"


def test_a_frame_stands_before_the_prompt_when_asked_for(serve: Serve) -> None:
    served = serve()
    manifest = served.bucket / "checkpoints" / TINY / "manifest.json"
    content = json.loads(manifest.read_text()) | {"frame": "Song:\n"}
    manifest.write_text(json.dumps(content))
    bare, framed = served.write(prompt="la"), served.write(prompt="la", framed=True)
    assert bare.usage is not None
    assert framed.usage is not None
    assert framed.usage.prompt_tokens == bare.usage.prompt_tokens + len("Song:\n")
    assert framed.choices[0].text == served.write(prompt="Song:\nla").choices[0].text
    assert served.write(prompt="", framed=True).choices[0].text


def test_models_tell_what_a_menu_shows(served: Served) -> None:
    card = served.voices()[TINY]
    assert (card["state"], card["architecture"], card["licence"]) == ("resident", "llama", "made by the tests")
    assert card["title"] == TINY
    assert card["num_parameters"] > 10_000
    assert card["max_len"] == 1024


def test_health_and_metrics_need_no_token(served: Served) -> None:
    assert httpx.get(f"{served.url}/health").json() == {"status": "ok"}
    assert httpx.get(f"{served.url}/ready").json() == {"status": "ready"}
    served.write()
    served.wait_idle()
    assert served.metric("slots", voice=TINY) == 4
    assert served.metric("tokens_total", voice=TINY) >= 8
    assert served.metric("requests_total", outcome="finished") >= 1
    assert served.metric("ttft_seconds_count") >= 1
    assert served.metric("step_seconds") > 0
    assert served.metric("loads_total", outcome="loaded") == 1


def test_fifty_streams_at_once_are_not_mixed_up(served: Served) -> None:
    import threading

    seeds = range(50)
    texts: dict[int, str] = {}

    def one(seed: int) -> None:
        with served.streaming(seed=seed, max_tokens=24) as answer:
            texts[seed] = joined(events(answer))[0]

    threads = [threading.Thread(target=one, args=(seed,)) for seed in seeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    served.wait_idle()
    alone = {seed: served.write(seed=seed, max_tokens=24).choices[0].text for seed in seeds}
    assert texts == alone
