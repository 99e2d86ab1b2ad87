"""Servers on either HTTP parser."""

import pytest

from xlt.serve.app import server as server_module
from xlt.serve.http.protocol import protocol_class
from xlt.serve.limits import Limits


@pytest.fixture(scope="module", params=["httptools", "h11"])
def quick(request, run_server, bundles):
    """Servers with short deadlines, on either HTTP parser; on uvloop, and on asyncio's own loop."""
    if request.param == "httptools":
        pytest.importorskip("httptools")
    patch = pytest.MonkeyPatch()
    patch.setattr(
        server_module,
        "protocol_class",
        lambda limits, losses: protocol_class(limits, losses, pure_python=request.param == "h11"),
    )
    limits = Limits(read_seconds=0.5, write_seconds=1.0, keep_alive_seconds=1.0)
    loop = "auto" if request.param == "httptools" else "asyncio"
    running = run_server({"xnli": bundles["xnli"]}, limits=limits, loop=loop)
    patch.undo()
    yield running
    running.stop()
