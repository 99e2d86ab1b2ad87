"""Does `xlt serve` grow as models come and go? Loads, swaps and deletes under traffic.

    python benchmarks/serve_models.py [--rounds 20] [--model BUNDLE] [--check]

One model serves throughout. Each round loads a second copy under a name of its own, swaps it and
deletes it, while clients ask both. Resident memory is read after the first load and after each
round; required at the end: at most 10 % or 50 MiB, whichever is more, above that of the first load.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import load
from load import Running

MIB = 1 << 20
KEY = "a-key-for-this-benchmark"
SETTLE_SECONDS = 2.5  # freed memory is given back about once a second


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="an encoder bundle [default: MiniLM]")
    parser.add_argument("--rounds", type=int, default=20, help="[%(default)s]")
    parser.add_argument("--clients", type=int, default=4, help="[%(default)s]")
    parser.add_argument("--server-cpus", type=load.cores, default="0", help="[%(default)s]")
    parser.add_argument("--client-cpus", type=load.cores, default="1", help="[%(default)s]")
    parser.add_argument("--work", type=Path, default=load.ROOT / "build" / "bench")
    parser.add_argument("--flag", action="append", default=[], help="one more of `xlt serve`")
    parser.add_argument("--check", action="store_true", help="exit 5 when it grows")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    bundle = (options.model or load.minilm(options.work)).resolve()
    os.sched_setaffinity(0, options.client_cpus)
    os.environ["XLT_ADMIN_KEYS"] = KEY
    flags = ["--repository", str(bundle.parent), *options.flag]
    server = load.start_ours([f"model={bundle}"], cpus=options.server_cpus, flags=flags)
    traffic = Traffic(server, options.clients)
    try:
        traffic.ask_for(5.0)
        first = settled(server)
        sizes = [first]
        for number in range(options.rounds):
            name = f"copy-{number}"
            for _ in range(2):  # the second one swaps the first
                admin(server, "POST", "/admin/models", {"name": name, "bundle": bundle.name})
                traffic.names = ["model", name]
                time.sleep(0.2)
            traffic.names = ["model"]
            admin(server, "DELETE", f"/admin/models/{name}")
            sizes.append(server.rss())
        traffic.ask_for(2.0)
        last = settled(server)
    finally:
        traffic.stop()
        code = server.stop()
    most = max(1.1 * first, first + 50 * MIB)
    result = {
        "rounds": options.rounds,
        "answers": dict(sorted(traffic.statuses.items())),
        "rss_mib": {"first": first / MIB, "last": last / MIB, "allowed": most / MIB},
        "rss_mib_by_round": [round(size / MIB, 1) for size in sizes],
        "exit_code": code,
    }
    print(json.dumps(result, indent=1))
    # 404: asked of the copy in the moment of its deletion
    unexpected = set(traffic.statuses) - {"200", "404"}
    return 5 if options.check and (last > most or unexpected or code != 0) else 0


def settled(server: Running) -> int:
    """Resident bytes once freed memory has been given back."""
    time.sleep(SETTLE_SECONDS)
    return server.rss()


def admin(server: Running, method: str, path: str, body: dict[str, str] | None = None) -> None:
    """One admin request, which has to succeed."""
    parts = urlsplit(server.url)
    link = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=300)
    link.request(method, path, json.dumps(body) if body else None, {"x-api-key": KEY})
    reply = link.getresponse()
    text = reply.read()
    link.close()
    assert reply.status == 200, text


class Traffic:
    """Clients that ask all the time, for embeddings of one to eight texts."""

    def __init__(self, server: Running, n_clients: int) -> None:
        self.url = urlsplit(server.url)
        self.names = ["model"]
        self.statuses: dict[str, int] = {}
        self.ended = False
        self.threads = [
            threading.Thread(target=self._ask, args=(number,)) for number in range(n_clients)
        ]
        for thread in self.threads:
            thread.start()

    def ask_for(self, seconds: float) -> None:
        """Let them ask."""
        time.sleep(seconds)

    def stop(self) -> None:
        """Let them end."""
        self.ended = True
        for thread in self.threads:
            thread.join()

    def _ask(self, number: int) -> None:
        link = http.client.HTTPConnection(self.url.hostname or "", self.url.port, timeout=60)
        turn = number
        while not self.ended:
            turn += 1
            texts = [f"the river runs past {turn} houses and mill {i}" for i in range(turn % 8 + 1)]
            body = json.dumps({"input": texts, "model": self.names[turn % len(self.names)]})
            link.request("POST", "/v1/embeddings", body)
            reply = link.getresponse()
            reply.read()
            status = str(reply.status)
            self.statuses[status] = self.statuses.get(status, 0) + 1
        link.close()


if __name__ == "__main__":
    raise SystemExit(main())
