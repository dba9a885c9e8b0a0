"""What the back office adds to the pages of rows of other apps: who changed them, the same in other ledgers, what events are about."""
