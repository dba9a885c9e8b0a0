"""Bringing history in from files: plan, look, apply, resume, undo. Knows no ledger: each one gives an adapter (adapters.py)."""
