# SPDX-License-Identifier: Apache-2.0
"""What a server counts while it runs, and the text in which Prometheus reads it (exposition format 0.0.4).

Labels are methods of the protocol, results of it, and kinds of updates: what clients send makes no new ones. A server
that is not asked for metrics counts nothing, and its queries cost nothing more.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pyglobus.core.rls.results import Refusal, Result

if TYPE_CHECKING:
    from pyglobus.core.rls.store import Handler, Store, Strings

#: The bounds of the histogram of times, in seconds.
BOUNDS = (0.0001, 0.00025, 0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0)
_PREFIX = "pyglobus_rls"

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """The counters. Requests are counted in the server's event loop, the rest anywhere."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, str], int] = {}
        self._times: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}
        self._events: dict[tuple[str, Labels], float] = {}

    def observe(self, method: str, result: Result, seconds: float) -> None:
        """A request was answered."""
        key = method, result.name.lower()
        self._requests[key] = self._requests.get(key, 0) + 1
        times = self._times.get(method)
        if times is None:
            times = self._times[method] = [0] * (len(BOUNDS) + 1)
            self._seconds[method] = 0.0
        times[bisect_left(BOUNDS, seconds)] += 1
        self._seconds[method] += seconds

    def timed(self, method: str, handler: Handler) -> Handler:
        """The handler, with each call of it observed."""

        def observed(store: Store, strings: Strings) -> bytes:
            begun, result = time.perf_counter(), Result.GLOBUSERR
            try:
                reply = handler(store, strings)
                result = Result.SUCCESS
            except Refusal as refusal:
                result = refusal.result
                raise
            finally:
                self.observe(method, result, time.perf_counter() - begun)
            return reply

        return observed

    def happened(self, kind: str, facts: Mapping[str, Any]) -> None:
        """An event of the server's log."""
        labels: Labels = ()
        name = _COUNTED.get(kind)
        if kind == "update":
            labels = (("outcome", "failed" if "error" in facts else "sent"), ("kind", str(facts.get("kind", ""))))
        elif kind == "error":
            labels = (("reason", str(facts.get("reason", ""))),)
        if name is not None:
            with self._lock:
                self._events[name, labels] = self._events.get((name, labels), 0) + 1

    def text(self, gauges: Mapping[str, float]) -> str:
        """All of it, with values that the caller has measured."""
        with self._lock:
            events = dict(self._events)
        return "\n".join([*self._shown_requests(), *_shown_events(events), *_shown_gauges(gauges), ""])

    def _shown_requests(self) -> Iterator[str]:
        yield from _head("requests_total", "counter", "Requests answered, by method and result.")
        for (method, result), count in sorted(dict(self._requests).items()):
            yield _line("requests_total", (("method", method), ("result", result)), count)
        yield from _head("request_seconds", "histogram", "Seconds from a request to its reply.")
        for method, times in sorted(dict(self._times).items()):
            total = 0
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), list(times), strict=True):
                total += count
                yield _line("request_seconds_bucket", (("method", method), ("le", bound)), total)
            yield _line("request_seconds_sum", (("method", method),), round(self._seconds[method], 6))
            yield _line("request_seconds_count", (("method", method),), total)


#: By kind of event: what counts it, and what that means.
_COUNTED = {
    "open": "connections_opened_total",
    "error": "connections_broken_total",
    "denied": "requests_denied_total",
    "update": "updates_total",
    "expired": "catalogues_expired_total",
    "reload": "reloads_total",
}
_HELP = {
    "connections_opened_total": "Clients that were let in.",
    "connections_broken_total": "Connections that the server has ended, by reason.",
    "requests_denied_total": "Requests that the access list does not permit.",
    "updates_total": "Updates sent to indexes, by outcome and kind.",
    "catalogues_expired_total": "Catalogues that the index has forgotten, for they were silent.",
    "reloads_total": "How often the configuration was read again.",
}
_GAUGES = {
    "connections": "Clients that are connected.",
    "connections_limit": "As many may be.",
    "uptime_seconds": "Seconds since the server has started.",
    "lrc_lfns": "Logical names in the catalogue.",
    "lrc_pfns": "Physical names in the catalogue.",
    "lrc_mappings": "Mappings in the catalogue.",
    "rli_lfns": "Logical names in the index.",
    "rli_lrcs": "Catalogues that the index knows.",
    "rli_mappings": "Mappings in the index.",
    "databases_up": "Whether the databases answer.",
}


def _shown_events(events: Mapping[tuple[str, Labels], float]) -> Iterator[str]:
    for name, help in _HELP.items():
        yield from _head(name, "counter", help)
        found = sorted((labels, count) for (other, labels), count in events.items() if other == name)
        for labels, count in found or ([((), 0)] if name not in ("updates_total", "connections_broken_total") else []):
            yield _line(name, labels, count)


def _shown_gauges(gauges: Mapping[str, float]) -> Iterator[str]:
    for name, value in gauges.items():
        yield from _head(name, "gauge", _GAUGES[name])
        yield _line(name, (), value)


def _head(name: str, kind: str, help: str) -> tuple[str, str]:
    return f"# HELP {_PREFIX}_{name} {help}", f"# TYPE {_PREFIX}_{name} {kind}"


def _line(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    return f"{_PREFIX}_{name}{f'{{{inside}}}' if inside else ''} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
