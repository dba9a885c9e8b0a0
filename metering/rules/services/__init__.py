"""The only code that writes spending rules."""
