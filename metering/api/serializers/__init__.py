"""Bodies and replies of the metering API."""
