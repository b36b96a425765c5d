"""The loop and its laws: batches, verdicts, offsets, leases, dead letters. Knows no client library."""
