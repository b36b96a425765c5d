"""The storm: real servers and workers, disturbed while events of a seed come in; compared with an oracle in the end."""
