"""Serves the application: `python -m config.serve --host 127.0.0.1 --port 8000 --workers 2`.

uvicorn with what is the same everywhere: connections spread over the processes (web_server/event_loop.py), HTTP with bounds
(web_server/http_protocol.py), no access log (ours has more), and nothing taken from a proxy's headers, which Django does
(BEHIND_TLS_PROXY). SIGTERM lets the requests under way end, for 30 seconds.
"""

import argparse
import sys
from collections.abc import Sequence

import uvicorn

from config.web_server.connection_balance import shared_counts
from config.web_server.http_protocol import BoundedHttpProtocol


def server_command(*, port: int, host: str = "127.0.0.1", workers: int = 2) -> list[str]:
    """The command line that serves the application: for the demo, the benchmarks and the tests."""
    return [sys.executable, "-m", "config.serve", "--host", host, "--port", str(port), "--workers", str(workers)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m config.serve", description="Serve Countinghouse.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=2, help="processes; one for each core left to the application")
    parsed = parser.parse_args(arguments)
    with shared_counts(parsed.workers):
        uvicorn.run(
            "config.asgi:application",
            host=parsed.host,
            port=parsed.port,
            workers=parsed.workers,
            loop="config.web_server.event_loop:BalancedLoop",
            http=BoundedHttpProtocol,
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            # Longer than the proxies in front keep idle connections, so that none sends a request into a connection that is closing.
            timeout_keep_alive=75,
            timeout_graceful_shutdown=30,
        )


if __name__ == "__main__":
    main()
