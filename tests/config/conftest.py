import socket

import pytest


@pytest.fixture
def silent_server():
    """The port of something that takes connections and never says a word, as a stopped database does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def boss(django_user_model):
    """A superuser: whoever is refused here, everybody is."""
    return django_user_model.objects.create_superuser("boss", password="boss-password-1")


@pytest.fixture
def office(client, boss):
    """A browser logged in to the admin as the superuser."""
    client.force_login(boss)
    return client
