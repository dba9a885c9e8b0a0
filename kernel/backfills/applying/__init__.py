"""What carries a planned run out or takes it back: run_work.py is the entry; the others post, reverse, lock and pace its batches."""
