"""Mail: what is to be told to whom, kept in an outbox until a server took it."""
