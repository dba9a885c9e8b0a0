from django.db import migrations, models

RUN = {"condition": models.Q(("request_id__startswith", "run:")), "fields": ["tenant", "request_id", "id"]}


class Migration(migrations.Migration):
    dependencies = [("credits", "0006_standings")]

    operations = [
        migrations.AddIndex(model_name="grant", index=models.Index(name="credits_grant_run", **RUN)),
        migrations.AddIndex(model_name="credittransaction", index=models.Index(name="credits_transaction_run", **RUN)),
    ]
