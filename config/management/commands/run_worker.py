"""Runs what isn't done by a request: the periodic jobs of every app, and the sending of webhooks. Any number of workers may run.

The jobs are in every app's jobs.py, which procrastinate finds by PROCRASTINATE_AUTODISCOVER_MODULE_NAME (config/settings.py).
"""

import asyncio
import threading
from typing import Any

from django.core.management.base import BaseCommand
from procrastinate.contrib.django import app

from kernel.events.delivery_loop import DeliveryLoop

# Jobs at the same time. At most two of them work on uploaded files, which may take long (kernel/backfills/uploads/background_work.py).
CONCURRENCY = 4


class Command(BaseCommand):
    help = "Run periodic jobs and send webhooks until SIGTERM or Ctrl-C. What is under way is ended first."

    def handle(self, *args: Any, **options: Any) -> None:
        loop = DeliveryLoop()
        sender = threading.Thread(target=loop.run, name="webhooks")
        sender.start()
        try:
            asyncio.run(self._run_jobs())
        finally:
            loop.stop()
            sender.join()

    async def _run_jobs(self) -> None:
        """Ends with the signal, or when the connection to the database is lost: the supervisor then starts the process again."""
        connector: Any = app.connector
        with app.replace_connector(connector.get_worker_connector()) as jobs:
            async with jobs.open_async():
                await jobs.run_worker_async(install_signal_handlers=True, concurrency=CONCURRENCY)
