"""Corrections of posted rows: a request is previewed, approved by a second person where its amount requires it, and posted."""
