"""The rule of promotion, its evidence, the aliases and the ledger."""
