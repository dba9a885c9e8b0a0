"""Ids that SQL makes."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("call", ["ledger_new_id(%s)", "events_new_id(%s, 3)"])
def test_an_id_of_the_database_has_its_version_and_is_never_of_a_later_millisecond(call):
    moment = datetime(2026, 1, 1, microsecond=1999, tzinfo=UTC)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {call}", [moment])
        [made] = cursor.fetchone()
    assert (made.version, re.fullmatch(r"[89ab]", str(made)[19]) is not None) == (7, True)
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert made.int >> 80 == milliseconds
