"""What pages of the office show in place of a value that isn't there."""

# A dash that nobody takes for the sign of an amount.
NOTHING = "–"
