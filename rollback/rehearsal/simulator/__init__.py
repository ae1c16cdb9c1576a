"""A simulated trading platform that speaks the real protocols over TLS on loopback.

The simulator runs as a process of its own (``python -m rollback.rehearsal.simulator``).
`rollback.rehearsal.simulator.process` starts it and speaks to its control API;
`rollback.rehearsal.simulator.world` states what it simulates;
`rollback.rehearsal.simulator.s3` is an evidence store in a second process.

It accepts forbidden writes and records them: that is how a broken guard shows. It never reaches
any network but loopback, and stops with the process that started it.
"""
