import uuid

from django.conf import settings
from django.db import models


class Grant(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    balance = models.DecimalField(max_digits=38, decimal_places=18)


class Transaction(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    grant = models.ForeignKey(Grant, models.PROTECT, related_name="transactions")
    type = models.CharField(max_length=6, choices=[("DEBIT", "debit"), ("CREDIT", "credit")])
    amount = models.DecimalField(max_digits=38, decimal_places=18)
    balance_after = models.DecimalField(max_digits=38, decimal_places=18)
    reason = models.CharField(max_length=255, blank=True)
    invoice_id = models.CharField(max_length=64, blank=True)
    idempotency_key = models.CharField(max_length=255, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
