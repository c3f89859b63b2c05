"""Networks and losses as pure tensor code: needs torch, touches no files."""
