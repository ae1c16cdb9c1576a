"""Files people write become frozen values; every complaint names its file, line and expectation.

The modules are the interface: `playbook`, `environment`, `together`, `plan_file`, `schema`. Nothing
is imported here, so that reading a playbook costs neither the plan nor the environment.
"""
