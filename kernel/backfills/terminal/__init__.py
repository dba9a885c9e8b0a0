"""What a long command does with its terminal: progress, output that must be writable, and requests to stop. Other commands use it, too."""
