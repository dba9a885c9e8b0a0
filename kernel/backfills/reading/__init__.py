"""From a file to postings that the ledger could take: its formats, its records, their columns, its rows. Nothing here reads a table."""
