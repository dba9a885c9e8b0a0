"""Checks of metering's rows: checks.py and usage.py in SQL, digests.py in Python.

One is elsewhere: metering/services/usage_checks.py reads the facts and documents again, as services do, and services are above integrity.
"""
