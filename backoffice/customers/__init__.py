"""Customers: their list, and their pages with timeline and statements."""
