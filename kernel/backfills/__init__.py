"""Imports past rows from files: plan, review, apply, resume, undo. Knows no ledger: each ledger has an adapter (adapters.py)."""
