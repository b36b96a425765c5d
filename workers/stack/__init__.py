"""The local servers, Kafka, a Schema Registry, Weaviate and Triton, as child processes for a demo or a test.

Reads: the settings, ``schemas/``, the model repository. Writes: programs to ``<cache_dir>``, the rest to ``<data_dir>``
(``stack.json``: addresses and ports; ``pids/``, ``logs/``, ``servers/``: one entry per server).
Guarantees: a server whose address is given in settings is never started or stopped; ``down`` stops only what ``up``
started, known by pid and start time, after a crash too; two data directories never share a port or a file.
"""
