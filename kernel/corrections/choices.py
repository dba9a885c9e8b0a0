"""Choices, limits and permissions of corrections."""

from django.db import models


class State(models.TextChoices):
    """The state of a request. Only a waiting request can change."""

    WAITING = "waiting", "Waiting for approval"
    POSTED = "posted", "Posted"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"


class ReasonCode(models.TextChoices):
    """Why a correction is needed."""

    DUPLICATE = "duplicate", "Recorded twice"
    WRONG_AMOUNT = "wrong_amount", "Wrong amount"
    WRONG_ACCOUNT = "wrong_account", "Wrong customer, wallet or grant"
    SERVICE_FAILURE = "service_failure", "The service was not delivered"
    CUSTOMER_REQUEST = "customer_request", "Asked for by the customer"
    GOODWILL = "goodwill", "Goodwill"
    FRAUD = "fraud", "Fraud"
    OTHER = "other", "Other, see the text"


# Rows that one request may correct. All are posted in one transaction, which locks their accounts until it commits.
MAX_LINES = 500
# Bytes of an evidence file, and files of one request. They are stored in the database.
MAX_EVIDENCE_BYTES = 5_000_000
MAX_EVIDENCE_FILES = 20

# The permission to request corrections, and the page where it is done.
REQUEST_PERMISSION = "corrections.request_correctionrequest"
REQUEST_PAGE = "admin:corrections_correctionrequest_new"
# The colour of a state's label: see kernel.ledger.admin.formatting.label.
STATE_COLOURS = {State.WAITING: "wait", State.POSTED: "good", State.REJECTED: "bad", State.WITHDRAWN: ""}
