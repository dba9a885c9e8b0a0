"""Imports of metered transactions from files."""
