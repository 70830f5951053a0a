"""What goes on when one process follows another: stored stays, rows left behind, Child SAs without an owner (0110)."""
