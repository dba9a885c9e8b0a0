"""Reading endpoints, deliveries and events."""
