"""Django's PostgreSQL backend, which checks before use whether the server has closed an idle connection.

After a restart of the database every idle connection is closed. A statement that is sent into one fails with an unknown outcome, which
the caller would get as an error. Django's own CONN_HEALTH_CHECKS needs a round trip to the server; this check only looks at the socket.
"""

import os
import select
import socket
from contextlib import suppress
from typing import Any

from django.db.backends.postgresql import base
from psycopg.pq import ConnStatus

# First bytes of what a server may send to an idle connection that it goes on serving: a notice, a changed parameter, a notification.
HARMLESS_MESSAGES = {b"N", b"S", b"A"}


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A new connection, or one of the pool's that is open."""
        while is_closed_by_server(connection := super().get_new_connection(conn_params)) and self.pool:
            connection.close()
            # The pool replaces a closed connection by a new one.
            self.pool.putconn(connection)
        return connection

    def close_if_unusable_or_obsolete(self) -> None:
        """Called at the beginning and the end of each request: drops a persistent connection that the server has closed."""
        if self.connection is not None and not self.in_atomic_block and is_closed_by_server(self.connection):
            self.drop_connection()
        super().close_if_unusable_or_obsolete()

    def drop_connection(self) -> None:
        """Closes a dead connection, so that a pool doesn't lend it again."""
        self.connection.close()
        self.close()


def is_closed_by_server(connection: Any) -> bool:
    """Whether the server has closed an idle connection. Sends nothing: an idle socket has nothing to read unless the server ended it."""
    pgconn = connection.pgconn
    if pgconn.status != ConnStatus.OK:
        return True
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN)
    if not poll.poll(0):
        return False
    with suppress(OSError), socket.socket(fileno=os.dup(pgconn.socket)) as peeked:
        return peeked.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) not in HARMLESS_MESSAGES
    return True
