# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Exports to Prometheus what the kernel counts: programs started, and how long tasks wait for a CPU.

The metrics are at /metrics, and / is a page for a browser. Maps are read only when somebody asks.
Until Ctrl-C. Needs root, Linux 5.5, and prometheus_client: pip install '.[examples]'.
"""

from __future__ import annotations

import argparse
import contextlib
import html
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

try:
    from prometheus_client import CollectorRegistry, Metric, make_wsgi_app
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
    from prometheus_client.registry import Collector
except ImportError:
    sys.exit("prometheus_exporter: there is no prometheus_client: pip install '.[examples]'")

import pylibbpf as bpf
from pylibbpf.maps import HashMap

OBJECT = Path(__file__).with_suffix(".bpf.o")
PAGE = """<!doctype html>
<meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>Kernel metrics</title>
<style>body {{ font: 15px sans-serif; margin: 2em }} td, th {{ padding: 2px 1em; text-align: right }}</style>
<h1>Kernel metrics</h1><p>For Prometheus: <a href="/metrics">/metrics</a></p>
<h2>Programs started</h2><table id="programs"><tr><th>Command<th>Count{programs}</table>
<h2>Waits for a CPU</h2><table id="waits"><tr><th>Up to (&micro;s)<th>Count{waits}</table>
"""


class KernelCollector(Collector):
    """The metrics of an attached object."""

    def __init__(self, obj: bpf.Object) -> None:
        self.executions = obj.map("executions", HashMap)
        self.waits, self.waited_ns = obj.variables["waits"], obj.variables["waited_ns"]

    def programs(self) -> dict[str, int]:
        """How often each command was executed, the most frequent first."""
        found = sorted(self.executions.items(), key=lambda item: -item[1])
        return {command.name.decode(errors="replace"): count for command, count in found}

    def buckets(self) -> list[tuple[int, int]]:
        """Upper bounds in microseconds, and how many waits were below each but not the one before."""
        return [(2 << bucket, count) for bucket, count in enumerate(self.waits.value)]

    def collect(self) -> Iterator[Metric]:
        started = CounterMetricFamily(
            "kernel_programs_started", "Programs executed, by command.", labels=["command"]
        )
        for command, count in self.programs().items():
            started.add_metric([command], count)
        yield started

        bounds, counts = zip(*self.buckets(), strict=True)
        totals = [*accumulate(counts)]
        buckets = [(str(bound / 1e6), total) for bound, total in zip(bounds, totals, strict=True)]
        waits = HistogramMetricFamily("kernel_cpu_wait_seconds", "How long tasks waited for a CPU.")
        waits.add_metric([], [*buckets[:-1], ("+Inf", totals[-1])], sum_value=self.waited_ns.value / 1e9)
        yield waits

    def page(self) -> str:
        """The same for people."""
        rows = "<tr><td>{}<td>{}".format
        programs = [rows(html.escape(command), count) for command, count in [*self.programs().items()][:20]]
        return PAGE.format(
            programs="".join(programs),
            waits="".join(rows(bound, count) for bound, count in self.buckets() if count),
        )


def application(collector: KernelCollector) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """The web application (WSGI)."""
    registry = CollectorRegistry()
    registry.register(collector)
    metrics: Any = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/metrics":
            return metrics(environ, start_response)
        found = environ["PATH_INFO"] == "/"
        headers = [("Content-Type", "text/html; charset=utf-8")]
        start_response("200 OK" if found else "404 Not Found", headers)
        return [collector.page().encode() if found else b"<p>There is <a href='/metrics'>/metrics</a>."]

    return answer


class Quiet(WSGIRequestHandler):
    """Prints no line for each request."""

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def main() -> None:
    options = parse_arguments()
    with bpf.Object.load_file(OBJECT) as obj:
        obj.attach()
        app = application(KernelCollector(obj))
        with make_server(options.address, options.port, app, handler_class=Quiet) as server:
            # In a thread of its own: in the middle of a request wsgiref would take Ctrl-C for its failure.
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            with contextlib.suppress(KeyboardInterrupt):
                print(f"serving http://{options.address}:{server.server_port}/", flush=True)
                threading.Event().wait()
            server.shutdown()
            thread.join()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1", help="to listen at (127.0.0.1)")
    parser.add_argument("--port", type=int, default=9435, help="0 for any that is free (9435)")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (bpf.NotSupportedError, bpf.PermissionDeniedError) as error:
        sys.exit(f"prometheus_exporter: {error}\n  It needs root, and Linux 5.5 or newer with BTF.")
    except (bpf.Error, OSError, OverflowError) as error:
        sys.exit(f"prometheus_exporter: {error}")
