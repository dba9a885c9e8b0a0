"""The plan of a file: every row read, looked up in the ledger and reported, without posting anything."""
