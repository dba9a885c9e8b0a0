"""The fixed values of spending rules, as callers write them."""

from uuid import UUID

from django.db.models import TextChoices

# The rule that every payment is decided by. It is the same in every installation, belongs to no tenant and has no row.
SYSTEM_RULE_ID = UUID("5b9f3f0a-3f5e-5d3b-9c5b-7c1d6a0e8f11")
SYSTEM_RULE_NAME = "System: Payment Authorization"
SYSTEM_RULE_NUMBER = 1


class RuleType(TextChoices):
    USAGE_LIMIT = "usage_limit", "Usage limit"
    PAYMENT_AUTHORIZATION = "payment_authorization", "Payment authorization"
    ALLOWLIST = "allowlist"
    BLOCKLIST = "blocklist"


class ResolutionStrategy(TextChoices):
    """Who decides where the rule denies: the rule itself, or a person."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class RuleStatus(TextChoices):
    ACTIVE = "active"
    PAUSED = "paused"
    ARCHIVED = "archived"


# What a caller may set; `archived` is reached and left by calls of its own.
SETTABLE_STATUSES = (RuleStatus.ACTIVE, RuleStatus.PAUSED)


class RuleChange(TextChoices):
    """What made a version of a rule."""

    CREATED = "created"
    UPDATED = "updated"
    ARCHIVED = "archived"
    RESTORED = "restored"


class FieldType(TextChoices):
    """What of a transaction a condition compares."""

    SERVICE = "service"
    ACTION = "action"
    RESOURCE = "resource"
    QUALIFIER = "qualifier"
    TRANSACTION_PROPERTY = "transaction_property"
    PAYMENT_PROPERTY = "payment_property"


# These have a field name; the others are one value each.
NAMED_FIELD_TYPES = (FieldType.QUALIFIER, FieldType.TRANSACTION_PROPERTY, FieldType.PAYMENT_PROPERTY)
TRANSACTION_PROPERTIES = ("agentName", "traceId", "traceExternalId", "customerId")
METADATA_PREFIX = "metadata."
PAYMENT_PROPERTIES = ("amount", "network", "asset", "scheme", "payTo", "resource")


class Operator(TextChoices):
    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    GREATER_THAN = "greater_than"
    LESS_THAN = "less_than"


# These compare decimals.
NUMERIC_OPERATORS = (Operator.GREATER_THAN, Operator.LESS_THAN)


class Measurement(TextChoices):
    COUNT_TRANSACTIONS = "count_transactions"
    SUM_PAYMENT_AMOUNT = "sum_payment_amount"
    THIS_PAYMENT_AMOUNT = "this_payment_amount"
    SUM_TRANSACTION_COSTS = "sum_transaction_costs"
    THIS_TRANSACTION_COST = "this_transaction_cost"


# These look at one transaction alone and have no interval.
SINGLE_MEASUREMENTS = (Measurement.THIS_PAYMENT_AMOUNT, Measurement.THIS_TRANSACTION_COST)


class IntervalUnit(TextChoices):
    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"
    MONTHS = "months"


MAX_INTERVAL_VALUE = 1000
MAX_WINDOW_DAYS = 366
# How long a unit is at most, in seconds: a window may not be longer than MAX_WINDOW_DAYS.
UNIT_SECONDS = {
    IntervalUnit.SECONDS: 1,
    IntervalUnit.MINUTES: 60,
    IntervalUnit.HOURS: 3600,
    IntervalUnit.DAYS: 86_400,
    IntervalUnit.WEEKS: 7 * 86_400,
    # Twelve of them fit into 366 days, thirteen don't.
    IntervalUnit.MONTHS: 2_635_200,
}


class Scope(TextChoices):
    """Which transactions a parameter sums: all of the tenant's, or only those that the rule applies to."""

    ALL = "all"
    RULE = "rule"


GROUP_WORDS = ("agent", "service", "action", "resource", "trace", "customer")
QUALIFIER_PREFIX = "qualifier:"
MAX_GROUP_WORDS = 3


class ConditionGroup(TextChoices):
    """The group of a condition that names none. Groups are free texts: conditions of one group must all match, of several groups one."""

    PRIMARY = "primary"


class RequestStatus(TextChoices):
    """What became of a round of authorization. `preparing`: a person, or the tenant itself, has to decide."""

    PREPARING = "preparing"
    AUTHORIZED = "authorized"
    DENIED = "denied"
