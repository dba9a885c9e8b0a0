from django.db import transaction
from rest_framework import generics, permissions, serializers

from textbook.models import Grant, Transaction


class TransactionSerializer(serializers.ModelSerializer):
    grantId = serializers.PrimaryKeyRelatedField(source="grant", queryset=Grant.objects.all())

    class Meta:
        model = Transaction
        fields = ["id", "grantId", "type", "amount", "balance_after", "reason", "invoice_id", "created_at"]
        read_only_fields = ["id", "balance_after", "created_at"]

    def validate_amount(self, amount):
        if amount <= 0:
            raise serializers.ValidationError("The amount must be positive.")
        return amount


class CreateTransaction(generics.CreateAPIView):
    serializer_class = TransactionSerializer
    permission_classes = [permissions.IsAuthenticated]

    def perform_create(self, serializer):
        facts = serializer.validated_data
        with transaction.atomic():
            grant = Grant.objects.select_for_update().get(pk=facts["grant"].pk, owner=self.request.user)
            change = facts["amount"] if facts["type"] == "CREDIT" else -facts["amount"]
            posted, is_new = Transaction.objects.get_or_create(
                idempotency_key=self.request.headers["Idempotency-Key"],
                defaults={**facts, "grant": grant, "balance_after": grant.balance + change},
            )
            if is_new:
                if grant.balance + change < 0:
                    raise serializers.ValidationError("Insufficient credit.")
                grant.balance += change
                grant.save(update_fields=["balance"])
        serializer.instance = posted
