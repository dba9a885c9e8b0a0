"""The API of webhooks: endpoints, deliveries and events."""
