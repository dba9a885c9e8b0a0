"""HTTP to receivers: which addresses may be called, connections, requests, and what they are signed with."""
