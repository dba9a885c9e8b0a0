import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import kernel.tenants.models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0001_tenants_and_keys"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="StaffProfile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("time_zone", models.CharField(default="UTC", max_length=64, validators=[kernel.tenants.models.check_time_zone])),
                (
                    "sees_all_tenants",
                    models.BooleanField(default=True, help_text="Off: only the tenants listed below, on every page, search and export."),
                ),
                (
                    "user",
                    models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name="profile", to=settings.AUTH_USER_MODEL),
                ),
            ],
        ),
        migrations.CreateModel(
            name="StaffTenant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "profile",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="tenant_limits", to="tenants.staffprofile"),
                ),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("profile", "tenant"), name="tenants_stafftenant_key")],
            },
        ),
    ]
