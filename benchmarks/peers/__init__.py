"""What is measured against, from an environment of its own."""
