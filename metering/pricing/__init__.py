"""From counters to a cost: by the public price of a model or by the tenant's own. Reads no table: what the tables hold is passed in."""
