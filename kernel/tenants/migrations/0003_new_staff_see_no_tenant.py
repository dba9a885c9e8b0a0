from django.conf import settings
from django.db import migrations, models

# Who had no profile saw all tenants, and goes on to.
KEEP = """
INSERT INTO tenants_staffprofile (user_id, time_zone, sees_all_tenants)
SELECT id, 'UTC', true FROM auth_user WHERE is_staff AND id NOT IN (SELECT user_id FROM tenants_staffprofile)
"""


class Migration(migrations.Migration):
    dependencies = [("tenants", "0002_roles"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.AlterField(
            "staffprofile",
            "sees_all_tenants",
            models.BooleanField(default=False, help_text="Off: only the tenants listed below, on every page, search and export."),
        ),
        migrations.RunSQL(KEEP, migrations.RunSQL.noop),
    ]
