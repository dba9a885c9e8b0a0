"""The metering API's views, a file for each noun."""
