"""The views of the webhooks API."""
