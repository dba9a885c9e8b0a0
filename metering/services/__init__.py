"""Every change of the metering book. Each function is one call of a posting function in the database."""
