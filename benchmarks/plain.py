"""The mock alone: without the record of its requests, without faults, without sessions.

    python benchmarks/plain.py telepath

It prints its address in the form of `trunkline serve`, so that one client measures both.
"""

from __future__ import annotations

import json
import sys

import trunkline
from trunkline import mock
from trunkline.transport import server


def main() -> None:
    """Serve until a signal ends the process."""
    vendor = trunkline.load(sys.argv[1])
    base = vendor.contract.base_path

    def announce(url: str) -> None:
        print(json.dumps({"vendors": {vendor.name: {"url": url + base, "token": vendor.world.token}}}), flush=True)

    app = server.asgi({base: mock.from_vendor(vendor)}, cors=())
    server.serve(app, host="127.0.0.1", port=0, on_ready=announce)


if __name__ == "__main__":
    main()
