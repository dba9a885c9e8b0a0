"""Files that staff upload in the back office. What people do with them is written by services/uploads.py."""
