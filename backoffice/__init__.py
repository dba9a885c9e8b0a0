"""What lies on a member of staff's desk: figures of the day, exports, saved filters, and the history of settings."""
