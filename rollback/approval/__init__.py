"""One person's signature over one plan digest: made, kept in a file, and checked."""
