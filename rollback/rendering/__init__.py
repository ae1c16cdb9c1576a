"""One plan, four faces: text, Markdown, HTML and JSON; and the report of a run."""
