"""Lists scheduled jobs that failed in all their attempts, and runs them again on request."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob


class Command(BaseCommand):
    help = "List failed jobs; exit code 1 if there are any. Example: manage.py failed_jobs --retry 17"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--retry", type=int, metavar="ID", help="let the worker run this job again now")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = ProcrastinateJob.objects.filter(status="failed").order_by("id")
        if options["retry"] is not None:
            job = failed.filter(id=options["retry"]).first()
            if job is None:
                raise CommandError(f"There is no failed job {options['retry']}.")
            app.job_manager.retry_job_by_id(job.id, retry_at=timezone.now())
            self.stdout.write(self.style.SUCCESS(f"Job {job.id} ({job.task_name}) will run again."))
            return
        for job in failed:
            event = job.procrastinateevent_set.order_by("-at").first()
            when = f"{event.at:%Y-%m-%d %H:%M:%S} UTC" if event else "an unknown time"
            self.stdout.write(f"{job.id}  {job.task_name}  {job.attempts} attempts, last at {when}. The log has the error.")
        if failed:
            raise SystemExit(1)
        self.stdout.write(self.style.SUCCESS("No job has failed."))
