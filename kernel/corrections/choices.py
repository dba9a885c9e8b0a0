"""The fixed words of corrections."""

from django.db import models


class State(models.TextChoices):
    """Where a request stands. Only `waiting` can change."""

    WAITING = "waiting", "Waiting for approval"
    POSTED = "posted", "Posted"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"


class ReasonCode(models.TextChoices):
    """Why the book has to be put right."""

    DUPLICATE = "duplicate", "Recorded twice"
    WRONG_AMOUNT = "wrong_amount", "Wrong amount"
    WRONG_ACCOUNT = "wrong_account", "Wrong customer, wallet or grant"
    SERVICE_FAILURE = "service_failure", "The service was not delivered"
    CUSTOMER_REQUEST = "customer_request", "Asked for by the customer"
    GOODWILL = "goodwill", "Goodwill"
    FRAUD = "fraud", "Fraud"
    OTHER = "other", "Other, see the text"


# Rows that one request may correct: all of them are posted in one transaction, which holds its accounts as long as it lasts.
MOST_LINES = 500
# Bytes of a file of evidence, which is kept in the book's own database.
MOST_EVIDENCE = 5_000_000
