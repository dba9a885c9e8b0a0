"""The wire format of the metering API: camelCase, money as strings with 18 decimals, errors as `{"message", "error", "statusCode"}`."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest

from kernel.api.batches import BatchOutcome, ItemOutcome
from kernel.api.camel_case_dialect import ERROR_TEXTS, FIELD_WORDS, CamelCaseDialect
from kernel.api.dialect import Dialect
from kernel.api.pagination import Page
from kernel.api.problems import FieldProblem, Problem
from kernel.ledger.outcomes import REPLAYED
from metering.choices import MOVES, Status
from metering.rules.choices import FieldType, Measurement, Operator, RuleType

# Messages about one value; the field's path stands before them.
OWN_FIELD_WORDS = {
    "unknown_agent": "must be an agent of yours, or come with agentName",
    "without_outcome": "need an outcome: success or error",
    "out_of_bounds": "must not be more than {earliest} before the present, nor more than {latest} after it",
    "too_early": "must be later than the beginning",
    "units_with_markup": "must be empty where markup is set: the public price has the units",
    "prices_nothing": "should not be empty, unless flatAmount or markup is set",
    "part_of_no_unit": "must be the factKey of another unit of the price, which is a part of none itself",
    "tiers_without_mode": "need tierMode, graduated or volume",
    "tier_bounds": "must have ascending upTo values, and none in the last tier",
    "amount_with_tiers": "should not be set where there are tiers",
    "repeated": "must not be there twice",
    "unknown_zone": "must be an IANA time zone, as Europe/Berlin{hint}",
    "unknown_item": "has the unknown name {name}{hint}",
    "too_many_names": "takes at most {max} names",
    "hold_not_later": "must be later than {min}, when the payment ends",
    "hold_too_long": "must be no later than {max}, by the account's longest time for a hold",
    "absent_and_present": "has {name}, which another filter gives a value",
    "span_too_long": "leads to more than {max} days: choose a shorter time",
    "read_too_long": "leads to more than {max} days, which is the most for more than two dimensions and filters",
    "traces_too_long": "leads to more than {max} days, which is the most by traces",
    "too_many_points": "leads to more than {max} points: choose a shorter time or a longer interval",
}
OWN_ERROR_TEXTS = {
    "wrong_status": "Transaction {id} must be in {needed} status to {verb}. Current status: {status}",
    "not_open": "Transaction {id} takes no costs or facts any more. Current status: {status}",
    "must_be_authorized": "Transaction {id} must be in authorized status to reauthorize. Current status: {status}",
    "no_payable_option": "No payment option can be paid: {reasons}",
    "needs_person": "Transaction {id} waits for a person's decision, which a spending rule demands",
    "payment_in_progress": "Transaction {id} already has a payment in progress: {payment_id}",
    "payment_presented": "A payment of this transaction has been presented: {payment_id}",
    "payment_closed": "Payment {id} is {status} already",
    "payment_collected": "Payment {id} is collected by whom it pays, and by nobody else",
    "payment_exceeded": "Payment {id} holds {held}, less than {requested}",
    "payment_hold_ended": "A hold of payment {id} was ended by itself, and nothing else covers it",
    "cost_of_payment": "Cost {id} is what a payment holds or took, which that payment alone changes",
    "cost_of_another": "Cost {id} belongs to another transaction",
    "already_superseded": "Cost {id} has already been superseded",
    "agent_exists": "An agent with this name exists already",
    "key_not_counted": "Usage is counted by {key} from {since} on: begin there or later, or ask again when the job has counted the rest",
    "key_exists": "The key is declared already, as {id}",
    "too_many_keys": "A tenant declares at most {max} keys: withdraw one first",
    "price_exists": "A price with these names begins at this moment already",
}
VERBS = {
    Status.COMPLETED: "complete",
    Status.CANCELLED: "cancel",
    Status.AUTHORIZED: "authorize",
    Status.PREPARING: "prepare",
    Status.DENIED: "deny",
}


def joined_with_or(names: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


# For the refusal of a move to a status: its verb, and the statuses that it may start from.
MOVE_SENTENCES = {str(status): (VERBS[status], joined_with_or([str(start) for start in starts])) for status, starts in MOVES.items()}


class MeteringDialect(CamelCaseDialect):
    """The wire format and messages of `/v1/transactions` and the other calls of the ledger."""

    name = "Metering"
    field_words = FIELD_WORDS | OWN_FIELD_WORDS
    error_texts = ERROR_TEXTS | OWN_ERROR_TEXTS
    kinds = {
        "transaction": "Transaction",
        "cost": "Cost",
        "trace": "Trace",
        "agent": "Agent",
        "price": "Price",
        "usage_key": "Key",
        "payment": "Payment",
    }
    statuses = {
        **Dialect.statuses,
        "wrong_status": 400,
        "not_open": 400,
        "must_be_authorized": 400,
        "no_payable_option": 400,
        "needs_person": 409,
        "payment_in_progress": 409,
        "payment_presented": 409,
        "payment_closed": 409,
        "payment_collected": 409,
        "payment_exceeded": 409,
        "payment_hold_ended": 409,
        "cost_of_payment": 409,
        "cost_of_another": 400,
        "already_superseded": 409,
        "agent_exists": 409,
        "price_exists": 409,
        "key_not_counted": 409,
        "key_exists": 409,
        "too_many_keys": 409,
    }

    def sentence(self, problem: Problem) -> str:
        if problem.code == "wrong_status":
            verb, needed = MOVE_SENTENCES[problem.facts["wanted"]]
            return OWN_ERROR_TEXTS["wrong_status"].format(**problem.facts, verb=verb, needed=needed)
        if problem.code == "no_payable_option":
            reasons = "; ".join(f"accepts[{place}] {why}" for place, why in enumerate(problem.facts["reasons"]))
            return OWN_ERROR_TEXTS["no_payable_option"].format(reasons=reasons)
        return super().sentence(problem)

    def batch_item(self, item: ItemOutcome, row: Any, *, status: int = 201) -> dict[str, Any]:
        """`status`: what a call that does the same to one transaction is answered with."""
        if item.problem is not None:
            return {"index": item.index, "status": self.status(item.problem), "error": self.error_body(item.problem)}
        body = {"index": item.index, "status": status, "id": item.row["id"]}
        if item.status == REPLAYED:
            body["replayed"] = True
        if row is not None:
            body["transaction"] = row
        return body

    def batch_body(self, outcome: BatchOutcome, items: list[Any]) -> dict[str, Any]:
        return {"data": items, "meta": outcome.counts}


dialect = MeteringDialect()


# What the messages about a rule's fields say, where they differ from those of the other calls.
RULE_FIELD_WORDS = {
    "not_text": "must be a string",
    "number_as_money": "must be a string",
    "not_a_number": "must be an integer number",
    "no_interval": "should not be set for {measurement}",
    "needs_interval": "should not be empty for {measurement}",
    "interval_out_of_range": "must not be less than {min} nor greater than {max}",
    "window_too_long": "must not be longer than {max} days with its unit",
    "too_many_groups": "must contain no more than {max} elements",
    "unknown_zone": "must be an IANA time zone, as Europe/Berlin",
    "no_field_name": "should not be set for {field_type}",
    "needs_field_name": "should not be empty for {field_type}",
    "not_an_agent": "is not an agent of this tenant",
    "part_out_of_range": "must be greater than 0 and not greater than {max}, with at most 6 decimals",
}
RULE_ERROR_TEXTS = {
    "version_conflict": "Version conflict - rule was modified by another user",
    "not_archivable": "Version conflict or rule already archived",
    "not_restorable": "Version conflict or rule not archived",
    "rule_archived": "Rule {id} is archived: restore it first",
    "system_rule": "System rules cannot be changed",
    "too_many_rules": "A tenant has at most {max} rules that are not archived",
}
EMPTY, NOT_TEXT, NOT_WHOLE = "should not be empty", "must be a string", "must be an integer number"
TOO_LONG = "must be shorter than or equal to {max} characters"


def _one_of(values: Sequence[str]) -> str:
    return f"must be one of the following values: {', '.join(values)}"


# Every requirement that a required member breaks where it is absent or null, in the order in which the messages stand.
UNMET_WITHOUT_VALUE = {
    "name": (TOO_LONG.format(max=255), EMPTY, NOT_TEXT),
    "ruleType": (EMPTY, _one_of(RuleType.values)),
    "version": (EMPTY, NOT_WHOLE),
    "limitValue": (EMPTY, NOT_TEXT),
    "measurementType": (EMPTY, _one_of(Measurement.values)),
    "fieldType": (EMPTY, _one_of(FieldType.values)),
    "operator": (EMPTY, _one_of(Operator.values)),
    "value": (EMPTY, NOT_TEXT),
}


class SpendingRuleDialect(CamelCaseDialect):
    """The wire format and messages of `/v1/spending-rules`: a message for each requirement that a value doesn't meet."""

    name = "SpendingRule"
    field_words = MeteringDialect.field_words | RULE_FIELD_WORDS
    error_texts = MeteringDialect.error_texts | RULE_ERROR_TEXTS
    kinds = {"rule": "Rule", "parameter": "Parameter", "condition": "Condition"}
    statuses = {
        **MeteringDialect.statuses,
        "version_conflict": 409,
        "not_archivable": 409,
        "not_restorable": 409,
        "rule_archived": 409,
        "system_rule": 403,
        "too_many_rules": 409,
    }

    def error_body(self, problem: Problem) -> dict[str, Any]:
        body = super().error_body(problem)
        if fields := self.fields_of(problem):
            body["message"] = [message for field in fields for message in self.messages(field)]
        return body

    def messages(self, field: FieldProblem) -> list[str]:
        """The messages about one value, each with the value's place before it."""
        name = field.path[-1] if field.path else ""
        if field.code in {"missing", "null"} and name in UNMET_WITHOUT_VALUE:
            return [self.placed(field, text) for text in UNMET_WITHOUT_VALUE[str(name)]]
        if field.code == "not_text" and name == "name":
            return [self.placed(field, text) for text in (TOO_LONG.format(max=255), NOT_TEXT)]
        if field.code == "unknown_name":
            *above, unknown = field.path
            place = ".".join(map(str, [*above, f"property {unknown}"]))
            return [f"{place} {self.field_words['unknown_name'].format(hint=field.facts.get('hint', ''))}"]
        if field.code in {"too_long", "too_short"}:
            return [self.placed(field, _length_text(field))]
        return [self.field_message(field)]

    def placed(self, field: FieldProblem, text: str) -> str:
        return f"{'.'.join(map(str, field.path))} {text}"

    def page_body(self, *, page: Page, items: list[Any], request: HttpRequest) -> dict[str, Any]:
        """Links are relative to the API's version, `/spending-rules?...`: the published clients put their base before them."""
        body = super().page_body(page=page, items=items, request=request)
        query = request.META.get("QUERY_STRING", "")
        links = {**body["links"], "self": f"{request.path}?{query}"}
        return body | {"links": {name: address and address.removeprefix("/v1") for name, address in links.items()}}


def _length_text(field: FieldProblem) -> str:
    """A text's length counts characters, a list's elements."""
    if isinstance(field.value, list):
        most = field.code == "too_long"
        return (
            f"must contain no more than {field.facts['max']} elements" if most else f"must contain at least {field.facts['min']} elements"
        )
    return TOO_LONG.format(max=field.facts["max"]) if field.code == "too_long" else EMPTY


spending_rule_dialect = SpendingRuleDialect()
