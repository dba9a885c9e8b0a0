"""Correcting a ledger: nobody edits; a request says what would be posted, somebody answers for it, and the app's own services post it."""
