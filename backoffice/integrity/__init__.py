"""What the ledgers must obey: every check of every ledger, and the results of the runs that looked."""
