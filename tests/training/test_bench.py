"""The benchmark of training measures both sides on the same work."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.training import SYSTEMS, WORDS_A_SONG, invented_songs, measure, orders, ratios
from tests.services import TINY, make_tiny_checkpoint


def test_it_works(tmp_path: Path) -> None:
    make_tiny_checkpoint(tmp_path / TINY)
    wanted = orders({TINY: tmp_path / TINY}, 8, ["ours_float32", "hf_trainer"])
    ours, theirs = (measure(order) for order in wanted)
    assert (ours.num_tokens, ours.num_updates) == (theirs.num_tokens, theirs.num_updates)
    assert ours.loss_begin == pytest.approx(theirs.loss_begin, rel=1e-5)
    assert ours.loss_end < ours.loss_begin
    assert theirs.loss_end < theirs.loss_begin
    assert min(ours.real_tokens_per_s, theirs.real_tokens_per_s, ours.cpu_s_per_1000_tokens) > 0
    assert ratios(ours, theirs)["loss_end"] == pytest.approx(1, abs=0.02)
    assert {order.system for order in orders({TINY: tmp_path}, 8, SYSTEMS)} == set(SYSTEMS)


def test_songs_are_as_long_as_real_ones() -> None:
    songs = invented_songs(len(WORDS_A_SONG))
    lengths = sorted(len(song.split()) for song in songs)
    assert invented_songs(len(WORDS_A_SONG)) == songs
    for length, real in zip(lengths, WORDS_A_SONG, strict=True):
        assert length == pytest.approx(real, rel=0.35)
