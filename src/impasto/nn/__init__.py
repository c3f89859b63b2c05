"""Networks and losses. Needs torch; only `weights` reads files."""
