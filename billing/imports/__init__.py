"""Imports of billing entries from files."""
