"""How the service is served: one command line for the demo, the benchmarks and the tests; docs/operations.md has it for production."""

import sys


def server_command(*, port: int, host: str = "127.0.0.1", workers: int = 2) -> list[str]:
    return [
        *(sys.executable, "-m", "uvicorn", "config.asgi:application", "--host", host, "--port", str(port), "--workers", str(workers)),
        *("--loop", "uvloop", "--http", "httptools", "--lifespan", "on", "--log-level", "warning", "--no-access-log", "--no-server-header"),
        # Who is a proxy and what it may say is Django's to know (BEHIND_TLS_PROXY).
        "--no-proxy-headers",
        # Longer than the proxies in front keep theirs, so that none sends a call down a connection that is just closing.
        *("--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "30"),
    ]
