"""Every write of the metering ledger. Postings and amendments call the posting functions of `metering/sql`; agents, prices and policies
are written through their models."""
