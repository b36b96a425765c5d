"""A worker's process around its loop: signals, exit codes, logs, health over HTTP, the note that it runs."""
