"""What a rule's parameters and conditions must be, beyond the types of their values.

Errors name the place of a value, as `parameters.0.interval_value`.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from kernel.ledger import queries
from kernel.ledger.errors import InvalidValue
from kernel.ledger.money import is_plain_decimal
from metering.models import Agent
from metering.rules.choices import (
    GROUP_WORDS,
    MAX_GROUP_WORDS,
    MAX_INTERVAL_VALUE,
    MAX_WINDOW_DAYS,
    METADATA_PREFIX,
    NAMED_FIELD_TYPES,
    NUMERIC_OPERATORS,
    PAYMENT_PROPERTIES,
    QUALIFIER_PREFIX,
    SINGLE_MEASUREMENTS,
    TRANSACTION_PROPERTIES,
    UNIT_SECONDS,
    FieldType,
    IntervalUnit,
)

MAX_CONDITIONS = 100
MAX_AGENTS = 1000
MAX_NOTIFY_PLACES = 6
HIGHEST_NOTIFY_AT = 10
DAY_SECONDS = 86_400
# The time zones of the database decide, because it computes the windows.
KNOWN_ZONE = "SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = %s) AS is_known"


def check_parameters(parameters: Sequence[Mapping[str, Any]]) -> None:
    """Raises InvalidValue for the first parameter that measures nothing that can be measured."""
    for index, parameter in enumerate(parameters):
        check_parameter(parameter, place=f"parameters.{index}.")
    _check_zones(parameters)


def check_parameter(parameter: Mapping[str, Any], *, place: str = "") -> None:
    """The same for one parameter; `place` stands before the names of its fields."""
    _check_interval(parameter, place)
    _check_groups(parameter.get("group_by") or (), f"{place}group_by")


def _check_interval(parameter: Mapping[str, Any], place: str) -> None:
    value: Any = parameter.get("interval_value")
    unit: Any = parameter.get("interval_unit")
    measurement = str(parameter["measurement_type"])
    is_single = measurement in SINGLE_MEASUREMENTS
    for name, stated in (("interval_value", value), ("interval_unit", unit)):
        if (stated is None) != is_single:
            raise InvalidValue(field=place + name, reason="no_interval" if is_single else "needs_interval", measurement=measurement)
    if is_single:
        return
    if not 1 <= value <= MAX_INTERVAL_VALUE:
        raise InvalidValue(field=f"{place}interval_value", reason="interval_out_of_range", min=1, max=MAX_INTERVAL_VALUE)
    if value * UNIT_SECONDS[IntervalUnit(unit)] > MAX_WINDOW_DAYS * DAY_SECONDS:
        raise InvalidValue(field=f"{place}interval_value", reason="window_too_long", max=MAX_WINDOW_DAYS)


def _check_groups(words: Sequence[str], place: str) -> None:
    if len(words) > MAX_GROUP_WORDS:
        raise InvalidValue(field=place, reason="too_many_groups", max=MAX_GROUP_WORDS)
    for index, word in enumerate(words):
        is_qualifier = word.startswith(QUALIFIER_PREFIX) and len(word) > len(QUALIFIER_PREFIX)
        if word not in GROUP_WORDS and not is_qualifier:
            choices = [*GROUP_WORDS, f"{QUALIFIER_PREFIX}<key>"]
            raise InvalidValue(field=f"{place}.{index}", reason="unknown_choice", choices=choices)
        if word in words[:index]:
            raise InvalidValue(field=f"{place}.{index}", reason="repeated")


def _check_zones(parameters: Iterable[Mapping[str, Any]]) -> None:
    for index, parameter in enumerate(parameters):
        check_zone(parameter["time_zone"], place=f"parameters.{index}.time_zone")


def check_zone(name: str, *, place: str = "time_zone") -> None:
    """Raises InvalidValue for a time zone that the database doesn't know."""
    if not _is_known_zone(name):
        raise InvalidValue(field=place, reason="unknown_zone")


@functools.lru_cache(maxsize=1024)
def _is_known_zone(name: str) -> bool:
    """Cached: to answer it the database reads all its time zones."""
    [row] = queries.fetch_rows(KNOWN_ZONE, [name])
    return bool(row.is_known)


def check_conditions(conditions: Sequence[Mapping[str, Any]]) -> None:
    """Raises InvalidValue for the first condition that compares nothing there is."""
    for index, condition in enumerate(conditions):
        _check_condition(condition, f"conditions.{index}.")


def _check_condition(condition: Mapping[str, Any], place: str) -> None:
    field_type, name = condition["field_type"], condition.get("field_name")
    if field_type not in NAMED_FIELD_TYPES:
        if name is not None:
            raise InvalidValue(field=f"{place}field_name", reason="no_field_name", field_type=str(field_type))
    elif not name:
        raise InvalidValue(field=f"{place}field_name", reason="needs_field_name", field_type=str(field_type))
    elif not _is_known_name(field_type, name):
        raise InvalidValue(field=f"{place}field_name", reason="unknown_choice", choices=_names_of(field_type))
    if condition["operator"] in NUMERIC_OPERATORS and not is_plain_decimal(condition["value"]):
        raise InvalidValue(field=f"{place}value", reason="number_syntax")


def _is_known_name(field_type: str, name: str) -> bool:
    if field_type == FieldType.QUALIFIER:
        return True
    is_metadata = field_type == FieldType.TRANSACTION_PROPERTY and name.startswith(METADATA_PREFIX) and len(name) > len(METADATA_PREFIX)
    return is_metadata or name in _names_of(field_type)


def _names_of(field_type: str) -> list[str]:
    if field_type == FieldType.PAYMENT_PROPERTY:
        return list(PAYMENT_PROPERTIES)
    return [*TRANSACTION_PROPERTIES, f"{METADATA_PREFIX}<key>"]


def check_agents(agent_ids: Sequence[UUID], *, tenant_id: UUID) -> None:
    """Raises InvalidValue for the first id that is no agent of the tenant, or is there twice."""
    known = set(Agent.objects.filter(tenant_id=tenant_id, id__in=agent_ids).values_list("id", flat=True))
    for index, agent_id in enumerate(agent_ids):
        if agent_id not in known:
            raise InvalidValue(field=f"agent_ids.{index}", reason="not_an_agent")
        if agent_id in agent_ids[:index]:
            raise InvalidValue(field=f"agent_ids.{index}", reason="repeated")


def check_notifications(parts: Sequence[Decimal]) -> None:
    """Raises InvalidValue for a part of the limit that isn't above 0 and at most 10, has too many decimals, or is there twice."""
    for index, part in enumerate(parts):
        exponent = part.normalize().as_tuple().exponent
        if not 0 < part <= HIGHEST_NOTIFY_AT or not isinstance(exponent, int) or -exponent > MAX_NOTIFY_PLACES:
            raise InvalidValue(field=f"notify_at.{index}", reason="part_out_of_range", max=HIGHEST_NOTIFY_AT)
        if part in parts[:index]:
            raise InvalidValue(field=f"notify_at.{index}", reason="repeated")
