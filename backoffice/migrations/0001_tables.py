import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import kernel.ledger.identifiers
import kernel.ledger.json_field
import kernel.ledger.money


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0001_tables"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ClosedDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
            ],
            options={
                "ordering": ["-day"],
            },
        ),
        migrations.CreateModel(
            name="IntegrityRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ledgers", models.CharField(max_length=100)),
                ("seconds", models.FloatField()),
                ("violations", models.PositiveIntegerField()),
                ("first", models.TextField(blank=True, default="")),
                (
                    "tenant",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Change",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("table", models.CharField(max_length=100)),
                ("row", models.CharField(max_length=64)),
                ("tenant_id", models.UUIDField(blank=True, null=True)),
                ("operation", models.CharField(max_length=6)),
                ("before", models.JSONField(decoder=kernel.ledger.json_field.ExactDecoder, null=True)),
                ("after", models.JSONField(decoder=kernel.ledger.json_field.ExactDecoder, null=True)),
                ("actor", models.CharField(blank=True, default="", max_length=128)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("database_user", models.CharField(max_length=64)),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["table", "row", "id"], name="backoffice_change_row"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Export",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("title", models.CharField(max_length=200)),
                ("source", models.TextField()),
                ("format", models.CharField(max_length=4)),
                (
                    "state",
                    models.CharField(
                        choices=[("writing", "Being written"), ("ready", "Ready"), ("failed", "Failed")], default="writing", max_length=8
                    ),
                ),
                ("rows", models.BigIntegerField(default=0)),
                ("expected", models.BigIntegerField(default=0)),
                ("bytes", models.BigIntegerField(default=0)),
                ("error", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("moved_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=80)),
                ("path", models.CharField(max_length=200)),
                ("query", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "ordering": ["name", "id"],
                "constraints": [
                    models.UniqueConstraint(fields=("user", "path", "name"), name="backoffice_savedview_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SignIn",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("name_digest", models.CharField(max_length=64)),
                ("address", models.GenericIPAddressField(blank=True, null=True)),
                (
                    "outcome",
                    models.CharField(
                        choices=[("ok", "Signed in"), ("failed", "Wrong name or password"), ("blocked", "Too many attempts")], max_length=8
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["name_digest", "at"], name="backoffice_signin_name"),
                    models.Index(fields=["address", "at"], name="backoffice_signin_address"),
                ],
            },
        ),
        migrations.CreateModel(
            name="DaySum",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("occurred_on", models.DateField()),
                ("unit", models.CharField(max_length=255)),
                (
                    "figure",
                    models.CharField(
                        choices=[
                            ("billed", "Billed"),
                            ("wallet_adjusted", "Wallets adjusted"),
                            ("granted", "Granted"),
                            ("consumed", "Consumed"),
                            ("credit_adjusted", "Credit adjusted"),
                        ],
                        max_length=16,
                    ),
                ),
                ("customer_id", models.CharField(blank=True, default="", max_length=255)),
                ("entries", models.BigIntegerField()),
                ("amount", kernel.ledger.money.MoneyField()),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant")),
            ],
            options={
                "ordering": ["-day", "-id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("day", "tenant", "unit", "figure", "customer_id", "occurred_on"), name="backoffice_daysum_key"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Customer",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("customer_id", models.CharField(max_length=255)),
                ("name", models.CharField(blank=True, default="", max_length=200)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("updated_by", models.CharField(max_length=128)),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant")),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "customer_id"), name="backoffice_customer_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="KeptDuplicate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("transaction_id", models.UUIDField()),
                ("reason", models.CharField(max_length=1000)),
                ("decided_by", models.CharField(max_length=128)),
                ("decided_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant")),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "transaction_id"), name="backoffice_keptduplicate_key"),
                ],
            },
        ),
    ]
