"""The views of the metering API, a module for each kind of resource."""
