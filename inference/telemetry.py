"""What Prometheus scrapes: counters and histograms of this process, and gauges read from the engines at scrape time.

The names are listed here once. Labels are checkpoint names out of the bucket, never what a client typed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from contracts.wire import LineEvidence
from inference.engine import EngineStats

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TTFT_BUCKETS_S = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0)
LOAD_BUCKETS_S = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 180.0)


class Telemetry:
    """One application's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "ghost_inference_requests",
            "Completions that were admitted, by how they ended: finished, cancelled, failed or dead_end",
            ("voice", "outcome"),
            registry=self.registry,
        )
        self.refusals = Counter(
            "ghost_inference_refusals", "Requests that were answered with an error", ("code",), registry=self.registry
        )
        self.ttft_s = Histogram(
            "ghost_inference_ttft_seconds",
            "From the request to its first piece of text, loading and queueing included",
            ("voice",),
            buckets=TTFT_BUCKETS_S,
            registry=self.registry,
        )
        self.loads = Counter(
            "ghost_inference_loads",
            "Checkpoints brought into memory, by outcome: loaded, refused or failed",
            ("voice", "outcome"),
            registry=self.registry,
        )
        self.load_s = Histogram(
            "ghost_inference_load_seconds",
            "From the first request for a cold checkpoint to its residence",
            ("voice",),
            buckets=LOAD_BUCKETS_S,
            registry=self.registry,
        )

        self.lines = Counter(
            "ghost_inference_form_lines",
            "Lines written to a form, by the verifier's word: kept or flagged",
            ("voice", "verdict"),
            registry=self.registry,
        )
        self.flags = Counter(
            "ghost_inference_form_flags",
            "Rules that the verifier found broken in lines that were shown",
            ("voice", "rule"),
            registry=self.registry,
        )

    def count_lines(self, voice: str, lines: Iterable[LineEvidence]) -> None:
        """Count lines that are about to be shown."""
        for line in lines:
            self.lines.labels(voice, "flagged" if line.failures else "kept").inc()
            for failure in line.failures:
                self.flags.labels(voice, failure.rule).inc()

    def watch(self, stats: Callable[[], Mapping[str, EngineStats]]) -> None:
        """Add the gauges of the resident engines, read through `stats` at each scrape."""
        self.registry.register(_Engines(stats))

    def page(self) -> bytes:
        """The text that Prometheus reads."""
        return bytes(generate_latest(self.registry))


class _Engines:
    def __init__(self, stats: Callable[[], Mapping[str, EngineStats]]) -> None:
        self._stats = stats

    def collect(self) -> Iterable[Metric]:
        now = self._stats()
        yield _gauge("running", "Sequences that decode now", {v: s.num_running for v, s in now.items()})
        yield _gauge("waiting", "Sequences in the queue", {v: s.num_waiting for v, s in now.items()})
        yield _gauge("slots", "Sequences that can decode together", {v: s.num_slots for v, s in now.items()})
        yield _gauge("adapters", "Adapters in memory", {v: s.num_adapters for v, s in now.items()})
        yield _gauge("step_seconds", "Median time of the recent steps", {v: s.step_s for v, s in now.items()})
        yield _counter("tokens", "Tokens written since the load", {v: s.tokens_total for v, s in now.items()})
        yield _counter("steps", "Steps of the engine since the load", {v: s.steps_total for v, s in now.items()})


def _gauge(name: str, text: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"ghost_inference_{name}", text, labels=("voice",))
    for voice, value in values.items():
        family.add_metric((voice,), value)
    return family


def _counter(name: str, text: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(f"ghost_inference_{name}", text, labels=("voice",))
    for voice, value in values.items():
        family.add_metric((voice,), value)
    return family
