"""What can be captured, one file per outside system. Every source only reads."""
