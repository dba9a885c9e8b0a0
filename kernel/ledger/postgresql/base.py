"""Django's PostgreSQL backend, which checks before use whether the server has closed an idle connection.

After a restart of the database every idle connection is closed. A statement that is sent into one fails with an unknown outcome, which
the caller would get as an error. Django's own CONN_HEALTH_CHECKS needs a round trip to the server; this check only looks at the socket.
"""

import os
import select
import socket
from contextlib import suppress
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg.pq import ConnStatus
from psycopg_pool import PoolTimeout

from kernel.ledger.postgresql.connecting import NotConnected, Pool

# First bytes of what a server may send to an idle connection that it goes on serving: a notice, a changed parameter, a notification.
HARMLESS_MESSAGES = {b"N", b"S", b"A"}


class DatabaseWrapper(base.DatabaseWrapper):
    # Django's own, by alias, of all threads.
    _connection_pools: dict[str, Any]
    _configure_connection: Any

    @property
    def pool(self) -> Any:
        options = self.settings_dict["OPTIONS"].get("pool")
        if isinstance(options, dict) and self.alias not in self._connection_pools and not self.settings_dict.get("CONN_MAX_AGE"):
            parameters = self.get_connection_params() | {"autocommit": True}
            pool = Pool(kwargs=parameters, open=False, configure=self._configure_connection, **options)
            # Several threads may make a pool here at once: all of them use the first one.
            self._connection_pools.setdefault(self.alias, pool)
        return super().pool

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A new connection, or one of the pool's that is open. Raises NotConnected, and PoolTimeout of a pool."""
        try:
            while is_closed_by_server(connection := super().get_new_connection(conn_params)) and self.pool:
                connection.close()
                # The pool replaces a closed connection by a new one.
                self.pool.putconn(connection)
        except (NotConnected, PoolTimeout):
            raise
        except psycopg.OperationalError as error:
            raise NotConnected(error) from error
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
