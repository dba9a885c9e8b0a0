"""`bin/demo`: the whole service on this machine, with a tenant to try it as and three real requests."""
