"""From the usage that a provider's reply or an SDK reports to counters of known meaning, and to what was not understood. Reads no table."""
