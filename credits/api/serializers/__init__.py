"""Bodies and replies of the credits API."""
