"""Pure: playbook and observations become a plan. No clock, file, network, chance or logging."""
