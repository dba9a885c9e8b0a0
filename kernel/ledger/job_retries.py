"""How often a job that fails is run again before it stays failed and shows in the back office and in `manage.py failed_jobs`."""

from procrastinate import RetryStrategy

# Waits 10, 100, 1000 and 10,000 seconds.
RETRY = RetryStrategy(max_attempts=5, exponential_wait=10)
