"""Imports of grants, their transactions and recurring grants from files."""
