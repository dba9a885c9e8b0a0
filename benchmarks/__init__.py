"""Countinghouse beside what a user would pick instead: see README.md here, and docs/performance.md for what came of it."""
