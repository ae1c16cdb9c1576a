"""The command line: one file per verb. Exit statuses are those of `rollback.errors.ExitStatus`."""
