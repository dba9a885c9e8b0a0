from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class EventsConfig(AppConfig):
    name = "kernel.events"
    label = "events"
    # The scopes of this API (kernel.tenants.scopes). Who may read endpoints may not read the secrets that sign what is sent to them.
    api_scopes = ("webhooks:read", "webhooks:write", "webhooks:secrets")

    def ready(self) -> None:
        # Imports the modules that register types of events and how their bodies are made: this app's own, and those of each other app.
        autodiscover_modules("own_types", "events", "event_bodies")
        # Models can be imported only now.
        from kernel.events.services.api_key_events import write_key_event  # noqa: PLC0415
        from kernel.tenants.services import register_key_listener  # noqa: PLC0415

        register_key_listener(write_key_event)
