"""A mock without faults and sessions, and without the log of its requests, or with it.

    python benchmarks/plain.py telepath          # the mock alone
    python benchmarks/plain.py telepath --log    # with the log, but without the question whether a fault is set

It prints its address in the form of `trunkline serve`, so that one client measures both.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter

import trunkline
from trunkline import mock
from trunkline.exchange import RawHeaders, ReadKey, Response
from trunkline.mock.faults import Faults
from trunkline.mock.mock import Logged
from trunkline.mock.request_log import RequestLog
from trunkline.mock.session import ServedMock
from trunkline.transport import server


class WithLog(ServedMock):
    """The mock of a session, which does not ask whether a fault is set."""

    def read(self, key: ReadKey) -> tuple[Response, RawHeaders]:
        """The answer, logged."""
        begin = perf_counter()
        answer, limits = self.mock.find(key)
        response = answer.response
        self._requests.add(begin, answer.logged or Logged(self.mock, key, response.status, response.headers))
        return response, limits


def main() -> None:
    """Serve until a signal ends the process."""
    vendor = trunkline.load(sys.argv[1])
    base = vendor.contract.base_path

    def announce(url: str) -> None:
        print(json.dumps({"vendors": {vendor.name: {"url": url + base, "token": vendor.world.token}}}), flush=True)

    alone = mock.from_vendor(vendor)
    target = WithLog(alone, Faults(lambda: [vendor]), RequestLog()) if "--log" in sys.argv else alone
    app = server.asgi({base: target}, cors=())
    server.serve(app, host="127.0.0.1", port=0, on_ready=announce)


if __name__ == "__main__":
    main()
