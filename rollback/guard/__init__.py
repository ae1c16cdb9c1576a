"""The refusing layer: one pure judgement (`rules`), put under every client (`wire`)."""
