"""What /metrics tells, by prometheus-client, in a registry of the daemon's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from edgekit.bench.host import THROTTLE_BITS, State
from edgekit.daemon.statistics import PART_OF_STAGE

__all__ = ["BUCKETS_S", "OUTCOMES", "Metrics", "ModelMetrics"]

#: From 50 us, a small network on a Pi 5, to the deadline; each about twice the last.
BUCKETS_S = (5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

#: How a request for inference may end.
OUTCOMES = ("ok", "rejected", "busy", "expired", "not_loaded", "failed")


@dataclass(frozen=True)
class ModelMetrics:
    """What every request for one model is counted by."""

    requests: Mapping[str, Counter]
    request_s: Histogram
    queue_s: Histogram
    stage_s: Mapping[str, Histogram]

    def request(self, outcome: str, seconds: float) -> None:
        """A request for inference was answered."""
        self.requests[outcome].inc()
        if outcome == "ok":
            self.request_s.observe(seconds)

    def ran(self, queued_s: float, stages_s: Mapping[str, float]) -> None:
        """The model did its work."""
        self.queue_s.observe(queued_s)
        for stage, seconds in stages_s.items():
            self.stage_s[stage].observe(seconds)


class Metrics:
    """Counters and histograms of all models.

    Args:
        state: reads the board's state at each scrape.
    """

    def __init__(self, state: Callable[[], State]) -> None:
        self.registry = CollectorRegistry()
        model, r = ["model"], self.registry
        self._requests = Counter("edgekit_requests", "Requests for inference by outcome", ["model", "outcome"], registry=r)
        self._request_s = Histogram(
            "edgekit_request_seconds", "From a request's headers to its answer", model, registry=r, buckets=BUCKETS_S
        )
        self._queue_s = Histogram("edgekit_queue_seconds", "Time in a model's queue", model, registry=r, buckets=BUCKETS_S)
        self._stage_s = Histogram(
            "edgekit_stage_seconds", "Time of a stage of the pipeline", ["model", "stage"], registry=r, buckets=BUCKETS_S
        )
        self._depth = Gauge("edgekit_queue_depth", "Requests in a model's queue or under way", model, registry=r)
        self._ready = Gauge("edgekit_model_ready", "1 where a model answers", model, registry=r)
        self._info = Gauge("edgekit_model_info", "What answers", ["model", "version", "platform", "precision"], registry=r)
        self._loads = Counter("edgekit_model_loads", "Loads of a model by outcome", ["model", "outcome"], registry=r)
        self._refused = Gauge("edgekit_model_load_refused", "1 where the last load was refused", model, registry=r)
        self.in_flight = Gauge("edgekit_in_flight_requests", "Requests being answered", registry=r)
        self.bodies = Gauge("edgekit_body_bytes", "Memory held by bodies of requests", registry=r)
        self.connections = Gauge("edgekit_connections", "Open connections", registry=r)
        ProcessCollector(registry=r)
        r.register(_Board(state))

    def of_model(self, model: str, depth: Callable[[], float]) -> ModelMetrics:
        """The series of one model, looked up once; `depth` reads its queue at every scrape."""
        self._depth.labels(model).set_function(depth)
        return ModelMetrics(
            {outcome: self._requests.labels(model, outcome) for outcome in OUTCOMES},
            self._request_s.labels(model),
            self._queue_s.labels(model),
            {stage: self._stage_s.labels(model, stage) for stage in PART_OF_STAGE},
        )

    def loaded(self, model: str, version: str, platform: str, precision: str) -> None:
        """A model answers now."""
        self._forget_info(model)
        self._info.labels(model, version, platform, precision).set(1)
        self._loads.labels(model, "ok").inc()
        self._ready.labels(model).set(1)
        self._refused.labels(model).set(0)

    def refused(self, model: str, ready: bool) -> None:
        """A load was refused; `ready` tells whether an older version answers."""
        self._loads.labels(model, "refused").inc()
        self._refused.labels(model).set(1)
        self._ready.labels(model).set(int(ready))

    def fell_back(self, model: str) -> None:
        """Another version than the wanted one answers now: the wanted one is refused still."""
        self._refused.labels(model).set(1)

    def unloaded(self, model: str) -> None:
        """A model answers no more."""
        self._forget_info(model)
        self._ready.labels(model).set(0)

    def forgotten(self, model: str) -> None:
        """A model that did not answer is wanted no more."""
        self._refused.labels(model).set(0)

    def text(self) -> bytes:
        """The exposition format; reads files of /proc and /sys, so call it in a thread."""
        return generate_latest(self.registry)

    def latencies(self, model: str) -> list[tuple[str, int]]:
        """Upper bound in seconds -> answers so fast or faster, of the whole request: for the status page."""
        samples = [sample for metric in self._request_s.collect() for sample in metric.samples]
        return [
            (sample.labels["le"], int(sample.value))
            for sample in samples
            if sample.name.endswith("_bucket") and sample.labels["model"] == model
        ]

    def _forget_info(self, model: str) -> None:
        for metric in self._info.collect():
            for sample in metric.samples:
                if sample.labels["model"] == model:
                    self._info.remove(*(sample.labels[key] for key in ("model", "version", "platform", "precision")))


class _Board:
    """The board's own state, as far as it tells."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        state = self._state()
        if state.temperature_c is not None:
            yield GaugeMetricFamily("edgekit_cpu_temperature_celsius", "Hottest sensor of the processor", state.temperature_c)
        if state.memory_available_mb is not None:
            yield GaugeMetricFamily("edgekit_memory_available_bytes", "Of the board", state.memory_available_mb * 2**20)
        for name, text, bits in (
            ("edgekit_throttled", "1 while the reason holds", state.throttled),
            ("edgekit_throttled_since_boot", "1 where the reason has held since boot", state.throttled_since_boot),
        ):
            if bits is not None:
                family = GaugeMetricFamily(name, text, labels=["reason"])
                for reason in THROTTLE_BITS.values():
                    family.add_metric([reason], float(reason in bits))
                yield family
