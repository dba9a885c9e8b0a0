"""Where uploaded files are kept: each in a folder of its own below settings.BACKFILL_FOLDER, named by the upload."""

import hashlib
import re
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from kernel.backfills import selectors, services
from kernel.backfills.errors import NotWritable
from kernel.ledger.identifiers import new_id

UPLOADS = "uploads"
MAX_NAME_LENGTH = 100
# What a name of a file keeps; its end says the format.
_OTHERS = re.compile(r"[^A-Za-z0-9._-]+")


def safe_name(name: str) -> str:
    """The file's name with harmless characters only, and not too long; its end stays, because it says the format."""
    plain = _OTHERS.sub("_", name).lstrip(".")[-MAX_NAME_LENGTH:].lstrip(".")
    return plain or "file"


def path_of(upload: Any) -> Path:
    """Where the file of an upload is, or was."""
    return folder_of(upload.id) / safe_name(upload.file_name)


def folder_of(upload_id: UUID) -> Path:
    return Path(settings.BACKFILL_FOLDER) / UPLOADS / str(upload_id)


def receive(upload_id: UUID, name: str, chunks: Iterable[bytes]) -> services.ReceivedFile:
    """Write a file that is being received, piece by piece. Raises NotWritable.

    It is written beside its place and then moved there, so that a second submit of the same form replaces it by an equal file.
    """
    folder = folder_of(upload_id)
    digest, size = hashlib.sha256(), 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        unfinished = folder / f".{safe_name(name)}.part"
        with unfinished.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        unfinished.replace(folder / safe_name(name))
    except OSError as error:
        raise NotWritable(
            f"The file can't be kept in {settings.BACKFILL_FOLDER}: {error.strerror}. Ask an operator to name another folder with"
            " BACKFILL_FOLDER, or to make room."
        ) from error
    return services.ReceivedFile(name=name[-255:], size=size, digest=digest.hexdigest())


def delete_old_files(*, before: datetime, actor: str) -> int:
    """Delete the files of uploads that have ended and of which nothing was heard since. The rows stay. Returns how many."""
    deleted = 0
    for upload in selectors.list_old_uploads(before=before).iterator(chunk_size=100):
        if services.record_file_deleted(upload=upload, step=services.Step(id=new_id(), actor=actor)):
            shutil.rmtree(folder_of(upload.id), ignore_errors=True)
            deleted += 1
    return deleted
