"""The command line that serves the application: for the demo, the benchmarks and the tests."""

import sys


def server_command(*, port: int, host: str = "127.0.0.1", workers: int = 2) -> list[str]:
    return [sys.executable, "-m", "config.serve", "--host", host, "--port", str(port), "--workers", str(workers)]
