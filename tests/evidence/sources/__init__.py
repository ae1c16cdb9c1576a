"""Sources that need no platform."""
