"""Keeping the settings: tenants, keys, types, policies, prices and thresholds, changed by operators through the apps' own services."""
