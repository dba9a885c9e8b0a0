"""The admin of tenants, API keys and staff, and the base of every admin class."""

from kernel.tenants.admin import pages

__all__ = ["pages"]
