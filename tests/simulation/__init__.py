"""The deterministic simulation: the real loop, actions, guard and journal, in one process.

See docs/explanation/simulation.md.
"""
