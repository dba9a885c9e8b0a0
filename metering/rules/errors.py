"""What spending rules refuse, and what their constraints mean to a caller."""

from kernel.ledger.database_errors import register_error
from kernel.ledger.errors import Busy, LedgerError


class VersionConflict(LedgerError):
    """The rule isn't at the version that the change was made from. Facts: id, version (the rule's)."""

    code = "version_conflict"


class NotArchivable(LedgerError):
    """The rule isn't at the version that the call names, or is archived already. Facts: id, version, status."""

    code = "not_archivable"


class NotRestorable(LedgerError):
    """The rule isn't at the version that the call names, or isn't archived. Facts: id, version, status."""

    code = "not_restorable"


class RuleArchived(LedgerError):
    """An archived rule isn't changed: restore it first. Facts: id."""

    code = "rule_archived"


class SystemRule(LedgerError):
    """The system rule can't be changed. Facts: none."""

    code = "system_rule"


class TooManyRules(LedgerError):
    """The tenant has as many rules as it may have that aren't archived. Facts: max."""

    code = "too_many_rules"


# Two calls made the same row at once: the other one won, and the same call finds it when it is repeated.
for _constraint in (
    "rules_spendingrule_numeric_id_key",
    "rules_ruleversion_idempotency_key_key",
    "rules_authorizationrequest_idempotency_key_key",
):
    register_error(_constraint, Busy)
register_error("rules_ruleversion_version_key", VersionConflict)
