"""Placeholder until evidence lands."""


def sink_for(setting, evidence, ledger):
    return lambda wire: None


def seal_run(*a):
    return ""
