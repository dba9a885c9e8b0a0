"""What is said of all three books at once: proving them, rebuilding what is kept beside the entries, taking them out as files.

It stands on the roof, because only the roof may see every app.
"""
