"""Customers: their rows, the links that lead to them, their list, and their pages with timeline and statements."""
