"""Reads of spending rules. Functions take `tenant_id` by keyword; another tenant's rule is not found."""
