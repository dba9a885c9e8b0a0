import socket

import pytest
from django.db import connection

from tests.asgi import Server


@pytest.fixture
def silent_server():
    """The port of something that takes connections and never says a word, as a stopped database does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def served(transactional_db):
    """The service on an event loop; its threads keep no connection to the database."""
    from config import asgi

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
        server = Server(asgi.application)
        yield server
        server.close()
