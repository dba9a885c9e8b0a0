"""How Django writes dates: the same everywhere in the back office."""
