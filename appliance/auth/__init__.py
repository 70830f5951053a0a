"""Who may come in: realms, the chain they are asked in, and what slows guessing down."""
