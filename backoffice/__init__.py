"""The back office: the admin site with its dashboard, exports, saved filters and history of settings."""
