"""The admin of webhooks. Importing it registers the pages."""

from kernel.events.admin import deliveries, endpoints, errors  # noqa: F401
