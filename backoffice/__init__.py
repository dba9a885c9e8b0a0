"""The back office: the admin site with its dashboard, exports, saved views and history of settings."""
