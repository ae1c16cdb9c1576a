"""Evidence: captured in pieces named by their content, sealed so that a stranger can verify it."""
