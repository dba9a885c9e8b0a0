"""What staff read where a correction is refused. The ledgers' errors carry codes and facts; here they become sentences."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from kernel.corrections.errors import CorrectionRefused
from kernel.ledger.money import plain
from kernel.tenants.errors import DomainError

SENTENCES: dict[str, str] = {
    "already_reversed": "It was reversed before, by {reversed_by}.",
    "already_superseded": "A newer cost took its place already.",
    "amount_missing": "Say the amount.",
    "busy": "The account is busy just now. Nothing was posted: try again.",
    "correction_refused": "The ledger refuses this.",
    "direction_in_use": "Transactions of this type exist, so its direction stays {direction}.",
    "exceeds_original": "{requested} is more than the {remaining} that is left of it.",
    "floor_above_balance": "The balance is {balance}: a floor of {floor} would be broken already.",
    "grant_expired": "The grant expired on {expiry_date}.",
    "grant_held": "A hold reserves {held} of the grant. Release it first.",
    "grant_not_found": "There is no such grant in this tenant's book.",
    "grant_not_yet_effective": "The grant is not in force before {effective_date}.",
    "grant_voided": "The grant was voided before.",
    "invalid_slug": "The short name may hold lower-case letters, digits and hyphens only.",
    "insufficient": "The balance of {balance} does not bear {requested}.",
    "insufficient_credit": "Only {available} of the grant can be drawn on, and {requested} would be taken.",
    "more_than_taken": "Invoice {invoice_id} took only {taken} from this grant.",
    "not_found": "It is not in this tenant's book.",
    "not_open": "Its transaction is {status}; nothing is added to that.",
    "not_reversible": "An entry of this kind is not reversed; it has a verb of its own.",
    "not_the_asker": "Only who asked for it can withdraw it.",
    "not_waiting": "It was already {state}.",
    "nothing_to_correct": "This would post no entry.",
    "out_of_range": "The balance would no longer fit.",
    "outcome_unknown": "The database was lost while it worked. Look whether it was posted before you try again.",
    "own_request": "Nobody decides on what they asked for. Ask a colleague with the approver's role.",
    "price_exists": "A price for the same names begins at the same moment.",
    "preview_moved": "The book moved since the preview was made. Nothing was posted; these are the new numbers.",
    "several_tenants": "One request corrects one tenant's book. Choose rows of a single tenant.",
    "tenant_exists": "A tenant with this short name exists.",
    "too_many_lines": "One request corrects at most {most} rows. Choose fewer.",
    "unknown_currency": "{currency} is no currency of ISO 4217.",
    "wrong_status": "A transaction that is {status} can't be {wanted}.",
}


def sentence(error: DomainError) -> str:
    """The refusal in a sentence, with its numbers."""
    if isinstance(error, CorrectionRefused):
        return sentence(error.facts["why"])
    if error.code == "invalid_value":
        return _invalid(error.facts)
    facts = {name: _told(value) for name, value in error.facts.items()}
    try:
        return SENTENCES[error.code].format(**facts)
    except KeyError:
        told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
        return f"The ledger refuses it: {error.code.replace('_', ' ')}{f' ({told})' if told else ''}."


def _invalid(facts: Mapping[str, Any]) -> str:
    field = str(facts.get("field", "value")).replace("_", " ")
    return f"The {field} is not right: {str(facts.get('reason', 'invalid')).replace('_', ' ')}."


def _told(value: Any) -> str:
    told: Callable[[Any], str] = plain if isinstance(value, Decimal) else str
    return told(value)
