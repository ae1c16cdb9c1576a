"""Pure judgement of requests and of planned effects. No clock, file, network, chance or log."""
