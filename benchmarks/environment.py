"""The peers' own virtual environment: what they need is no part of what Countinghouse needs."""

import subprocess
import sys
import venv
from pathlib import Path

from config.local.folders import VAR

FOLDER = VAR / "bench-env"
PEERS = (
    "fastapi",
    "uvicorn[standard]",
    "asyncpg",
    "django>=5.2,<6",
    "djangorestframework",
    "psycopg[binary,pool]>=3.3",
    "granian>=2.8",
    "dj-wallet",
    "django-hordak",
)


def peers_python() -> Path:
    """The interpreter of the peers, made and filled on first use."""
    python = FOLDER / "bin" / "python"
    stamp = FOLDER / "installed"
    if not stamp.exists() or stamp.read_text() != "\n".join(PEERS):
        sys.stdout.write("Installing the peers into var/bench-env; the first time takes a minute ...\n")
        venv.create(FOLDER, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS], check=True)  # noqa: S603
        stamp.write_text("\n".join(PEERS))
    return python
